"""Every kind of image in every format that can hold it, and the limits of the other formats."""

import io

import numpy as np
import pytest
from PIL import Image

from wdsr_tf import images
from wdsr_tf.errors import InputError

RNG = np.random.default_rng(0)
SHADES = np.kron(RNG.integers(0, 65536, (5, 4, 4)), np.ones((4, 4, 1)))  # 20 x 16 in patches, 0..65535
PROFILE = b"profile" + bytes(121)
SUFFIXES = [suffix for suffix in images.SUFFIXES if suffix not in (".jpeg", ".tiff")]
KINDS = [(dtype, gray, clear) for dtype in ("uint8", "uint16", "float32") for gray in (0, 1) for clear in (0, 1)]
PAIRS = [
    (suffix, *kind)
    for suffix in SUFFIXES
    for kind in KINDS
    if kind[0] in images.FORMATS[suffix].depths and (images.FORMATS[suffix].alpha or not kind[2])
]


def exif():
    tags = Image.Exif()
    tags[0x010F] = "a camera"
    tags[0x8769] = {0x9003: "2026:01:02 03:04:05", 0xA002: 4000, 0xA003: 3000}  # date, width, height
    tags[0x8825] = {1: "N", 2: (59.0, 57.0, 0.5)}
    return tags.tobytes()


def picture(dtype, gray, clear):
    values = images.to_depth(SHADES / 257, dtype)
    rgb = np.repeat(values[..., :1], 3, axis=-1) if gray else values[..., :3]
    alpha = images.to_depth(255.0 * (SHADES[..., 3] > 20_000), dtype) if clear else None
    return images.Picture(rgb, alpha, bool(gray), {"dpi": (300.0, 150.0), "icc_profile": PROFILE, "exif": exif()})


@pytest.mark.parametrize("suffix, dtype, gray, clear", PAIRS)
def test_every_kind_of_image_survives_every_format_that_can_hold_it(tmp_path, suffix, dtype, gray, clear):
    if dtype != "uint8":
        pytest.importorskip("imagecodecs")
        pytest.importorskip("tifffile")
    written = picture(dtype, gray, clear)
    images.write(tmp_path / f"a{suffix}", written)
    assert images.size(tmp_path / f"a{suffix}") == (20, 16)
    read = images.read_picture(tmp_path / f"a{suffix}")
    assert read.rgb.dtype == dtype and read.gray == bool(gray)
    if suffix in images.LOSSLESS:
        np.testing.assert_array_equal(read.rgb, written.rgb)
    else:  # 4:4:4 at quality 90 and above, or 20 of 256 colors: about one level off on average
        shown = slice(None) if written.alpha is None else written.alpha > 0
        assert np.abs(read.rgb[shown].astype(float) - written.rgb[shown]).mean() < 2
    assert (read.alpha is not None) == bool(clear)
    if clear:
        np.testing.assert_array_equal(read.alpha, written.alpha)


@pytest.mark.parametrize("suffix, dtype, gray, clear", [pair for pair in PAIRS if pair[0] != ".gif"])
def test_metadata_survives_every_format_that_can_hold_it(tmp_path, suffix, dtype, gray, clear):
    if dtype != "uint8":
        pytest.importorskip("imagecodecs")
        pytest.importorskip("tifffile")
    images.write(tmp_path / f"a{suffix}", picture(dtype, gray, clear))
    metadata = images.read_picture(tmp_path / f"a{suffix}").metadata
    assert metadata["dpi"] == pytest.approx((300, 150), abs=0.02)  # PNG and BMP count whole pixels per meter
    if suffix == ".bmp":
        return
    assert metadata["icc_profile"] == PROFILE
    tags = Image.Exif()
    tags.load(metadata["exif"])
    assert tags[0x010F] == "a camera" and tags.get_ifd(0x8825)[2] == (59, 57, 0.5)
    assert tags.get_ifd(0x8769) == {0x9003: "2026:01:02 03:04:05", 0xA002: 16, 0xA003: 20}  # the new size


MODES = {"1": (1, 0), "L": (1, 0), "LA": (1, 1), "P": (0, 0), "RGB": (0, 0), "RGBA": (0, 1), "CMYK": (0, 0)}
WRITERS = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK"),
    "BMP": ("1", "L", "P", "RGB"),
    "WEBP": ("RGB", "RGBA"),
    "GIF": ("1", "L", "P"),
    "JPEG": ("L", "RGB", "CMYK"),
    "AVIF": ("L", "RGB", "RGBA"),
}


@pytest.mark.parametrize("form, mode", [(form, mode) for form, modes in WRITERS.items() for mode in modes])
def test_every_mode_that_pillow_writes_is_read(tmp_path, form, mode):
    values = images.to_depth(SHADES / 257, "uint8")
    image = Image.fromarray(values).convert("RGB" if mode in ("P", "CMYK") else mode).convert(mode)
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    if form in ("JPEG", "AVIF"):
        options = {"quality": 100} if mode == "L" else {"quality": 100, "subsampling": "4:4:4"}
    image.save(tmp_path / "a", form, **options)
    picture = images.read_picture(tmp_path / "a")
    gray, clear = MODES[mode]
    assert (picture.gray, picture.alpha is not None) == (bool(gray), bool(clear))
    expected = np.asarray(image.convert("RGB"))
    loss = 1.5 if form in ("JPEG", "AVIF") else 0  # rounding at quality 100
    assert np.abs(picture.rgb.astype(int) - expected).mean() <= loss
    if clear:
        np.testing.assert_array_equal(picture.alpha, values[..., 3])


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_transparent_palette_color_becomes_alpha(tmp_path, form):
    image = Image.fromarray(images.to_depth(SHADES[..., :3] / 257, "uint8")).quantize(8)
    image.save(tmp_path / "a", form, transparency=3)
    picture = images.read_picture(tmp_path / "a")
    np.testing.assert_array_equal(picture.alpha, np.where(np.asarray(image) == 3, 0, 255))


def test_cmyk_is_converted_to_srgb_through_its_profile(tmp_path):
    profile = cmyk_profile()
    Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(tmp_path / "a.jpg", icc_profile=profile, quality=100)
    picture = images.read_picture(tmp_path / "a.jpg")
    plain = np.array([0, 255, 255])  # full cyan without a profile
    assert np.abs(picture.rgb.astype(int) - plain).max() > 40
    # The profile maps full cyan to L* = 50, which is gray 119 in sRGB.
    assert np.abs(picture.rgb.astype(int) - 119).max() <= 3
    assert "icc_profile" not in picture.metadata


def cmyk_profile():
    """An ICC profile (version 2) for CMYK: full cyan is gray with L* = 50, and all other corners are white."""

    def table():
        grid = np.full((2, 2, 2, 2, 3), [255, 128, 128], "uint8")  # Lab in 8 bits
        grid[1, 0, 0, 0] = 128, 128, 128
        ramp = bytes(range(256))
        matrix = np.array(np.eye(3) * 65536, ">i4").tobytes()
        return b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + ramp * 4 + grid.tobytes() + ramp * 3

    def text(content):
        return b"text" + bytes(4) + content + b"\0"

    white = b"XYZ " + bytes(4) + np.array([0.9642 * 65536, 65536, 0.8249 * 65536], ">i4").tobytes()
    name = b"desc" + bytes(4) + (4).to_bytes(4, "big") + b"ink\0" + bytes(78)
    tags = {b"desc": name, b"cprt": text(b"none"), b"wtpt": white, b"A2B0": table(), b"A2B1": table()}
    entries, data, at = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, content in tags.items():
        content += bytes(-len(content) % 4)
        entries += tag + (at + len(data)).to_bytes(4, "big") + len(content).to_bytes(4, "big")
        data += content
    header = bytearray(128)
    header[0:4] = (at + len(data)).to_bytes(4, "big")
    header[8:12], header[12:24], header[36:40] = b"\x02\x40\0\0", b"prtrCMYKLab ", b"acsp"
    header[68:80] = np.array([0.9642 * 65536, 65536, 0.8249 * 65536], ">i4").tobytes()
    return bytes(header) + len(tags).to_bytes(4, "big") + entries + data


def test_lab_is_converted_to_srgb(tmp_path):
    channels = [Image.new("L", (4, 4), value) for value in (128, 128, 128)]  # L* = 50, a* = b* = 0 (offset 128)
    Image.merge("LAB", channels).save(tmp_path / "a.tif")
    rgb = images.read(tmp_path / "a.tif")
    assert (rgb.max() - rgb.min()) < 130 and rgb.shape == (4, 4, 3)


@pytest.mark.parametrize(
    "suffix, side", [(".jpg", 65_501), (".webp", 16_384), (".avif", 32_769), (".gif", 65_536), (".jpeg", 70_000)]
)
def test_side_above_the_limit_of_the_format_is_rejected_before_any_work(tmp_path, suffix, side):
    like = images.Picture(np.empty((0, 0, 3), "uint8"))
    refused = pytest.raises(InputError, match=r"pixels per side.*Use png")
    with refused, images.open_writer(tmp_path / f"a{suffix}", side, 4, like):
        pytest.fail("the work began")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix, side", [(".jpg", 65_500), (".webp", 16_383), (".avif", 32_768), (".gif", 65_535)])
def test_side_at_the_limit_of_the_format_is_written_and_read(tmp_path, suffix, side):
    images.write(tmp_path / f"a{suffix}", np.full((2, side, 3), 7, "uint8"))
    assert images.read(tmp_path / f"a{suffix}").shape == (2, side, 3)


def test_unsupported_depth_is_rejected_and_fitting_depth_names_the_nearest(tmp_path):
    with pytest.raises(InputError, match=r"JPEG can't store uint16 values\. Use png or tif"):
        images.write(tmp_path / "a.jpg", picture("uint16", 0, 0))
    with pytest.raises(InputError, match=r"PNG can't store float32 values\. Use tif"):
        images.write(tmp_path / "a.png", picture("float32", 0, 0))
    suffixes = (".jpg", ".png", ".tif")
    nearest = [[images.fitting_depth(f"a{suffix}", dtype) for dtype in ("uint16", "float32")] for suffix in suffixes]
    assert nearest == [["uint8", "uint8"], ["uint16", "uint16"], ["uint16", "float32"]]
    images.write(tmp_path / "a.jpg", images.change_depth(picture("uint16", 0, 0), "uint8"))
    assert not list(tmp_path.glob("*.png"))


def test_depth_conversion_scales_and_rounds():
    values = np.arange(256, dtype="uint8")
    assert (images.to_depth(images.to_levels(values), "uint16") == values.astype(int) * 257).all()
    every = np.arange(65536, dtype="uint16")
    np.testing.assert_array_equal(images.to_depth(images.to_levels(every), "uint16"), every)
    np.testing.assert_array_equal(images.to_depth(images.to_levels(every), "uint8"), np.rint(every / 257))
    assert images.to_depth(np.array([-1.0, 127.5, 300.0]), "float32").tolist() == [0, 0.5, 1]


def test_lower_quality_makes_smaller_files(tmp_path):
    noise = RNG.integers(0, 256, (64, 64, 3), dtype="uint8")
    for suffix in (".jpg", ".webp", ".avif"):
        sizes = []
        for quality in (20, 90):
            images.write(tmp_path / f"a{suffix}", noise, quality)
            sizes.append((tmp_path / f"a{suffix}").stat().st_size)
        assert sizes[0] < 0.7 * sizes[1]


def test_thumbnail_of_the_original_is_not_copied(tmp_path):
    jpeg = io.BytesIO()
    Image.new("RGB", (160, 120)).save(jpeg, "JPEG")
    directory = b"MM\0*" + (8).to_bytes(4, "big") + b"\0\1\x01\x0f\0\2\0\0\0\4cam\0" + (26).to_bytes(4, "big")
    thumbnail = b"\0\2\x02\x01\0\4\0\0\0\1" + (56).to_bytes(4, "big") + b"\x02\x02\0\4\0\0\0\1"
    data = directory + thumbnail + len(jpeg.getvalue()).to_bytes(4, "big") + bytes(4) + jpeg.getvalue()
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + data)
    assert jpeg.getvalue() in (tmp_path / "a.jpg").read_bytes()
    images.write(tmp_path / "b.jpg", images.read_picture(tmp_path / "a.jpg"))
    with Image.open(tmp_path / "b.jpg") as written:
        assert written.getexif()[0x010F] == "cam" and not written.getexif().get_ifd(1)
    assert len((tmp_path / "b.jpg").read_bytes()) < len(jpeg.getvalue()) + 200


def test_exif_too_long_for_jpeg_is_dropped(tmp_path):
    tags = Image.Exif()
    tags[0x010F] = "a camera" * 10_000
    picture = images.Picture(np.zeros((8, 9, 3), "uint8"), metadata={"exif": tags.tobytes()})
    for suffix, kept in ((".jpg", False), (".png", True)):
        images.write(tmp_path / f"a{suffix}", picture)
        assert ("exif" in images.read_picture(tmp_path / f"a{suffix}").metadata) == kept


def test_gray_profile_is_dropped_by_webp(tmp_path):
    gray = PROFILE[:16] + b"GRAY" + PROFILE[20:]
    picture = images.Picture(np.zeros((8, 9, 3), "uint8"), gray=True, metadata={"icc_profile": gray})
    for suffix, kept in ((".webp", False), (".png", True)):
        images.write(tmp_path / f"a{suffix}", picture)
        assert ("icc_profile" in images.read_picture(tmp_path / f"a{suffix}").metadata) == kept
