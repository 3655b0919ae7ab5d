import numpy as np
import pytest
from PIL import Image

from tests.helpers.engines import Fake, repeated
from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.inference.upscaler import Upscaler

RGB = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype="uint8")
ENGINE = Fake().engine
ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def upscale():
    return Upscaler(ENGINE).upscale


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (6, 5, 3), (6, 5, 4)])
def test_an_array_comes_back_larger_in_its_type_and_layout(upscale, dtype, shape):
    channels = shape[2] if len(shape) == 3 else 1
    values = np.random.default_rng(0).integers(1, 256, (6, 5, channels)).astype(dtype)
    if channels == 4:
        values[..., 3] = 200  # alpha is resized by bicubic, which leaves a constant alone
    values = values / 255 if dtype.startswith("float") else values
    sr = upscale(values.reshape(shape).astype(dtype))
    assert sr.dtype == dtype and sr.shape == (12, 10, *shape[2:])
    atol = {"uint8": 0, "uint16": 0 if channels > 1 else 1}.get(dtype, 1e-6)  # gray is a weighted sum in float32
    np.testing.assert_allclose(sr.reshape(12, 10, -1), repeated(values), atol=max(atol, 1e-6))


def test_floats_just_outside_the_range_are_clipped(upscale):
    rgb = np.full((4, 4, 3), 1.0009, "float64")
    rgb[0] = -0.0009
    sr = upscale(rgb)
    assert sr.min() == 0 and sr.max() == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("least, most", [(0, 255), (0, 1.002), (-0.5, 0.5)])
def test_floats_outside_the_range_are_refused_with_the_range_that_was_seen(upscale, dtype, least, most):
    rgb = np.linspace(least, most, 48, dtype=dtype).reshape(4, 4, 3)
    with pytest.raises(InputError, match=rf"must lie in 0\.\.1; these range from {least} to {most}"):
        upscale(rgb)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_blamed_on_the_image(upscale, value):
    rgb = np.full((4, 4, 3), 0.5)
    rgb[1, 2, 0] = value
    with pytest.raises(InputError, match="The image has values that aren't finite"):
        upscale(rgb)


@pytest.mark.parametrize("shape", [(4,), (4, 4, 2), (4, 4, 5), (0, 4, 3), (1, 4, 4, 3)])
def test_other_shapes_are_refused(upscale, shape):
    with pytest.raises(InputError, match=r"H x W x 3.*shape"):
        upscale(np.zeros(shape, "uint8"))


@pytest.mark.parametrize("dtype", ["int64", "float16", "bool", "complex64", "object"])
def test_other_types_are_refused(upscale, dtype):
    with pytest.raises(InputError, match=f"uint8, uint16, float32, float64; these are {dtype}"):
        upscale(np.zeros((4, 4, 3), dtype))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
def test_a_pil_image_comes_back_as_one_of_its_mode(upscale, mode):
    image = Image.fromarray(RGB).convert(mode)
    sr = upscale(image)
    assert isinstance(sr, Image.Image) and sr.mode == mode and sr.size == (10, 12)
    np.testing.assert_array_equal(np.asarray(sr.convert("RGB")), repeated(np.asarray(image.convert("RGB"))))


@pytest.mark.parametrize("mode, result", [("1", "L"), ("P", "RGB"), ("CMYK", "RGB"), ("I;16", "I;16"), ("F", "F")])
def test_other_modes_become_the_nearest_that_pil_can_write(upscale, mode, result):
    if mode == "I;16":
        image = Image.fromarray(RGB[..., 0].astype("uint16") * 200)
    elif mode == "F":
        image = Image.fromarray((RGB[..., 0] / 255).astype("float32"))
    else:
        image = Image.fromarray(RGB).convert(mode)
    sr = upscale(image)
    assert (sr.mode, sr.size) == (result, (10, 12))
    if mode in ("I;16", "F"):
        np.testing.assert_allclose(np.asarray(sr), repeated(np.asarray(image)[..., None])[..., 0], atol=1)


def test_a_pil_image_comes_back_upright_with_its_metadata_and_is_left_as_it_was(upscale, tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x010F] = 6, "a camera"
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif, dpi=(100, 100), icc_profile=b"profile" + bytes(121))
    with Image.open(tmp_path / "a.png") as image:
        before = dict(image.getexif())
        sr = upscale(image)
        assert dict(image.getexif()) == before
    assert sr.size == (12, 10)
    np.testing.assert_array_equal(np.asarray(sr), repeated(np.rot90(RGB, -1)))
    assert sr.info["icc_profile"] == b"profile" + bytes(121) and sr.info["dpi"] == pytest.approx((200, 200), abs=0.1)
    sr.save(tmp_path / "b.png", exif=sr.info["exif"])
    with Image.open(tmp_path / "b.png") as saved:
        assert saved.getexif()[0x010F] == "a camera" and ORIENTATION not in saved.getexif()


def test_an_empty_pil_image_is_refused(upscale):
    with pytest.raises(InputError, match="no pixels"):
        upscale(Image.new("RGB", (0, 4)))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_file_becomes_an_array_with_all_its_bits(upscale, tmp_path, dtype):
    if dtype == "uint16":
        pytest.importorskip("imagecodecs")
    values = RGB.astype(dtype) * (1 if dtype == "uint8" else 257)
    opaque = np.full((6, 5), np.iinfo(dtype).max, dtype)
    images.write(tmp_path / "rgb.png", values)
    images.write(tmp_path / "gray.png", values[..., 0])
    images.write(tmp_path / "alpha.png", images.Picture(values, opaque))
    np.testing.assert_array_equal(upscale(tmp_path / "rgb.png"), repeated(values))
    np.testing.assert_allclose(upscale(tmp_path / "gray.png"), repeated(values[..., :1])[..., 0], atol=1)
    rgba = upscale(str(tmp_path / "alpha.png"))
    assert rgba.shape == (12, 10, 4) and rgba.dtype == dtype
    np.testing.assert_array_equal(rgba[..., :3], repeated(values))
    images.write(tmp_path / "again.png", rgba)
    again = images.read_picture(tmp_path / "again.png")
    np.testing.assert_array_equal(np.concatenate([again.rgb, again.alpha[..., None]], axis=-1), rgba)


def test_files_above_the_limit_are_refused(tmp_path):
    images.write(tmp_path / "a.png", RGB)
    assert Upscaler(ENGINE, max_pixels=30).upscale(tmp_path / "a.png").shape == (12, 10, 3)
    with pytest.raises(InputError, match="megapixels"):
        Upscaler(ENGINE, max_pixels=29).upscale(tmp_path / "a.png")
