import sys

import numpy as np
import pytest
from PIL import Image

from wdsr_tf import images
from wdsr_tf.errors import InputError

RNG = np.random.default_rng(0)
RGBA = np.kron(RNG.integers(0, 256, (5, 4, 4)), np.ones((4, 4, 1))).astype("uint8")  # 20 x 16 in patches of 4 x 4
RGB, GRAY, ALPHA = RGBA[..., :3], RGBA[..., 0], RGBA[..., 3]


@pytest.mark.parametrize("suffix", images.LOSSLESS)
def test_lossless_formats_return_what_was_written(tmp_path, suffix):
    images.write(tmp_path / f"a{suffix}", RGB)
    np.testing.assert_array_equal(images.read(tmp_path / f"a{suffix}"), RGB)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
@pytest.mark.parametrize("gray", [False, True])
def test_transparency_and_gray_survive_writing_and_reading(tmp_path, suffix, gray):
    rgb = np.stack([GRAY] * 3, axis=-1) if gray else RGB
    images.write(tmp_path / f"a{suffix}", images.Picture(rgb, ALPHA, gray))
    picture = images.read_picture(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(picture.rgb, rgb)
    np.testing.assert_array_equal(picture.alpha, ALPHA)
    assert picture.gray == gray


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_formats_without_transparency_reject_it(tmp_path, suffix):
    with pytest.raises(InputError, match="transparency"):
        images.write(tmp_path / f"a{suffix}", images.Picture(RGB, ALPHA))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "mode, gray, alpha",
    [
        ("1", True, False),
        ("L", True, False),
        ("RGBA", False, True),
        ("LA", True, True),
        ("P", False, False),
        ("RGB", False, False),
    ],
)
def test_every_mode_is_read(tmp_path, mode, gray, alpha):
    Image.fromarray(RGBA if mode.endswith("A") else RGB).convert(mode).save(tmp_path / "a.png")
    picture = images.read_picture(tmp_path / "a.png")
    assert picture.rgb.shape == (20, 16, 3) and picture.rgb.dtype == "uint8"
    assert (picture.gray, picture.alpha is not None) == (gray, alpha)


def test_gray_palette_is_gray_and_transparent_palette_color_becomes_alpha(tmp_path):
    Image.fromarray(GRAY).quantize(8).save(tmp_path / "gray.png")
    Image.fromarray(RGB).quantize(8).save(tmp_path / "clear.png", transparency=3)
    assert images.read_picture(tmp_path / "gray.png").gray
    assert set(np.unique(images.read_picture(tmp_path / "clear.png").alpha)) == {0, 255}


def test_cmyk_becomes_rgb_without_its_profile(tmp_path):
    Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(tmp_path / "a.tif", icc_profile=b"inks")
    picture = images.read_picture(tmp_path / "a.tif")
    assert picture.rgb[0, 0].tolist() == [0, 255, 255] and "icc_profile" not in picture.metadata


@pytest.mark.parametrize("dtype, suffix", [("uint16", "png"), ("uint16", "tif"), (">u2", "tif")])
def test_16_bit_gray_is_read_exactly_or_scaled_and_rounded(tmp_path, dtype, suffix):
    values = RNG.integers(0, 65536, (6, 7)).astype(dtype)
    Image.fromarray(values).save(tmp_path / f"a.{suffix}")
    picture = images.read_picture(tmp_path / f"a.{suffix}")
    assert picture.gray and picture.rgb.dtype == "uint16" and picture.peak == 65535
    np.testing.assert_array_equal(picture.rgb[..., 1], values)
    rgb = images.read(tmp_path / f"a.{suffix}")
    assert rgb.dtype == "uint8"
    assert np.abs(rgb - values[..., None] / 257).max() <= 0.5


@pytest.mark.parametrize("orientation, turned", [(3, RGB[::-1, ::-1]), (6, np.rot90(RGB, -1)), (8, np.rot90(RGB))])
@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_exif_orientation_is_applied_exactly_once(tmp_path, orientation, turned, suffix):
    exif = Image.Exif()
    exif[images.ORIENTATION] = orientation
    Image.fromarray(RGB).save(tmp_path / f"a.{suffix}", exif=exif, lossless=True)
    picture = images.read_picture(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(picture.rgb, turned)
    assert images.size(tmp_path / f"a.{suffix}") == turned.shape[:2]
    images.write(tmp_path / f"b.{suffix}", picture)
    np.testing.assert_array_equal(images.read(tmp_path / f"b.{suffix}"), turned)


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK", "P", "I;16"])
def test_an_uncompressed_tiff_is_turned_as_a_compressed_one(tmp_path, mode):
    image = (
        Image.fromarray(RGB[..., 0].astype("uint16") * 257) if mode == "I;16" else Image.fromarray(RGB).convert(mode)
    )
    for orientation in (5, 6, 7, 8):
        for compression in ("raw", "tiff_lzw"):
            image.save(
                tmp_path / f"{compression}.tif", tiffinfo={images.ORIENTATION: orientation}, compression=compression
            )
        raw, compressed = (images.read_picture(tmp_path / f"{name}.tif") for name in ("raw", "tiff_lzw"))
        assert raw.rgb.shape[:2] == RGB.shape[1::-1]
        for name in ("rgb", "alpha"):
            np.testing.assert_array_equal(getattr(raw, name), getattr(compressed, name))


def test_profile_exif_and_resolution_are_kept(tmp_path):
    exif = Image.Exif()
    exif[images.ORIENTATION], exif[0x010F] = 6, "a camera"
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=exif, icc_profile=b"profile", dpi=(300, 150))
    images.write(tmp_path / "b.png", images.read_picture(tmp_path / "a.jpg"))
    with Image.open(tmp_path / "b.png") as written:
        assert dict(written.getexif()) == {0x010F: "a camera"}
        assert written.info["icc_profile"] == b"profile"
        assert written.info["dpi"] == pytest.approx((300, 150), abs=0.02)  # PNG counts whole pixels per meter


def test_broken_exif_does_not_cost_the_image(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=b"Exif\0\0MM\0*nonsense")
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), RGB)
    assert images.size(tmp_path / "a.png") == RGB.shape[:2]


@pytest.mark.parametrize("suffix", [s for s in images.SUFFIXES if s not in (".jpeg", ".tiff")])
def test_truncated_file_raises_input_error_that_names_it(tmp_path, suffix):
    path = tmp_path / f"cut{suffix}"
    images.write(path, RGB)
    whole = path.read_bytes()
    for part in (0.2, 0.5, 0.8):
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(InputError, match="cut"):
            images.read(path)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_file_that_is_not_an_image_raises_input_error_that_names_it(tmp_path, content):
    (tmp_path / "odd.png").write_bytes(content)
    with pytest.raises(InputError, match=r"odd\.png"):
        images.read(tmp_path / "odd.png")


def test_missing_file_and_32_bit_integers_are_rejected(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        images.read(tmp_path / "nowhere.png")
    Image.fromarray(np.ones((4, 4), "int32")).save(tmp_path / "wide.tif")
    with pytest.raises(InputError, match="32-bit"):
        images.read(tmp_path / "wide.tif")


@pytest.mark.parametrize("array", [GRAY, RGBA[..., 2:], RGB, RGBA])
def test_arrays_are_written_as_gray_or_rgb_with_or_without_alpha(tmp_path, array):
    images.write(tmp_path / "a.png", array)
    with Image.open(tmp_path / "a.png") as written:
        np.testing.assert_array_equal(np.asarray(written), array)


@pytest.mark.parametrize("array", [RGB.astype("float32"), RGB.astype("int32"), np.dstack([RGB, RGBA]), RGB[0, 0]])
def test_arrays_of_other_types_and_shapes_are_rejected(tmp_path, array):
    with pytest.raises(InputError, match="uint8"):
        images.write(tmp_path / "a.png", array)


def test_image_that_the_format_cannot_hold_is_rejected_and_leaves_no_file(tmp_path):
    with pytest.raises(InputError, match=r"wide\.webp"):
        images.write(tmp_path / "wide.webp", np.zeros((1, 17_000, 3), "uint8"))  # WebP allows 16,383
    with pytest.raises(InputError, match="unsupported image format"):
        images.write(tmp_path / "a.txt", RGB)
    assert not list(tmp_path.iterdir())


def test_find_sorts_recurses_and_skips_hidden_files(tmp_path):
    for name in ("b.PNG", "a/c.jpeg", "a/.d.png", ".e/f.png", "g.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert images.find(tmp_path) == [tmp_path / "a/c.jpeg", tmp_path / "b.PNG"]
    with pytest.raises(InputError, match="no such folder"):
        images.find(tmp_path / "nowhere")


def test_find_judges_by_content_and_names_what_cannot_be_read(tmp_path):
    for name, form in (("a.jfif", "JPEG"), ("b", "PNG"), ("c.dat", "WEBP"), ("d.ico", "GIF")):
        Image.fromarray(RGB).save(tmp_path / name, form)
    (tmp_path / "notes.txt").write_text("BM is not an image")
    (tmp_path / "layers.psd").write_bytes(b"8BPS" + bytes(60))
    Image.fromarray(RGB).save(tmp_path / "raw.dng", "TIFF")
    skipped = []
    found = images.find(tmp_path, lambda path, form: skipped.append((path.name, form)))
    assert [path.name for path in found] == ["a.jfif", "b", "c.dat", "d.ico"]
    assert sorted(skipped) == [("layers.psd", "Photoshop"), ("raw.dng", "camera raw")]


def test_find_follows_links_to_folders_once(tmp_path):
    for name in ("in/a.png", "elsewhere/b.png", "elsewhere/deep/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "in/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/again").symlink_to(tmp_path / "elsewhere/deep")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    (tmp_path / "elsewhere/up").symlink_to(tmp_path)
    found = images.find(tmp_path / "in")
    assert sorted(path.name for path in found) == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize("form, module, name", [("HEIF", "pillow_heif", "a.HEIC"), ("JXL", "pillow_jxl", "a.jxl")])
def test_heic_and_jpeg_xl_are_read_or_the_missing_package_is_named(tmp_path, monkeypatch, form, module, name):
    start = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" if form == "HEIF" else b"\xff\x0a"
    (tmp_path / name).write_bytes(start + bytes(50))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, module, None)
        with pytest.raises(InputError, match=rf"{name}.*needs pillow-.*pip install .*\[pictures\]"):
            images.read_picture(tmp_path / name)
    plugin = pytest.importorskip(module)
    if form == "HEIF":
        plugin.register_heif_opener()
    Image.fromarray(RGB).save(tmp_path / name, form, **({"quality": 100} if form == "HEIF" else {"lossless": True}))
    picture = images.read_picture(tmp_path / name)
    assert np.abs(picture.rgb.astype(int) - RGB).mean() < 12  # HEIC stores color at half the resolution
    assert images.size(tmp_path / name) == RGB.shape[:2]


def test_to_uint8_clips_and_rounds():
    assert images.to_uint8(np.array([-3.0, 0.4, 0.6, 254.6, 300.0])).tolist() == [0, 0, 1, 255, 255]


@pytest.mark.parametrize("dtype", ["uint16", "int32", "int64", "bool"])
def test_to_uint8_rejects_integers_whose_white_is_not_255(dtype):
    with pytest.raises(InputError, match=rf"not {dtype}\. change_depth"):
        images.to_uint8(np.ones((2, 2, 3), dtype))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_to_uint8_rejects_values_that_are_not_finite(value):
    with pytest.raises(InputError, match="finite"):
        images.to_uint8(np.array([1.0, value]))


def test_luma_ranges_from_16_to_235():
    colors = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0]]], "uint8")
    np.testing.assert_allclose(images.rgb_to_y(colors), [[16, 235, 81.481]], rtol=1e-12)


def test_tiff_without_resolution_gets_none(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "none.tif")
    Image.fromarray(RGB).save(tmp_path / "some.tif", dpi=(300, 150))
    assert "dpi" not in images.read_picture(tmp_path / "none.tif").metadata
    assert images.read_picture(tmp_path / "some.tif").metadata["dpi"] == (300, 150)
