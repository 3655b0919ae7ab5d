import json
import os

import numpy as np
import pytest

from wdsr_tf import images
from wdsr_tf.data import cache, div2k
from wdsr_tf.data.pairs import cached_hr, choose_split, make_pairs
from wdsr_tf.errors import InputError
from wdsr_tf.images.resize import imresize

SIZES = {"a": (31, 26), "b": (24, 35), "c": (25, 25), "d": (40, 24)}


def draw(place, sizes=SIZES):
    random = np.random.default_rng(0)
    for name, size in sizes.items():
        images.write(place / f"{name}.png", random.integers(0, 256, (*size, 3), "uint8"))


@pytest.fixture
def folder(tmp_path):
    """A folder named SET of four images whose sizes aren't multiples of 12."""
    draw(tmp_path / "SET")
    return tmp_path / "SET"


def pairs_of(folder, scales=(2, 3, 4), out="out", **options):
    return make_pairs(folder, folder.parent / out, list(scales), **{"lr_patch_size": 6, "jobs": 1} | options)


def held(folder, split, scale=2, out="out"):
    return div2k.pairs(folder.parent / out, split, scale)


def names(pairs):
    return [pair.name for pair in pairs]


@pytest.mark.parametrize("scales", [(2,), (3,), (2, 3, 4)])
def test_hr_is_cropped_to_multiples_of_all_scales_and_lr_is_its_imresize(folder, scales):
    pairs_of(folder, scales)
    step = np.lcm.reduce(scales)
    for scale in scales:
        for split, count in (("train", 3), ("valid", 1)):
            pairs = held(folder, split, scale)
            assert len(pairs) == count
            for pair in pairs:
                source, hr = images.read(folder / f"{pair.name}.png"), np.load(pair.hr)
                height, width = (side // step * step for side in source.shape[:2])
                np.testing.assert_array_equal(hr, source[:height, :width])
                np.testing.assert_array_equal(np.load(pair.lr), imresize(hr, 1 / scale))


def test_layout_is_that_of_div2k(folder):
    pairs_of(folder, (2,), name="MYSET", valid="1")
    made = {path.parent.relative_to(folder.parent / "out").as_posix() for path in folder.parent.rglob("*.npy")}
    assert made == {f"MYSET_{s}_{kind}" for s in ("train", "valid") for kind in ("HR", "LR_bicubic/X2")}


def test_folders_train_and_valid_are_the_split(folder):
    draw(folder / "train" / "cats", {"1": (24, 24), "2": (24, 24)})
    draw(folder / "valid", {"1": (24, 24)})
    pairs_of(folder)
    assert names(held(folder, "train")) == ["cats-1", "cats-2"]
    assert names(held(folder, "valid")) == ["1"]


def test_equal_stems_in_subfolders_stay_apart(folder):
    for below in ("x", "y/z"):
        draw(folder / below, {"a": (24, 24)})
    pairs_of(folder, valid="2")
    assert sorted(names(held(folder, "train") + held(folder, "valid"))) == ["a", "b", "c", "d", "x-a", "y-z-a"]


def test_images_that_would_get_one_name_are_rejected(folder):
    draw(folder / "x", {"a": (24, 24)})
    draw(folder, {"x-a": (24, 24)})
    for split in ("1", "5"):  # whether or not they get into the same split
        with pytest.raises(InputError, match="x-a"):
            pairs_of(folder, valid=split)


@pytest.mark.parametrize(
    "valid, count", [(None, 5), ("0.05", 5), (0.05, 5), (7, 7), (".5", 50), ("7", 7), ("0.001", 1), ("99", 99)]
)
def test_split_has_the_requested_size_and_does_not_depend_on_the_order(valid, count):
    listing = {f"{i}.png": (None, str(i)) for i in range(100)}
    split = choose_split(listing, valid)
    assert sum(part == "valid" for part, _ in split.values()) == count
    assert choose_split(dict(reversed(listing.items())), valid) == split


@pytest.mark.parametrize("valid", ["0", 0, "0.0", "1.0", "-1", "1e-1", "nan", "many", "4", "100"])
def test_impossible_split_is_rejected(folder, valid):
    with pytest.raises(InputError, match="--valid"):
        pairs_of(folder, valid=valid)


def test_valid_with_a_given_split_is_rejected(folder):
    draw(folder / "train")
    draw(folder / "valid")
    with pytest.raises(InputError, match=r"leave valid .*out"):
        pairs_of(folder, valid="1")


def test_one_of_train_and_valid_alone_is_rejected(folder):
    draw(folder / "train")
    with pytest.raises(InputError, match="without the other"):
        pairs_of(folder)


def test_images_too_small_for_a_patch_are_left_out_with_the_reason(folder):
    draw(folder, {"small": (40, 23)})  # 24 are needed for 6 at x4
    report = pairs_of(folder)
    ((path, reason),) = report.left_out
    assert path.name == "small.png" and "is 40 x 23" in reason and "24 x 24" in reason
    assert len(held(folder, "train") + held(folder, "valid")) == 4
    assert pairs_of(folder).kept == 4


def test_images_that_are_all_too_small_are_rejected(folder):
    with pytest.raises(InputError, match=r"(?s)none of 4.*need 192 x 192"):
        pairs_of(folder, lr_patch_size=48)


def test_broken_images_are_reported_and_the_others_are_converted(folder):
    (folder / "text.png").write_text("not an image")
    whole = (folder / "a.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    report = pairs_of(folder)
    assert report.done == 4 and [path.name for path, _ in report.failed] == ["cut.png", "text.png"]


def test_a_second_run_does_nothing(folder):
    pairs_of(folder)
    report = pairs_of(folder)
    assert (report.done, report.kept, report.removed) == (0, 4, 0)


def test_pair_with_a_missing_file_is_made_again(folder):
    pairs_of(folder)
    next((folder.parent / "out").rglob("ax3.npy")).unlink()
    assert pairs_of(folder).done == 1
    held(folder, "train", 3)


def test_additional_scales_make_the_dataset_again_with_one_hr_for_all(folder):
    pairs_of(folder, (2,))
    assert pairs_of(folder, (2, 3)).done == 4
    for scale in (2, 3):
        assert len(held(folder, "train", scale)) == 3


def test_fewer_scales_are_rejected_because_hr_would_not_fit_the_others(folder):
    pairs_of(folder, (2, 3))
    with pytest.raises(InputError, match="Use scales 2,3,4"):
        pairs_of(folder, (3, 4))


def test_image_is_never_in_both_splits(folder):
    pairs_of(folder, valid="1")
    for valid in ("3", "2"):
        pairs_of(folder, valid=valid)
        assert len(held(folder, "valid")) == int(valid)
        both = names(held(folder, "train") + held(folder, "valid"))
        assert sorted(both) == ["a", "b", "c", "d"]


def test_files_of_an_image_that_is_gone_are_removed(folder):
    pairs_of(folder)
    (folder / "a.png").unlink()
    report = pairs_of(folder)
    assert report.unpruned == 1 and list((folder.parent / "out").rglob("a*.npy"))  # one of four: more than a tenth
    assert pairs_of(folder, prune=True).removed == 1
    assert not list((folder.parent / "out").rglob("a*.npy"))
    assert pairs_of(folder).removed == 0


def test_names_that_are_not_unicode_are_kept(folder):
    name = os.fsdecode(b"caf\xe9")
    (folder / "a.png").rename(folder / f"{name}.png")
    assert pairs_of(folder).done == 4
    found = [path for path in (folder.parent / "out").rglob("*.npy") if name in path.name]
    assert len(found) == 4  # HR and three scales
    assert pairs_of(folder).kept == 4


def test_dataset_made_from_another_folder_is_not_touched(folder):
    pairs_of(folder)
    other = folder.parent / "other"
    draw(other, {name + "2": size for name, size in SIZES.items()})
    with pytest.raises(InputError, match="which is not in"):
        pairs_of(other, name="SET")
    with pytest.raises(InputError, match="already holds the dataset SET"):
        pairs_of(other)
    assert len(held(folder, "train")) == 3


@pytest.mark.parametrize("name", ["a/b", "..", "/"])
def test_name_that_is_a_path_is_rejected(folder, name):
    with pytest.raises(InputError, match="name"):
        pairs_of(folder, name=name)


def test_without_scales_only_uncropped_hr_is_written(folder, tmp_path):
    root, report = cached_hr(folder, tmp_path / "cache")
    assert (report.done, report.kept, report.left_out) == (4, 0, [])
    assert root.parent == tmp_path / "cache" and root.name.startswith("SET-")
    assert sorted(path.name for path in root.iterdir() if path.is_dir()) == ["HR_train_HR", "HR_valid_HR"]
    for path in [*div2k.hr_images(root, "train"), *div2k.hr_images(root, "valid")]:
        np.testing.assert_array_equal(np.load(path), images.read(folder / f"{path.stem}.png"))


def test_cached_images_are_not_decoded_again_and_those_that_are_gone_are_removed(folder, tmp_path):
    cached_hr(folder, tmp_path / "cache")
    (folder / "a.png").unlink()
    _, report = cached_hr(folder, tmp_path / "cache")
    assert (report.done, report.kept, report.removed) == (0, 3, 1)


def test_folders_with_the_same_name_have_separate_caches(folder, tmp_path):
    draw(tmp_path / "elsewhere" / "SET", {"a": (20, 20)} | {"e": (30, 30)})
    roots = {cached_hr(place, tmp_path / "cache")[0] for place in (folder, tmp_path / "elsewhere" / "SET")}
    assert len(roots) == 2


@pytest.mark.parametrize("recipe", ["pairs x", "pairs 2,,4", f"pairs {'9' * 5000}", "pairs -2", "pairs ٢"])
def test_a_recipe_that_no_conversion_records_does_no_harm(folder, recipe):
    pairs_of(folder)
    manifest = folder.parent / "out" / cache.MANIFEST
    records = [json.loads(line) | {"recipe": recipe} for line in manifest.read_text().splitlines()]
    manifest.write_text("".join(json.dumps(record) + "\n" for record in records))
    report = pairs_of(folder)
    assert (report.done, report.failed) == (4, [])
