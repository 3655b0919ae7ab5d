import numpy as np
import pytest
from PIL import Image

from wdsr_tf import images
from wdsr_tf.data.jpeg import jpeg_tree
from wdsr_tf.errors import InputError


@pytest.fixture
def root(tmp_path):
    """A dataset of image files: HR, and LR at two scales, for both splits."""
    random = np.random.default_rng(0)
    names = ["HR/{}.png", "LR_bicubic/X2/{}x2.png", "LR_bicubic/X3/{}x3.png", "LR_unknown/X2/{}x2.png"]
    for split, stem in (("train", "0001"), ("valid", "0801")):
        for name in names:
            pixels = random.integers(0, 256, (32, 24, 3), "uint8")
            images.write(tmp_path / f"DIV2K_{split}_{name.format(stem)}", pixels)
    return tmp_path


def jpegs(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))


@pytest.mark.parametrize("quality", [1, 75, 90, 100])
def test_copies_equal_pillows(root, tmp_path, quality):
    jpeg_tree(root / "DIV2K_train_LR_bicubic", root, quality, jobs=1)
    with Image.open(root / "DIV2K_train_LR_bicubic/X2/0001x2.png") as image:
        image.save(tmp_path / "expected.jpg", quality=quality)
    made = root / f"DIV2K_train_LR_bicubic_jpeg_{quality}/X2/0001x2.jpg"
    assert made.read_bytes() == (tmp_path / "expected.jpg").read_bytes()


@pytest.mark.parametrize("outdir", ["", "DIV2K_train_LR_bicubic_jpeg_90"])
def test_lr_folder_goes_to_a_folder_named_after_the_quality(root, outdir):
    jpeg_tree(root / "DIV2K_train_LR_bicubic", root / outdir, 90, jobs=1)
    assert jpegs(root) == [f"DIV2K_train_LR_bicubic_jpeg_90/X{s}/0001x{s}.jpg" for s in (2, 3)]


def test_root_of_a_dataset_copies_its_lr_folders_but_not_their_copies(root):
    for _ in range(2):
        report = jpeg_tree(root, root, 75, jobs=1)
    assert (report.done, report.kept) == (0, 6)
    jpeg_tree(root, root, 90, jobs=1)
    folders = {path.split("/")[0] for path in jpegs(root)}
    lr = [f"DIV2K_{split}_LR_{downgrade}" for split in ("train", "valid") for downgrade in ("bicubic", "unknown")]
    assert folders == {f"{name}_jpeg_{quality}" for name in lr for quality in (75, 90)}


def test_any_other_tree_goes_to_the_output_folder(root):
    jpeg_tree(root / "DIV2K_train_LR_bicubic/X2", root / "my" / "copies", 75, jobs=1)
    assert jpegs(root) == ["my/copies/0001x2.jpg"]


def test_another_quality_copies_again(root):
    for quality in (75, 90):
        report = jpeg_tree(root / "DIV2K_train_LR_bicubic/X2", root / "copies", quality, jobs=1)
        assert (report.done, report.kept) == (1, 0)


def test_damaged_copy_is_made_again(root):
    folder = root / "DIV2K_train_LR_bicubic"
    jpeg_tree(folder, root, 75, jobs=1)
    copy = root / "DIV2K_train_LR_bicubic_jpeg_75/X2/0001x2.jpg"
    copy.write_bytes(copy.read_bytes()[:-1])
    assert jpeg_tree(folder, root, 75, jobs=1).done == 1


def test_folder_named_after_another_quality_is_rejected(root):
    with pytest.raises(InputError, match="named after quality 75"):
        jpeg_tree(root / "DIV2K_train_LR_bicubic", root / "DIV2K_train_LR_bicubic_jpeg_75", 90)


def test_output_folder_among_the_images_is_rejected(root):
    with pytest.raises(InputError, match="lies in"):
        jpeg_tree(root / "DIV2K_train_LR_bicubic", root / "DIV2K_train_LR_bicubic", 90)


def test_missing_folder_is_rejected(root):
    with pytest.raises(InputError, match="no such folder"):
        jpeg_tree(root / "absent", root / "out", 90)


def test_image_too_wide_for_jpeg_fails_alone(root):
    folder = root / "DIV2K_train_LR_bicubic"
    images.write(folder / "wide.png", np.zeros((1, 65_501, 3), "uint8"))
    report = jpeg_tree(folder, root, 75, jobs=1)
    assert report.done == 2
    assert [path.name for path, _ in report.failed] == ["wide.png"]
