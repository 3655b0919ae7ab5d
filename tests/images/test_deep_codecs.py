"""AVIF, HEIC, JPEG XL, and JPEG of more than 8 bits keep them, beside the libraries' own values."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.images import jxl

RNG = np.random.default_rng(0)
DEEP = np.kron(RNG.integers(0, 65536, (6, 8, 4)), np.ones((4, 4, 1))).astype("uint16")  # 24 x 32


def check(picture, values, tolerance=0):
    """That the picture has these values of 16 bits, H x W x 1 to 4."""
    assert picture.rgb.dtype == "uint16" and picture.notes == ()
    colors = values[..., :1] if values.shape[2] < 3 else values[..., :3]
    assert np.abs(picture.rgb.astype(int) - colors).max() <= tolerance
    assert (picture.alpha is not None) == (values.shape[2] in (2, 4))
    if picture.alpha is not None:
        assert np.abs(picture.alpha.astype(int) - values[..., -1]).max() <= tolerance


def stretched(values, bits):
    return np.rint(values * (65535 / (2**bits - 1)))


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [3, 4])
def test_avif_of_more_than_8_bits_is_read_exactly(tmp_path, bits, channels):
    imagecodecs = pytest.importorskip("imagecodecs")
    values = DEEP[..., :channels] >> (16 - bits)
    options = {"level": 100, "bitspersample": bits, "pixelformat": "444"}
    (tmp_path / "a.avif").write_bytes(imagecodecs.avif_encode(values, **options))
    check(images.read_picture(tmp_path / "a.avif"), stretched(values, bits))
    assert images.read(tmp_path / "a.avif").dtype == "uint8"


def test_frames_of_more_than_8_bits_are_reduced_and_named(tmp_path):
    imagecodecs = pytest.importorskip("imagecodecs")
    content = imagecodecs.avif_encode(np.stack([DEEP[..., :3] >> 6] * 2), level=100, bitspersample=10)
    (tmp_path / "a.avif").write_bytes(content)
    frames = images.read_frames(tmp_path / "a.avif").frames
    assert [picture.notes for picture, _ in frames] == [("its 10 bits per channel were reduced to 8",)] * 2


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("mode, channels", [("I;16", 1), ("RGB;16", 3), ("RGBA;16", 4)])
def test_heic_of_more_than_8_bits_is_read_with_all_of_them(tmp_path, monkeypatch, bits, mode, channels):
    pillow_heif = pytest.importorskip("pillow_heif")
    monkeypatch.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", bits == 12)
    white = DEEP.copy()
    white[:4, :4] = 65535
    file = pillow_heif.from_bytes(mode=mode, size=(32, 24), data=white[..., :channels].tobytes())
    file.save(tmp_path / "a.heic", quality=-1, chroma=444)
    picture = images.read_picture(tmp_path / "a.heic")
    check(picture, white[..., :channels], tolerance=3 * 2 ** (16 - bits))  # rounded in YCbCr
    assert picture.gray == (channels == 1) and picture.rgb.max() == 65535


@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_jpeg_xl_of_more_than_8_bits_is_read_exactly(tmp_path, bits, channels):
    imagecodecs = pytest.importorskip("imagecodecs")
    pytest.importorskip("pillow_jxl")
    values = DEEP[..., :channels] >> (16 - bits)
    content = imagecodecs.jpegxl_encode(values.squeeze(), lossless=True, bitspersample=bits)
    (tmp_path / "a.jxl").write_bytes(content)
    check(images.read_picture(tmp_path / "a.jxl"), stretched(values, bits))


def test_the_header_of_a_jpeg_xl_tells_size_depth_and_animation(tmp_path):
    imagecodecs = pytest.importorskip("imagecodecs")
    sides = (1, 2, 8, 16, 57, 64, 257, 300)
    for number in range(24):
        height, width = (int(side) for side in RNG.choice(sides, 2))
        width = 2 * height if number % 7 == 0 else width
        bits, animated = int(RNG.choice([8, 10, 12, 16])), number % 11 == 0
        values = np.zeros((height, width, 3), "uint8" if bits == 8 else "uint16")
        options = {"bitspersample": bits, "usecontainer": bool(number % 2), "lossless": True}
        content = imagecodecs.jpegxl_encode(np.stack([values] * 2) if animated else values, **options)
        (tmp_path / "a.jxl").write_bytes(content)
        assert dataclasses.astuple(jxl.header(tmp_path / "a.jxl")) == (width, height, bits, animated)


def test_the_first_frame_of_a_jpeg_xl_is_kept_and_the_others_are_named(tmp_path):
    imagecodecs = pytest.importorskip("imagecodecs")
    pytest.importorskip("pillow_jxl")
    first = (DEEP[..., :3] >> 8).astype("uint8")
    (tmp_path / "a.jxl").write_bytes(imagecodecs.jpegxl_encode(np.stack([first, first[::-1]]), lossless=True))
    picture = images.read_picture(tmp_path / "a.jxl")
    np.testing.assert_array_equal(picture.rgb, first)
    assert picture.notes == ("only the first of its frames was kept",)


def test_only_a_jpeg_file_in_a_jpeg_xl_is_turned_by_its_exif(tmp_path):
    """The codestream's own orientation counts, which the decoder applies; EXIF may repeat what was applied."""
    pytest.importorskip("pillow_jxl")
    tags = Image.Exif()
    tags[images.ORIENTATION] = 6
    small = Image.fromarray((DEEP[..., :3] >> 8).astype("uint8"))
    small.save(tmp_path / "a.jxl", exif=tags.tobytes(), lossless=True)
    assert images.read(tmp_path / "a.jxl").shape == (24, 32, 3)
    small.save(tmp_path / "b.jpg", exif=tags.tobytes())
    with Image.open(tmp_path / "b.jpg") as image:
        image.save(tmp_path / "b.jxl", lossless_jpeg=True)
    assert images.read(tmp_path / "b.jxl").shape == images.read(tmp_path / "b.jpg").shape == (32, 24, 3)
    assert images.size(tmp_path / "b.jxl") == (32, 24)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_of_12_bits_is_read_with_its_metadata(tmp_path, channels):
    imagecodecs = pytest.importorskip("imagecodecs")
    shades = np.linspace(0, 4095, 64 * 48).reshape(48, 64, 1).repeat(channels, axis=-1).astype("uint16")
    content = imagecodecs.jpeg8_encode(shades.squeeze(), level=100, bitspersample=12)
    tags = Image.Exif()
    tags[images.ORIENTATION], tags[0x010F] = 6, "a camera"
    segment = tags.tobytes()
    content = content[:2] + b"\xff\xe1" + (2 + len(segment)).to_bytes(2, "big") + segment + content[2:]
    (tmp_path / "a.jpg").write_bytes(content)
    picture = images.read_picture(tmp_path / "a.jpg")
    assert "exif" in picture.metadata and images.size(tmp_path / "a.jpg") == (64, 48)
    check(picture, np.rot90(shades, -1) * (65535 / 4095), tolerance=100)
    (tmp_path / "b.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"b\.jpg.*truncated"):
        images.read_picture(tmp_path / "b.jpg")


def test_a_broken_exif_does_not_cost_an_avif(tmp_path):
    tags = Image.Exif()
    tags[0x010F] = "a camera"
    small = (DEEP[..., :3] >> 8).astype("uint8")
    Image.fromarray(small).save(tmp_path / "a.avif", exif=tags.tobytes(), quality=100)
    content = (tmp_path / "a.avif").read_bytes()
    (tmp_path / "b.avif").write_bytes(content.replace(tags.tobytes()[6:], bytes(len(tags.tobytes()) - 6)))
    picture = images.read_picture(tmp_path / "b.avif")
    np.testing.assert_array_equal(picture.rgb, images.read(tmp_path / "a.avif"))
    assert picture.notes == ("its EXIF is broken and was left out",) and "exif" not in picture.metadata
