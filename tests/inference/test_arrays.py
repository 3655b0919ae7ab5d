import subprocess
import sys

import numpy as np
import pytest

import wdsr_tf
from tests.helpers.engines import Fake, repeated
from wdsr_tf import checkpoint, images, weights
from wdsr_tf.errors import InputError

RGB = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype="uint8")
ENGINE = Fake().engine


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_an_array_comes_back_larger_and_in_its_own_depth(dtype):
    sr = wdsr_tf.upscale(RGB.astype(dtype), ENGINE)
    assert sr.dtype == dtype
    np.testing.assert_array_equal(sr, repeated(RGB))


def test_floats_are_in_0_to_1():
    sr = wdsr_tf.upscale((RGB / 255).astype("float32"), ENGINE)
    np.testing.assert_allclose(sr, repeated(RGB) / 255, atol=1e-6)


def test_transparency_is_the_fourth_channel():
    rgba = np.concatenate([RGB, np.full((6, 5, 1), 255, "uint8")], axis=-1)
    sr = wdsr_tf.upscale(rgba, ENGINE)
    assert sr.shape == (12, 10, 4)
    assert (sr[..., 3] == 255).all()


def test_a_file_and_a_checkpoint_may_be_named(tmp_path):
    from wdsr_tf.models import create_model

    checkpoint.save(create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1), tmp_path / "model.keras")
    images.write(tmp_path / "small.png", RGB)
    from_file = wdsr_tf.upscale(tmp_path / "small.png", str(tmp_path / "model.keras"), memory="10%")
    assert from_file.shape == (12, 10, 3)
    np.testing.assert_array_equal(from_file, wdsr_tf.upscale(RGB, tmp_path / "model.keras"))


def test_without_a_checkpoint_what_ships_serves(tmp_path, monkeypatch):
    from wdsr_tf.models import create_model

    for name, scale, facts in (("a-x2", 2, {}), ("a-x3", 3, {}), ("q-x2", 2, {"jpeg": [50, 95]})):
        model = create_model("wdsr-a", scale, num_filters=4, num_res_blocks=1)
        model.facts = facts
        checkpoint.save(model, tmp_path / f"{name}.keras")
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    images.write(tmp_path / "a.png", RGB)
    images.write(tmp_path / "a.jpg", RGB, 75)
    jpeg = images.read(tmp_path / "a.jpg")
    for picture, scale, pixels, name in (
        (RGB, {}, RGB, "a-x2"),
        (tmp_path / "a.png", {"scale": 3}, RGB, "a-x3"),
        (tmp_path / "a.jpg", {}, jpeg, "q-x2"),
        (tmp_path / "a.jpg", {"scale": 3}, jpeg, "a-x3"),
    ):
        expected = wdsr_tf.upscale(pixels, tmp_path / f"{name}.keras")
        np.testing.assert_array_equal(wdsr_tf.upscale(picture, **scale), expected)
    with pytest.raises(InputError, match="no network of scale 5 ships"):
        wdsr_tf.upscale(RGB, scale=5)
    with pytest.raises(InputError, match="has its own scale"):
        wdsr_tf.upscale(RGB, ENGINE, scale=2)


def test_a_picture_with_transparency_goes_into_a_file_again(tmp_path):
    images.write(tmp_path / "a.png", images.Picture(RGB, RGB[..., 0]))
    sr = wdsr_tf.upscale(tmp_path / "a.png", ENGINE)
    images.write(tmp_path / "b.png", sr)
    picture = images.read_picture(tmp_path / "b.png")
    np.testing.assert_array_equal(np.concatenate([picture.rgb, picture.alpha[..., None]], axis=-1), sr)


def test_files_above_the_limit_are_refused(tmp_path):
    images.write(tmp_path / "a.png", RGB)
    assert wdsr_tf.upscale(tmp_path / "a.png", ENGINE, max_pixels=30).shape == (12, 10, 3)
    with pytest.raises(InputError, match="megapixels"):
        wdsr_tf.upscale(tmp_path / "a.png", ENGINE, max_pixels=29)


@pytest.mark.parametrize("array", [np.zeros((4, 4)), np.zeros((4, 4, 2), "uint8"), np.zeros((0, 4, 3), "uint8")])
def test_other_shapes_are_refused(array):
    with pytest.raises(InputError, match="H x W x 3"):
        wdsr_tf.upscale(array, ENGINE)


def test_other_types_are_refused():
    with pytest.raises(InputError, match="not float64"):
        wdsr_tf.upscale(np.zeros((4, 4, 3)), ENGINE)


def test_the_package_itself_imports_nothing():
    code = "import sys, wdsr_tf; print('numpy' in sys.modules, hasattr(wdsr_tf, 'upscaled'))"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed.split() == ["False", "False"]
