import hashlib
import json
import os

import numpy as np
import pytest
from PIL import Image

from wdsr_tf import images
from wdsr_tf.data import cache
from wdsr_tf.data.cache import Manifest, convert_tree
from wdsr_tf.errors import InputError


@pytest.fixture
def tree(tmp_path):
    """Three images in a tree, each of another size and format."""
    random = np.random.default_rng(0)
    for i, name in enumerate(["HR/0001.png", "LR/X2/0001x2.bmp", "cat.jpg"]):
        images.write(tmp_path / "in" / name, random.integers(0, 256, (9 + i, 7, 3), "uint8"))
    return tmp_path / "in"


def convert(tree, **options):
    return convert_tree(tree, tree.parent / "out", **{"jobs": 1} | options)


def mirrored(tree, recipe, make):
    return cache.mirror(images.find(tree), tree, ".npy", recipe, make)


def out(tree, name):
    return tree.parent / "out" / name


def counts(report):
    return report.done, report.kept, len(report.failed)


def manifest(tree):
    return out(tree, cache.MANIFEST)


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_image_becomes_an_array_at_the_same_place(tree, jobs):
    assert counts(convert(tree, jobs=jobs)) == (3, 0, 0)
    for name in ("HR/0001.png", "LR/X2/0001x2.bmp", "cat.jpg"):
        array = np.load(out(tree, name).with_suffix(".npy"))
        assert array.dtype == "uint8"
        np.testing.assert_array_equal(array, images.read(tree / name))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA"])
def test_every_color_mode_becomes_three_channels(tree, mode):
    name = "x.jpg" if mode == "CMYK" else "x.png"
    Image.new("RGB", (4, 3), (200, 30, 90)).convert(mode).save(tree / name)
    assert counts(convert(tree)) == (4, 0, 0)
    assert np.load(out(tree, "x.npy")).shape == (3, 4, 3)


def test_a_second_run_does_nothing(tree):
    convert(tree)
    before = {path: path.stat().st_mtime_ns for path in (tree.parent / "out").rglob("*")}
    assert counts(convert(tree)) == (0, 3, 0)
    assert {path: path.stat().st_mtime_ns for path in (tree.parent / "out").rglob("*")} == before


def test_manifest_records_sources_and_files(tree):
    convert(tree)
    records = Manifest(manifest(tree)).records
    record = records["cat.npy"]
    source = (tree / "cat.jpg").stat()
    assert record["source"] == {
        "path": str(tree / "cat.jpg"),
        "bytes": source.st_size,
        "mtime_ns": source.st_mtime_ns,
        "sha256": hashlib.sha256((tree / "cat.jpg").read_bytes()).hexdigest(),
    }
    facts = record["files"]["cat.npy"]
    assert facts["shape"] == [11, 7, 3] and facts["bytes"] == out(tree, "cat.npy").stat().st_size
    assert len(facts["sha256"]) == 64


def test_changed_source_is_converted_again(tree):
    convert(tree)
    images.write(tree / "cat.jpg", np.zeros((20, 20, 3), "uint8"))
    assert counts(convert(tree)) == (1, 2, 0)
    assert np.load(out(tree, "cat.npy")).shape == (20, 20, 3)


def test_source_of_equal_size_and_other_content_is_converted_again(tree):
    convert(tree)
    content = (tree / "LR/X2/0001x2.bmp").read_bytes()
    (tree / "LR/X2/0001x2.bmp").write_bytes(content[:-4] + bytes([content[-4] ^ 1]) + content[-3:])
    os.utime(tree / "LR/X2/0001x2.bmp", ns=(0, 0))  # older than before, as after a move
    assert counts(convert(tree)) == (1, 2, 0)


def test_source_that_was_moved_or_touched_is_not_converted_again(tree):
    convert(tree)
    os.utime(tree / "cat.jpg", ns=(0, 0))
    assert counts(convert(tree)) == (0, 3, 0)
    moved = tree.rename(tree.parent / "elsewhere")
    assert counts(convert(moved)) == (0, 3, 0)
    records = Manifest(manifest(tree)).records
    assert records["cat.npy"]["source"]["path"] == str(moved / "cat.jpg")
    assert records["cat.npy"]["source"]["mtime_ns"] == 0


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def blank_header(path):
    path.write_bytes(b"\0" * 128 + path.read_bytes()[128:])


@pytest.mark.parametrize("damage", [cut, blank_header, lambda path: path.unlink()])
def test_damaged_file_is_converted_again(tree, damage):
    convert(tree)
    damage(out(tree, "HR/0001.npy"))
    assert counts(convert(tree)) == (1, 2, 0)
    np.testing.assert_array_equal(np.load(out(tree, "HR/0001.npy")), images.read(tree / "HR/0001.png"))


def test_verify_finds_a_changed_pixel_by_its_checksum(tree):
    convert(tree)
    path = out(tree, "HR/0001.npy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert counts(convert(tree)) == (0, 3, 0)
    assert counts(convert(tree, verify=True)) == (1, 2, 0)
    assert counts(convert(tree, verify=True)) == (0, 3, 0)


@pytest.mark.parametrize("jobs", [1, 2])
def test_unreadable_image_is_reported_and_the_others_are_converted(tree, jobs):
    (tree / "broken.png").write_bytes((tree / "HR/0001.png").read_bytes()[:60])
    (tree / "text.png").write_text("not an image")
    report = convert(tree, jobs=jobs)
    assert counts(report) == (3, 0, 2)
    assert [path.name for path, _ in report.failed] == ["broken.png", "text.png"]
    assert "text.png: not an image" in report.failed[1][1]
    assert counts(convert(tree, jobs=jobs)) == (0, 3, 2)
    assert not out(tree, "broken.npy").exists()


def test_images_that_would_become_one_file_are_rejected_before_anything_is_written(tree):
    images.write(tree / "cat.png", np.zeros((4, 4, 3), "uint8"))
    with pytest.raises(InputError, match=r"cat\.jpg, .*cat\.png -> cat\.npy"):
        convert(tree)
    assert not (tree.parent / "out").exists()


def test_folder_without_images_is_rejected(tmp_path):
    with pytest.raises(InputError, match="no images found"):
        convert_tree(tmp_path, tmp_path / "out")
    with pytest.raises(InputError, match="no such folder"):
        convert_tree(tmp_path / "absent", tmp_path / "out")


def test_two_trees_share_one_root(tree):
    convert_tree(tree / "HR", tree.parent / "out/HR", jobs=1)
    assert counts(convert(tree)) == (3, 0, 0)
    assert counts(convert_tree(tree / "HR", tree.parent / "out/HR", jobs=1)) == (0, 1, 0)


FOREIGN = '{"source": {"path": "cat.jpg"}, "files": {"cat.npy": {"bytes": 1, "shape": [1], "sha256": ""}}}\n'


@pytest.mark.parametrize("rest", ['{"source": {"pa', '{"files": {}}\n', "\0\0\0\0", '"text"\n', FOREIGN])
def test_incomplete_manifest_line_costs_at_most_one_image(tree, rest):
    convert(tree)
    lines = manifest(tree).read_text().splitlines(keepends=True)
    manifest(tree).write_text("".join(lines[:2]) + rest)
    assert counts(convert(tree)) == (1, 2, 0)
    records = [json.loads(line) for line in manifest(tree).read_text().splitlines()]
    assert len(records) == 3
    assert counts(convert(tree)) == (0, 3, 0)


def test_line_without_its_end_is_not_joined_with_the_next(tree):
    convert(tree)
    manifest(tree).write_text(manifest(tree).read_text().rstrip("\n"))
    images.write(tree / "dog.png", np.zeros((4, 4, 3), "uint8"))
    assert counts(convert(tree)) == (1, 3, 0)
    assert len(Manifest(manifest(tree)).records) == 4


def test_replaced_manifest_lines_are_removed(tree):
    convert(tree)
    for time in range(5):
        os.utime(tree / "cat.jpg", (time, time))
        convert(tree)
    convert(tree)
    assert len(manifest(tree).read_text().splitlines()) == 3


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OSError("648 requested and 0 written")])
def test_full_disk_stops_the_run(tree, monkeypatch, error):
    def full(path, array, **options):
        raise error

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space left"):
        convert(tree)
    assert not list((tree.parent / "out").rglob("*.npy"))


def test_image_that_vanishes_fails_alone(tree):
    tasks = mirrored(tree, "numpy", cache.save_array)
    cache.run(tasks, tree.parent / "out", jobs=1)
    (tree / "cat.jpg").unlink()
    report = cache.run(tasks, tree.parent / "out", jobs=1)
    assert counts(report) == (0, 2, 1)
    assert "cat.jpg" in report.failed[0][1]


def test_array_of_an_image_that_is_gone_is_removed(tree):
    convert(tree)
    (tree / "cat.jpg").unlink()
    assert convert(tree, prune=True).removed == 1
    assert not out(tree, "cat.npy").exists()
    assert len(Manifest(manifest(tree)).records) == 2
    assert convert(tree).removed == 0


@pytest.mark.parametrize("total, removed", [(10, 1), (9, 0)])
def test_more_than_a_tenth_is_only_removed_on_request(tmp_path, total, removed):
    for i in range(total):
        images.write(tmp_path / "in" / f"{i}.png", np.full((4, 4, 3), i, "uint8"))
    convert(tmp_path / "in")
    (tmp_path / "in" / "3.png").unlink()
    report = convert(tmp_path / "in")
    assert (report.removed, report.unpruned) == (removed, 1 - removed)
    assert out(tmp_path / "in", "3.npy").exists() == (not removed)


@pytest.mark.parametrize("file", ["../mine/diary.npy", "{}/mine/diary.npy", "link/diary.npy", "\0.npy", "text.txt"])
def test_no_recorded_path_leads_outside_or_to_other_kinds_of_files(tree, file):
    mine = tree.parent / "mine"
    mine.mkdir()
    for path in (mine / "diary.npy", tree.parent / "out" / "text.txt"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("diary")
    (tree.parent / "out" / "link").symlink_to(mine)
    facts = {"bytes": 5, "shape": [1], "sha256": hashlib.sha256(b"diary").hexdigest()}
    source = {"path": str(tree / "gone.png"), "bytes": 1, "mtime_ns": 1}
    record = {"source": source, "recipe": "numpy", "files": {file.format(tree.parent): facts}}
    manifest(tree).write_text(json.dumps(record) + "\n")
    assert convert(tree, prune=True).removed == 0
    assert (mine / "diary.npy").read_text() == (tree.parent / "out" / "text.txt").read_text() == "diary"


def test_a_file_that_was_changed_since_is_not_removed(tree):
    convert(tree)
    (tree / "cat.jpg").unlink()
    np.save(out(tree, "cat.npy"), np.ones(3))
    convert(tree, prune=True)
    np.testing.assert_array_equal(np.load(out(tree, "cat.npy")), np.ones(3))


def test_a_manifest_that_is_a_link_is_refused(tree):
    (tree.parent / "out").mkdir()
    manifest(tree).symlink_to(tree.parent / "mine.jsonl")
    with pytest.raises(InputError, match="is a link"):
        convert(tree)
    assert not (tree.parent / "mine.jsonl").exists()


@pytest.mark.parametrize("recorded", [False, True])
def test_a_file_of_the_users_own_is_never_replaced(tree, recorded):
    if recorded:
        convert(tree)
    np.save(tree.parent / "mine.npy", np.ones(3))
    out(tree, "x").parent.mkdir(exist_ok=True)
    (tree.parent / "mine.npy").replace(out(tree, "cat.npy"))
    report = convert(tree)
    assert counts(report) == (0 if recorded else 2, 2 if recorded else 0, 1)
    assert f"{out(tree, 'cat.npy')}: already exists" in report.failed[0][1]
    np.testing.assert_array_equal(np.load(out(tree, "cat.npy")), np.ones(3))


def test_files_without_a_manifest_are_recognized_by_their_content(tree):
    convert(tree)
    manifest(tree).unlink()
    assert counts(convert(tree)) == (3, 0, 0)
    assert counts(convert(tree)) == (0, 3, 0)


def test_every_image_is_converted_or_named(tree):
    (tree / "cat.jpg").rename(tree / "cat.jfif")
    (tree / "HR/0001.png").rename(tree / "no suffix")
    Image.new("RGB", (4, 4)).save(tree / "a.ppm")
    Image.new("RGB", (4, 4)).save(tree / "b.tga")
    (tree / "text.txt").write_text("not an image")
    away = tree.parent / "away"
    images.write(away / "dog.png", np.zeros((4, 4, 3), "uint8"))
    (tree / "linked").symlink_to(away)
    (away / "loop").symlink_to(tree)
    report = convert(tree)
    assert counts(report) == (4, 0, 0)
    assert out(tree, "linked/dog.npy").exists()
    assert [path.name for path, _ in report.left_out] == ["a.ppm", "b.tga"]
    assert "a.ppm: PPM files aren't supported" in report.left_out[0][1]


def test_arrays_of_other_folders_and_of_existing_images_are_kept(tree):
    convert(tree)
    images.write(tree.parent / "other" / "dog.png", np.zeros((4, 4, 3), "uint8"))
    assert convert_tree(tree.parent / "other", tree.parent / "out", jobs=1).removed == 0
    assert convert_tree(tree / "HR", tree.parent / "out", jobs=1).removed == 0
    assert {path.name for path in (tree.parent / "out").glob("*.npy")} == {"cat.npy", "dog.npy", "0001.npy"}


def test_incomplete_files_of_a_killed_run_are_removed(tree):
    convert(tree)
    left = out(tree, "HR/.0123456789abcdef.npy")
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    convert(tree)
    assert not left.exists()


def end_process(source, paths):
    os._exit(1)


def test_killed_worker_process_raises_input_error(tree):
    with pytest.raises(InputError, match="--jobs 1"):
        cache.run(mirrored(tree, "end", end_process), tree.parent / "out", jobs=2)
