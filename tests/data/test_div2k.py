import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from wdsr_tf import images
from wdsr_tf.data import div2k
from wdsr_tf.data.div2k import Pair
from wdsr_tf.errors import InputError


def save(path, height, width, dtype="uint8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.full((height, width, 3), 7, dtype))


def add_pair(root, stem, split="train", scale=2, size=(5, 4), hr_size=None):
    """Writes a pair in the layout of DIV2K; the dataset is named SET."""
    height, width = hr_size or [side * scale for side in size]
    save(root / f"SET_{split}_HR" / f"{stem}.npy", height, width)
    save(root / f"SET_{split}_LR_bicubic" / f"X{scale}" / f"{stem}x{scale}.npy", *size)


def draw(folder, *names, size=(8, 6)):
    for name in names:
        images.write(folder / name, np.zeros((*size, 3), "uint8"))


@pytest.fixture
def root(tmp_path):
    """Training images 0001 to 0004 and validation images 0801 and 0802."""
    for i in (1, 2, 3, 4):
        add_pair(tmp_path, f"{i:04d}")
    for i in (801, 802):
        add_pair(tmp_path, f"{i:04d}", "valid")
    return tmp_path


def names(pairs):
    return [pair.name for pair in pairs]


def test_pairs_name_the_files_of_the_layout(root):
    assert div2k.pairs(root, "valid", 2)[0] == Pair(
        "0801", root / "SET_valid_LR_bicubic/X2/0801x2.npy", root / "SET_valid_HR/0801.npy"
    )


def test_ids_choose_by_number_in_their_order_and_default_to_all(root):
    assert names(div2k.pairs(root, "train", 2)) == ["0001", "0002", "0003", "0004"]
    assert names(div2k.pairs(root, "train", 2, ids=range(2, 4))) == ["0002", "0003"]
    assert names(div2k.pairs(root, "train", 2, ids=[4, 1])) == ["0004", "0001"]


def test_missing_ids_are_named(root):
    with pytest.raises(InputError, match=r"has no image 5-800; it has 1-4"):
        div2k.pairs(root, "train", 2, ids=range(1, 801))


def test_hr_images_need_no_lr(root):
    shutil.rmtree(root / "SET_train_LR_bicubic")
    assert [path.stem for path in div2k.hr_images(root, "train")] == ["0001", "0002", "0003", "0004"]
    assert div2k.hr_images(root, "train", ids=range(2, 4)) == [root / f"SET_train_HR/000{i}.npy" for i in (2, 3)]
    with pytest.raises(InputError, match=r"has no image 5-800; it has 1-4"):
        div2k.hr_images(root, "train", ids=range(1, 801))


def test_hr_images_are_checked_and_needed_in_both_splits(root):
    save(root / "SET_train_HR" / "0002.npy", 8, 8, "float32")
    with pytest.raises(InputError, match=r"(?s)4 HR images of .*0002\.npy: is float32"):
        div2k.hr_images(root, "train")
    shutil.rmtree(root / "SET_valid_HR")
    with pytest.raises(InputError, match=r"SET_valid_HR: no such folder; training needs both splits"):
        div2k.hr_images(root, "valid")


def test_numbers_are_sorted_without_leading_zeros(tmp_path):
    for stem in ("2", "10"):
        add_pair(tmp_path, stem)
    assert names(div2k.pairs(tmp_path, "train", 2)) == ["2", "10"]


def test_names_that_are_not_numbers_are_chosen_by_position(tmp_path):
    for stem in ("cat", "0007", "t91-tt3"):
        add_pair(tmp_path, stem)
    assert names(div2k.pairs(tmp_path, "train", 2, ids=[1, 3])) == ["0007", "t91-tt3"]


def test_one_message_lists_every_fault(root):
    hr, lr = root / "SET_train_HR", root / "SET_train_LR_bicubic/X2"
    (lr / "0001x2.npy").unlink()
    save(hr / "0002.npy", 10, 7)
    save(hr / "0003.npy", 10, 8, "float32")
    whole = (hr / "0004.npy").read_bytes()
    (hr / "0004.npy").write_bytes(whole[:-1])
    save(lr / "0005x2.npy", 5, 4)
    (hr / "0006.npy").write_bytes(b"")
    save(lr / "0006x2.npy", 5, 4)
    with pytest.raises(InputError) as error:
        div2k.pairs(root, "train", 2)
    lines = str(error.value).splitlines()[1:]
    assert [Path(line.strip().split(": ")[0]).name for line in lines] == [
        "0001x2.npy",
        "0002.npy",
        "0003.npy",
        "0004.npy",
        "0005.npy",
        "0006.npy",
    ]
    for line, reason in zip(
        lines, ("no such file", "10 x 7", "float32", "complete", "no such file", "complete"), strict=True
    ):
        assert reason in line


def test_long_list_of_faults_is_cut_and_counted(tmp_path):
    for i in range(30):
        add_pair(tmp_path, str(i), hr_size=(9, 9))
    with pytest.raises(InputError, match=r"and 10 more$"):
        div2k.pairs(tmp_path, "train", 2)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 4), (1, 8, 8, 3)])
def test_arrays_that_are_not_h_w_3_are_rejected(root, shape):
    np.save(root / "SET_train_HR/0001.npy", np.zeros(shape, "uint8"))
    with pytest.raises(InputError, match="not uint8 H x W x 3"):
        div2k.pairs(root, "train", 2)


def test_pickled_objects_are_rejected(root):
    np.save(root / "SET_train_HR/0001.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(InputError, match="not a complete"):
        div2k.pairs(root, "train", 2)


def test_incomplete_file_is_not_an_image_of_the_dataset(root):
    (root / "SET_train_HR/.0123456789abcdef.npy").write_bytes(b"\x93NUMPY")
    assert len(div2k.pairs(root, "train", 2)) == 4


@pytest.mark.parametrize("scale, downgrade", [(3, "bicubic"), (2, "bicubic_jpeg_90")])
def test_missing_scale_or_downgrade_is_reported_with_those_that_exist(root, scale, downgrade):
    with pytest.raises(InputError, match="SET_train_LR_bicubic/X2"):
        div2k.pairs(root, "train", scale, downgrade)


def test_dataset_is_found_by_its_folders(root, tmp_path_factory):
    assert div2k.dataset_name(root) == "SET"
    only_valid = tmp_path_factory.mktemp("only_valid")
    add_pair(only_valid, "1", "valid")
    assert div2k.dataset_name(only_valid) == "SET"


def test_folder_with_no_dataset_or_two_is_rejected(root, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        div2k.dataset_name(tmp_path / "absent")
    with pytest.raises(InputError, match="no dataset found"):
        div2k.dataset_name(root / "SET_train_HR")
    (root / "OTHER_train_HR").mkdir()
    with pytest.raises(InputError, match="OTHER, SET"):
        div2k.dataset_name(root)


def test_ids_are_an_inclusive_range():
    assert div2k.parse_ids("1-800") == range(1, 801)
    assert div2k.parse_ids("7-7") == range(7, 8)


@pytest.mark.parametrize("text", ["", "5", "8-1", "1-", "-5", "1:800", "1,2", "a-b"])
def test_anything_but_a_range_of_ids_is_rejected(text):
    with pytest.raises(InputError, match="inclusive range"):
        div2k.parse_ids(text)


def test_arrays_are_mapped_and_images_are_read(tmp_path):
    save(tmp_path / "a.npy", 5, 4)
    draw(tmp_path, "a.png")
    mapped = div2k.load(tmp_path / "a.npy")
    assert isinstance(mapped, np.memmap) and not mapped.flags.writeable
    assert div2k.load(tmp_path / "a.png").shape == (8, 6, 3)


def test_one_folder_of_marked_images_gives_pairs(tmp_path):
    draw(tmp_path, "img_002_SRF_2_HR.png", "img_001_SRF_2_HR.png", size=(16, 12))
    draw(tmp_path, "img_001_SRF_2_LR.png", "img_002_SRF_2_LR.png")
    lr, hr = tmp_path / "img_001_SRF_2_LR.png", tmp_path / "img_001_SRF_2_HR.png"
    for scale in (None, 2):
        pairs = div2k.folder_pairs(tmp_path, tmp_path, scale)
        assert pairs[0] == Pair("img_001", lr, hr) and names(pairs) == ["img_001", "img_002"]


def test_one_folder_may_mark_lr_only(tmp_path):
    draw(tmp_path, "a.png", "matrix2.png", size=(16, 12))
    draw(tmp_path, "ax2.png", "matrix2x2.png")
    assert names(div2k.folder_pairs(tmp_path, tmp_path, 2)) == ["a", "matrix2"]


@pytest.mark.parametrize("lr_names", [("0801x2.png", "b1x2.png"), ("0801.png", "b1.jpg"), ("0801_LR.png", "b1_LR.bmp")])
def test_partners_in_two_folders_are_found_by_their_stems(tmp_path, lr_names):
    draw(tmp_path / "lr", *lr_names)
    draw(tmp_path / "hr", "0801.png", "b1.png", size=(16, 12))
    assert names(div2k.folder_pairs(tmp_path / "lr", tmp_path / "hr", 2)) == ["0801", "b1"]


def test_equal_stems_are_partners_even_if_they_end_like_a_mark(tmp_path):
    draw(tmp_path / "lr", "matrix2.png", "matri.png")
    draw(tmp_path / "hr", "matrix2.png", "matri.png", size=(16, 12))
    assert names(div2k.folder_pairs(tmp_path / "lr", tmp_path / "hr", 2)) == ["matri", "matrix2"]


def test_scale_chooses_among_images_marked_with_several_scales(tmp_path):
    for scale in (2, 3):
        draw(tmp_path, f"img_001_SRF_{scale}_HR.png", size=(8 * scale, 6 * scale))
        draw(tmp_path, f"img_001_SRF_{scale}_LR.png", f"X/ax{scale}.png")
    draw(tmp_path / "X", "a.png", size=(24, 18))
    with pytest.raises(InputError, match="are one image"):
        div2k.folder_pairs(tmp_path, tmp_path)
    pairs = div2k.folder_pairs(tmp_path, tmp_path, 3)
    assert [pair.lr.name for pair in pairs] == ["ax3.png", "img_001_SRF_3_LR.png"]


def test_all_images_without_a_partner_are_listed(tmp_path):
    draw(tmp_path / "lr", "ax2.png", "bx2.png")
    draw(tmp_path / "hr", "a.png", "c.png", size=(16, 12))
    with pytest.raises(InputError, match=r"(?s)c\.png: has no LR.*bx2\.png: has no HR"):
        div2k.folder_pairs(tmp_path / "lr", tmp_path / "hr")


def test_sizes_in_plain_folders_are_checked_if_the_scale_is_known(tmp_path):
    draw(tmp_path, "a_LR.png", "a_HR.png")
    with pytest.raises(InputError, match="needs x2"):
        div2k.folder_pairs(tmp_path, tmp_path, 2)


def test_folders_without_images_are_rejected(tmp_path):
    with pytest.raises(InputError, match="no LR image"):
        div2k.folder_pairs(tmp_path, tmp_path)


@pytest.mark.parametrize("name, count", [("Set5", 5), ("Set14", 14)])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_benchmark_folders_give_their_pairs(reference, name, count, scale):
    folder = reference / "images" / "benchmark" / name
    assert len(div2k.folder_pairs(folder, folder, scale)) == count


def test_a_damaged_header_is_quoted_in_one_short_line(tmp_path):
    header = b"{'a\x1b[2J': '" + b"x" * 9000 + b"'}\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(InputError, match=r"a\.npy: not a complete \.npy file") as raised:
        div2k.load(tmp_path / "a.npy")
    assert len(str(raised.value)) < 500 and str(raised.value).isprintable()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.npy")
    with pytest.raises(InputError, match="no such file"):
        div2k.load(tmp_path / "a.npy")
