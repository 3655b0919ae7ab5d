import numpy as np
import pytest
from PIL import Image

from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.evaluation import datasets
from wdsr_tf.images.resize import imresize

RANDOM = np.random.default_rng(0)


def draw(path, height, width, gray=False):
    image = RANDOM.integers(0, 256, (height, width) if gray else (height, width, 3), "uint8")
    images.write(path, image)
    return image


def self_ex_sr(root):
    for scale in (2, 3):
        for i in (1, 2):
            for side, factor in (("LR", 1), ("HR", scale)):
                name = f"img_{i:03d}_SRF_{scale}_{side}.png"
                draw(root / f"image_SRF_{scale}" / name, 8 * factor, (9 + i) * factor)


def beside(root):
    for i in (1, 2):
        draw(root / "HR" / f"b{i}.png", 24, 36)
        for scale in (2, 3):
            draw(root / "LR_bicubic" / f"X{scale}" / f"b{i}x{scale}.png", 24 // scale, 36 // scale)


def div2k(root):
    for i in (1, 2):
        draw(root / "DIV2K_valid_HR" / f"{800 + i:04d}.png", 24, 36)
        for scale in (2, 3):
            path = root / "DIV2K_valid_LR_bicubic" / f"X{scale}" / f"{800 + i:04d}x{scale}.png"
            draw(path, 24 // scale, 36 // scale)


def converted(root):
    for i in (1, 2):
        for name, side in (("SET_valid_HR/{}.npy", 24), ("SET_valid_LR_bicubic/X2/{}x2.npy", 12)):
            path = root / name.format(i)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, RANDOM.integers(0, 256, (side, side, 3), "uint8"))


def marked(root):
    for name, side in (("a_LR", 9), ("a_HR", 18), ("b_LR", 8), ("b_HR", 16)):
        draw(root / f"{name}.png", side, side + 2 if side < 10 else side + 4)


@pytest.mark.parametrize(
    "make, folder, names",
    [
        (self_ex_sr, "", ["img_001", "img_002"]),
        (self_ex_sr, "image_SRF_2", ["img_001", "img_002"]),
        (beside, "", ["b1", "b2"]),
        (div2k, "", ["0801", "0802"]),
        (converted, "", ["1", "2"]),
        (marked, "", ["a", "b"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_the_layout_of_a_benchmark_is_recognized(tmp_path, make, folder, names):
    make(tmp_path)
    found = datasets.of_benchmark(tmp_path / folder, 2)
    assert found.names == names
    assert found.record() == {"benchmark": str(tmp_path / folder)}
    for pair in found.pairs:
        lr, hr = found.load(pair)
        assert lr.dtype == hr.dtype == "uint8"
        assert hr.shape == (2 * lr.shape[0], 2 * lr.shape[1], 3)


@pytest.mark.parametrize("name, count", [("Set5", 5), ("Set14", 14)])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_set5_and_set14_are_found(reference, name, count, scale):
    found = datasets.of_benchmark(reference / "images" / "benchmark" / name, scale)
    assert len(found.pairs) == count


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_lr_made_from_hr_equals_the_files_of_set5(reference, tmp_path, scale):
    found = datasets.of_benchmark(reference / "images" / "benchmark" / "Set5", scale)
    for pair in found.pairs:
        (tmp_path / pair.hr.name.replace("_HR", "")).symlink_to(pair.hr)
    alone = datasets.of_benchmark(tmp_path, scale)
    for pair, same in zip(found.pairs, alone.pairs, strict=True):
        assert same.lr is None
        np.testing.assert_array_equal(alone.load(same)[0], found.load(pair)[0])


@pytest.mark.parametrize("folder", ["", "HR"])
def test_lr_is_made_from_hr_alone_by_matlabs_bicubic(tmp_path, folder):
    hr = draw(tmp_path / folder / "a.png", 25, 38)
    draw(tmp_path / folder / "deeper" / "b.png", 9, 9)
    found = datasets.of_benchmark(tmp_path, 3)
    assert found.names == ["a", "deeper/b"]
    assert found.record() == {"benchmark": str(tmp_path), "lr": "MATLAB's bicubic"}
    rounded, cut = found.load(found.pairs[0])
    np.testing.assert_array_equal(cut, hr[:24, :36])  # to multiples of the scale, before LR is made
    np.testing.assert_array_equal(rounded, imresize(hr[:24, :36], 1 / 3, edges="repeat"))
    exact, _ = found.load(found.pairs[0], rounded=False)
    assert exact.dtype == "float32"
    in_float = imresize(hr[:24, :36].astype("float64"), 1 / 3, edges="repeat")
    np.testing.assert_allclose(exact, in_float, atol=1e-4)  # float32 of 255
    assert np.any(exact != rounded)


def test_luma_of_float_lr_equals_lr_of_luma(tmp_path):
    hr = draw(tmp_path / "a.png", 24, 36)
    found = datasets.of_benchmark(tmp_path, 2)
    lr, _ = found.load(found.pairs[0], rounded=False)
    expected = imresize(images.rgb_to_y(hr), 1 / 2, edges="repeat")  # as the papers of luma networks make it
    np.testing.assert_allclose(images.rgb_to_y(lr), expected, atol=1e-4)  # float32 of 255


def test_gray_images_become_rgb_with_equal_channels(tmp_path):
    gray = draw(tmp_path / "a.png", 12, 16, gray=True)
    assert images.read_picture(tmp_path / "a.png").gray
    found = datasets.of_benchmark(tmp_path, 2)
    lr, hr = found.load(found.pairs[0])
    assert lr.shape == (6, 8, 3)
    np.testing.assert_array_equal(hr, np.stack([gray] * 3, axis=-1))


@pytest.mark.parametrize("height, width", [(12, 18), (13, 19), (11, 17)])
def test_edges_of_hr_without_lr_are_left_out(tmp_path, height, width):
    draw(tmp_path / "LR_bicubic" / "X2" / "ax2.png", 6, 9)
    drawn = draw(tmp_path / "HR" / "a.png", height, width)
    found = datasets.of_benchmark(tmp_path, 2)
    _, hr = found.load(found.pairs[0])
    np.testing.assert_array_equal(hr, drawn[:12, :18])


def test_lr_is_compressed_as_jpeg_in_memory(tmp_path):
    self_ex_sr(tmp_path / "set")
    before = sorted(path.name for path in (tmp_path / "set").rglob("*"))
    found = datasets.of_benchmark(tmp_path / "set", 2, jpeg_quality=40)
    lr, hr = found.load(found.pairs[0])
    original = images.read(found.pairs[0].lr)
    Image.fromarray(original).save(tmp_path / "lr.jpg", quality=40, subsampling="4:2:0")
    np.testing.assert_array_equal(lr, images.read(tmp_path / "lr.jpg"))
    np.testing.assert_array_equal(hr, images.read(found.pairs[0].hr))
    assert found.record() == {
        "benchmark": str(tmp_path / "set"),
        "jpeg_quality": 40,
        "jpeg_subsampling": "4:2:0",
    }
    assert sorted(path.name for path in (tmp_path / "set").rglob("*")) == before


def test_hr_alone_is_its_own_lr_at_x1(tmp_path):
    draw(tmp_path / "a.png", 11, 13)
    found = datasets.of_benchmark(tmp_path, 1)
    np.testing.assert_array_equal(*found.load(found.pairs[0]))
    noisy = datasets.of_benchmark(tmp_path, 1, jpeg_quality=50)
    lr, hr = noisy.load(noisy.pairs[0])
    assert lr.shape == hr.shape and np.any(lr != hr)


def test_ids_choose_images_by_their_numbers(tmp_path):
    div2k(tmp_path)
    assert datasets.of_benchmark(tmp_path, 2, ids=range(802, 803)).names == ["0802"]
    with pytest.raises(InputError, match="There is no image 803; there are 2, numbered 801 to 802"):
        datasets.of_benchmark(tmp_path, 2, ids=range(801, 804))
    draw(tmp_path / "names" / "cat.png", 8, 8)
    with pytest.raises(InputError, match="don't have unique numbers"):
        datasets.of_benchmark(tmp_path / "names", 2, ids=range(1, 2))


@pytest.mark.parametrize(
    "make, folder, scale, message",
    [
        (self_ex_sr, "absent", 2, "No such folder"),
        (self_ex_sr, "", 4, "has LR images for x2, x3 only, but the scale is 4"),
        (self_ex_sr, "image_SRF_3", 2, "images are for x3, but the scale is 2"),
        (beside, "", 4, "no LR for the downgrade 'bicubic' at x4. It has LR_bicubic/X2, LR_bicubic/X3"),
        (div2k, "", 4, "at x4. It has DIV2K_valid_LR_bicubic/X2, DIV2K_valid_LR_bicubic/X3"),
        (marked, "", 3, "x3"),
        (lambda root: draw(root / "a_LR.png", 8, 8), "", 2, "only LR images, such as a_LR.png"),
        (beside, "LR_bicubic", 2, "only LR images, such as b1x2.png"),
        (lambda root: (root / "empty").mkdir(), "empty", 2, "no images"),
        (lambda root: draw(root / "DIV2K_train_HR" / "1.png", 8, 8), "", 2, "no images"),
    ],
)
def test_a_folder_that_does_not_fit_is_an_error(tmp_path, make, folder, scale, message):
    make(tmp_path)
    with pytest.raises(InputError, match=message):
        datasets.of_benchmark(tmp_path / folder, scale)


@pytest.mark.parametrize("downgrade", ["unknown", "bicubic"])
@pytest.mark.parametrize("make, folder", [(self_ex_sr, ""), (self_ex_sr, "image_SRF_2"), (marked, "")])
def test_a_downgrade_cannot_be_chosen_if_lr_lies_beside_hr(tmp_path, make, folder, downgrade):
    make(tmp_path)
    with pytest.raises(InputError, match=f"no LR for the downgrade '{downgrade}': the LR files lie beside HR"):
        datasets.of_benchmark(tmp_path / folder, 2, downgrade)


def test_the_only_downgrade_of_lr_made_from_hr_is_bicubic(tmp_path):
    draw(tmp_path / "a.png", 12, 12)
    assert datasets.of_benchmark(tmp_path, 2, "bicubic").names == ["a"]
    with pytest.raises(InputError, match="no LR for the downgrade 'unknown': LR is made with MATLAB's bicubic"):
        datasets.of_benchmark(tmp_path, 2, "unknown")


def test_a_downgrade_chooses_among_folders(tmp_path):
    beside(tmp_path)
    (tmp_path / "LR_bicubic").rename(tmp_path / "LR_mild")
    assert datasets.of_benchmark(tmp_path, 2, "mild").names == ["b1", "b2"]
    with pytest.raises(InputError, match=r"no LR for the downgrade 'bicubic' at x2. It has LR_mild/X2"):
        datasets.of_benchmark(tmp_path, 2)


def test_sides_that_differ_by_the_scale_or_more_are_an_error(tmp_path):
    draw(tmp_path / "LR_bicubic" / "X2" / "ax2.png", 6, 9)
    draw(tmp_path / "HR" / "a.png", 14, 18)
    with pytest.raises(InputError, match=r"is 14 x 18, but .*ax2.png is 6 x 9 and needs x2 of it"):
        datasets.of_benchmark(tmp_path, 2)


def test_an_image_smaller_than_the_scale_is_an_error(tmp_path):
    draw(tmp_path / "a.png", 2, 9)
    found = datasets.of_benchmark(tmp_path, 3)
    with pytest.raises(InputError, match="2 x 9 pixels are too few for x3"):
        found.load(found.pairs[0])
