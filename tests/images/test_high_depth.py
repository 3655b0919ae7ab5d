"""Images of 16 bits and floats keep every bit."""

import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.images import high_depth

RNG = np.random.default_rng(0)
DEEP = RNG.integers(0, 65536, (20, 16, 4), "uint16")


@pytest.fixture
def tifffile():
    pytest.importorskip("imagecodecs")
    return pytest.importorskip("tifffile")


def png16(path, values, color_type, *chunks):
    """Writes uint16 `values` as an unfiltered PNG, independently of our writer."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))


@pytest.mark.parametrize("color_type, channels", [(2, 3), (4, 2), (6, 4)])
def test_16_bit_png_is_read_exactly_or_by_its_high_bytes(tmp_path, color_type, channels):
    values = DEEP[..., :channels]
    png16(tmp_path / "a.png", values, color_type)
    np.testing.assert_array_equal(images.read(tmp_path / "a.png")[..., 0], values[..., 0] >> 8)
    pytest.importorskip("imagecodecs")
    picture = images.read_picture(tmp_path / "a.png")
    assert picture.rgb.dtype == "uint16" and picture.gray == (channels == 2)
    np.testing.assert_array_equal(picture.rgb[..., 0], values[..., 0])
    if channels == 3:
        assert picture.alpha is None
        np.testing.assert_array_equal(picture.rgb, values)
    else:
        np.testing.assert_array_equal(picture.alpha, values[..., -1])


@pytest.mark.parametrize("color_type, channels", [(0, 1), (2, 3)])
def test_transparent_color_of_a_16_bit_png_becomes_alpha(tmp_path, color_type, channels):
    pytest.importorskip("imagecodecs")
    values = DEEP[..., :channels]
    key = values[3, 5].astype(">u2").tobytes()
    png16(tmp_path / "a.png", values, color_type, (b"tRNS", key))
    alpha = images.read_picture(tmp_path / "a.png").alpha
    assert alpha.dtype == "uint16" and alpha[3, 5] == 0 and (alpha == 65535).sum() == alpha.size - 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_orientation_is_applied_as_pillow_applies_it(tmp_path, tifffile, orientation, suffix):
    small = DEEP[..., :3] >> 8
    exif = Image.Exif()
    exif[images.ORIENTATION] = orientation
    if suffix == ".png":
        png16(tmp_path / "high.png", DEEP[..., :3], 2, (b"eXIf", exif.tobytes()[6:]))
    else:
        tag = [(images.ORIENTATION, 3, 1, orientation, True)]
        tifffile.imwrite(tmp_path / "high.tif", DEEP[..., :3], photometric="rgb", extratags=tag)
    Image.fromarray(small.astype("uint8")).save(tmp_path / f"low{suffix}", exif=exif)
    read = images.read_picture(tmp_path / f"high{suffix}")
    np.testing.assert_array_equal(read.rgb >> 8, images.read(tmp_path / f"low{suffix}"))
    assert images.size(tmp_path / f"high{suffix}") == read.rgb.shape[:2]
    tags = Image.Exif()
    tags.load(read.metadata.get("exif", b""))
    assert images.ORIENTATION not in tags


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "lzw"}, {"compression": "zlib", "predictor": True}, {"tile": (16, 16)}, {"planar": True}],
    ids=str,
)
@pytest.mark.parametrize(
    "dtype, channels",
    [*((dtype, n) for dtype in ("uint16", "float32") for n in (1, 2, 3, 4)), ("float16", 3), ("float64", 1)],
)
def test_tiff_files_of_other_programs_are_read_exactly(tmp_path, tifffile, order, options, dtype, channels):
    values = DEEP if dtype == "uint16" else (DEEP / 65535).astype(dtype)
    values = values[..., :channels] if channels > 1 else values[..., 0]
    options, stored = dict(options), values
    if options.pop("planar", False) and channels > 1:
        options["planarconfig"], stored = "separate", np.moveaxis(values, -1, 0)
    extra = ["unassalpha"] if channels in (2, 4) else None
    photometric = "rgb" if channels > 2 else "minisblack"
    if options.get("predictor") and dtype == "float16":
        options["predictor"] = False
    tifffile.imwrite(
        tmp_path / "a.tif", stored, byteorder=order, photometric=photometric, extrasamples=extra, **options
    )
    picture = images.read_picture(tmp_path / "a.tif")
    assert picture.rgb.dtype == ("uint16" if dtype == "uint16" else "float32") and picture.rgb.dtype.isnative
    assert picture.gray == (channels < 3) and (picture.alpha is not None) == (channels in (2, 4))
    colors = values[..., None] if channels == 1 else values[..., : channels - (channels in (2, 4))]
    np.testing.assert_array_equal(picture.rgb, np.broadcast_to(colors.astype(picture.rgb.dtype), picture.rgb.shape))
    if picture.alpha is not None:
        np.testing.assert_array_equal(picture.alpha, values[..., -1].astype(picture.rgb.dtype))
    assert images.size(tmp_path / "a.tif") == (20, 16)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_premultiplied_colors_are_divided_by_alpha(tmp_path, tifffile, dtype):
    peak = 65535 if dtype == "uint16" else 1
    values = (np.array([[[0.25, 0.5, 0.1, 0.5], [0, 0, 0, 0], [1, 1, 1, 1]]]) * peak).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extrasamples=["assocalpha"])
    picture = images.read_picture(tmp_path / "a.tif")
    np.testing.assert_allclose(picture.rgb[0] / peak, [[0.5, 1, 0.2], [0, 0, 0], [1, 1, 1]], atol=3e-5)  # of 16 bits


def test_white_is_zero_and_12_bit_gray_are_converted(tmp_path, tifffile):
    tifffile.imwrite(tmp_path / "white.tif", DEEP[..., 0], photometric="miniswhite")
    np.testing.assert_array_equal(images.read_picture(tmp_path / "white.tif").rgb[..., 0], 65535 - DEEP[..., 0])
    both = (DEEP[..., :2] / 65535).astype("float32")
    tifffile.imwrite(tmp_path / "both.tif", both, photometric="miniswhite", extrasamples=["unassalpha"])
    picture = images.read_picture(tmp_path / "both.tif")
    np.testing.assert_array_equal(picture.rgb[..., 0], 1 - both[..., 0])
    np.testing.assert_array_equal(picture.alpha, both[..., 1])
    tifffile.imwrite(tmp_path / "twelve.tif", DEEP[..., 0] >> 4, photometric="minisblack", bitspersample=12)
    twelve = images.read_picture(tmp_path / "twelve.tif").rgb[..., 0]
    np.testing.assert_array_equal(twelve, np.rint((DEEP[..., 0] >> 4) * (65535 / 4095)))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "low, high, message", [(0, 255, "from 0 to 255"), (-1, 1, "from -1 to 1"), (0, np.nan, "finite")]
)
def test_floats_beyond_0_to_1_are_refused_with_their_range(tmp_path, tifffile, channels, low, high, message):
    values = np.full((8, 9, channels), low, "float32").squeeze()
    values[2, 3] = high
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb" if channels == 3 else "minisblack")
    with pytest.raises(InputError, match=rf"a\.tif.*{message}"):
        images.read_picture(tmp_path / "a.tif")


def test_read_scales_floats_to_8_bits(tmp_path, tifffile):
    values = (np.arange(256)[None, :, None] / 255).astype("float32").repeat(3, axis=-1)
    images.write(tmp_path / "a.tif", images.Picture(values))
    np.testing.assert_array_equal(images.read(tmp_path / "a.tif")[0, :, 0], np.arange(256))


@pytest.mark.parametrize("dtype", ["int16", "uint32", "int8"])
def test_integers_without_a_standard_range_are_rejected(tmp_path, tifffile, dtype):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((5, 6, 3), dtype), photometric="rgb")
    with pytest.raises(InputError, match="8 or 16 bits"):
        images.read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("channels, photometric", [(5, "rgb"), (3, "minisblack"), (4, "separated")])
def test_channels_other_than_gray_and_rgb_are_rejected(tmp_path, tifffile, channels, photometric):
    values = np.ones((5, 6, channels), "float32")
    tifffile.imwrite(tmp_path / "a.tif", values, photometric=photometric, planarconfig="contig")
    with pytest.raises(InputError, match="neither gray nor RGB"):
        images.read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["a.png", "a.tif", "floats.tif"])
def test_missing_library_is_named_with_its_install_command_and_8_bits_are_still_read(tmp_path, monkeypatch, name):
    values = (DEEP[..., :3] / 65535).astype("float32") if name == "floats.tif" else DEEP[..., :3]
    images.write(tmp_path / name, images.Picture(values))  # writing needs neither library
    for library in ("tifffile", "imagecodecs"):
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=rf"{name}.*needs (tifffile|imagecodecs).*pip install .*\[pictures\]"):
        images.read_picture(tmp_path / name)
    if name != "floats.tif":
        np.testing.assert_array_equal(images.read(tmp_path / name), values >> 8)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.97])  # a PNG whose last per cent is missing has all its pixels
def test_truncated_16_bit_file_raises_input_error(tmp_path, tifffile, name, part):
    images.write(tmp_path / name, DEEP[..., :3])
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(InputError, match=name):
        images.read_picture(tmp_path / name)


def test_pixel_limit_is_checked_before_decoding(tmp_path, tifffile, monkeypatch):
    images.write(tmp_path / "a.tif", images.Picture((DEEP[..., :3] / 65535).astype("float32")))
    monkeypatch.setattr(high_depth, "_check_page", lambda *_: pytest.fail("too late"))
    with pytest.raises(InputError, match=r"--max-pixels 1 "):
        images.read_picture(tmp_path / "a.tif", max_pixels=319)
