"""The table of layouts in docs/data.md: each row is built, converted, and read by every command that it names."""

import re

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from wdsr_tf import images
from wdsr_tf.data import convert_tree, div2k, layouts, make_pairs
from wdsr_tf.errors import InputError
from wdsr_tf.evaluation import datasets

TEXT = (REPOSITORY / "docs" / "data.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.partition("## Layouts")[2].partition("\n## ")[0].splitlines()
    if line.startswith("| `")
]
RANDOM = np.random.default_rng(0)


def draw(path, height, width):
    image = RANDOM.integers(0, 256, (height, width, 3), "uint8")
    images.write(path, image)
    return image


def build(root, row, extra=1):
    """Writes the images of a row, HR `extra` pixels wider; returns (HR file, LR files, scale, downgrade)."""
    hr, *lr = ([root / name for name in re.findall(r"`(.+?)`", cell)] for cell in row[:2])
    (scale,) = map(int, re.findall(r"--scale (\d+)", row[2]))
    downgrade = re.search(r"--downgrade (\w+)", row[2])
    draw(hr[0], 24, 48 + extra)
    for path in lr[0]:
        draw(path, 24 // scale, 48 // scale)
    return hr[0], lr[0], scale, downgrade and downgrade[1]


def each_layout(column):
    rows = [row for row in ROWS if row[column] == "yes"]
    assert rows
    return pytest.mark.parametrize("row", rows, ids=[f"{row[1]} {row[2]}" for row in rows])


def test_the_table_says_yes_or_no_everywhere():
    assert len(ROWS) > 20
    assert {cell for row in ROWS for cell in row[3:]} == {"yes", "no"}


@each_layout(3)
def test_train_reads_each_layout_after_conversion(tmp_path, row):
    hr, lr, scale, downgrade = build(tmp_path / "in", row)
    report = convert_tree(tmp_path / "in", tmp_path / "out", jobs=1, progress=False)
    assert report.done == 1 + len(lr)
    pairs = div2k.pairs(tmp_path / "out", "valid", scale, downgrade or "bicubic", ids=range(801, 802))
    assert [pair.lr.stem for pair in pairs] == [path.stem for path in lr]
    assert {pair.hr.stem for pair in pairs} == {hr.stem}
    for pair in pairs:
        low, high = datasets.ImagePairs(pairs, scale, {}).load(pair)
        assert high.shape == (low.shape[0] * scale, low.shape[1] * scale, 3)
    assert [path.stem for path in div2k.hr_images(tmp_path / "out", "valid")] == [hr.stem]


@each_layout(4)
def test_pairs_takes_hr_and_names_the_lr_images_that_it_leaves_out(tmp_path, row):
    hr, lr, _, _ = build(tmp_path / "in", row)
    draw(tmp_path / "in" / "other.png", 24, 24)
    report = make_pairs(tmp_path / "in", tmp_path / "out", [2], lr_patch_size=4, valid="1", jobs=1, progress=False)
    assert report.done == 2
    assert [path for path, _ in report.left_out] == sorted(lr)
    assert all(f"is the LR image of {hr}" in reason for _, reason in report.left_out)


@each_layout(5)
def test_bench_reads_each_layout_as_a_benchmark(tmp_path, row):
    hr, lr, scale, downgrade = build(tmp_path, row)
    found = datasets.of_benchmark(tmp_path, scale, downgrade)
    assert [(pair.lr, pair.hr) for pair in found.pairs] == [(path, hr) for path in lr]
    assert len(set(found.names)) == len(lr)


@each_layout(6)
def test_bench_reads_each_layout_as_two_folders(tmp_path, row):
    hr, lr, scale, _ = build(tmp_path, row)
    found = datasets.of_two_folders(lr[0].parent, hr.parent, scale)
    assert [(pair.lr, pair.hr) for pair in found.pairs] == [(path, hr) for path in lr]
    low, high = found.load(found.pairs[0])
    assert high.shape == (low.shape[0] * scale, low.shape[1] * scale, 3)


def test_folders_of_a_dataset_may_be_links(tmp_path):
    build(tmp_path / "in", ROWS[0])
    convert_tree(tmp_path / "in", tmp_path / "out", jobs=1, progress=False)
    away = (tmp_path / "out" / "DIV2K_valid_LR_bicubic" / "X2").rename(tmp_path / "away")
    (tmp_path / "out" / "DIV2K_valid_LR_bicubic" / "X2").symlink_to(away)
    (away / "loop").symlink_to(tmp_path / "out" / "DIV2K_valid_LR_bicubic")
    assert len(div2k.pairs(tmp_path / "out", "valid", 2)) == 1


def test_a_dataset_that_was_not_converted_is_named_as_such(tmp_path):
    build(tmp_path, ROWS[0])
    with pytest.raises(InputError, match=r"no \.npy files; convert\.py makes them"):
        div2k.pairs(tmp_path, "valid", 2)


@pytest.mark.parametrize("names", [("input/001", "target/001"), ("baby_small", "baby"), ("low/baby", "high/baby")])
def test_lr_is_never_taken_for_hr(tmp_path, names):
    for name, side in zip(names, (12, 24), strict=True):
        draw(tmp_path / f"{name}.png", side, side)
    with pytest.raises(InputError, match=r"(?s)nothing tells which is LR.*LR names: .*img_bicLRx2"):
        datasets.of_benchmark(tmp_path, 2)


def test_equal_names_of_unrelated_images_are_hr(tmp_path):
    draw(tmp_path / "cats" / "1.png", 24, 24)
    draw(tmp_path / "dogs" / "1.png", 24, 30)
    draw(tmp_path / "dogs" / "100.png", 24, 24)
    draw(tmp_path / "dogs" / "1001.png", 48, 48)
    assert datasets.of_benchmark(tmp_path, 2).names == ["cats/1", "dogs/1", "dogs/100", "dogs/1001"]


def test_the_message_lists_the_patterns_if_no_name_fits(tmp_path):
    draw(tmp_path / "lr" / "a-small.png", 12, 12)
    draw(tmp_path / "hr" / "a.png", 24, 24)
    with pytest.raises(InputError, match=r"(?s)a\.png: has no LR.*a-small\.png: has no HR.*LR names: .*img_LRBI_x2"):
        div2k.folder_pairs(tmp_path / "lr", tmp_path / "hr", 2)


def test_the_message_names_the_scale_that_sizes_fit(tmp_path):
    draw(tmp_path / "lr" / "a.png", 8, 8)
    draw(tmp_path / "hr" / "a.png", 24, 24)
    with pytest.raises(InputError, match="needs x2 of it; they fit x3"):
        div2k.folder_pairs(tmp_path / "lr", tmp_path / "hr", 2)


def test_hr_smaller_than_lr_needs_is_refused_for_training(tmp_path):
    for name, side in (("SET_valid_HR/1", 23), ("SET_valid_LR_bicubic/X2/1x2", 12)):
        path = tmp_path / f"{name}.npy"
        path.parent.mkdir(parents=True)
        np.save(path, np.zeros((side, side, 3), "uint8"))
    with pytest.raises(InputError, match="is 23 x 23, but"):
        div2k.pairs(tmp_path, "valid", 2)


def test_an_image_without_its_hr_image_is_an_image_of_its_own(tmp_path):
    for name in ("holiday_LR", "matrix2", "a"):
        draw(tmp_path / f"{name}.png", 12, 12)
    assert layouts.partners(layouts.entries(tmp_path)) == {}
