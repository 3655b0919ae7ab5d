"""Every depth, number of channels, layout and codec of PNG and TIFF that the libraries can read, value by value."""

import itertools
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.images.test_composition import chunk
from wdsr_tf import images

RNG = np.random.default_rng(0)
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8)}  # by color type
PNG_KINDS = [(kind, bits) for kind, depths in DEPTHS.items() for bits in depths]
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def packed(values, bits):
    """Rows of H x W x channels as PNG stores them, each after the filter's number."""
    rows = []
    for row in values.reshape(len(values), -1).tolist():
        text = "".join(format(value, f"0{bits}b") for value in row)
        text += "0" * (-len(text) % 8)
        rows.append(b"\0" + int(text, 2).to_bytes(len(text) // 8, "big"))
    return b"".join(rows)


@pytest.mark.parametrize("kind, bits", PNG_KINDS)
@pytest.mark.parametrize("clear", [False, True])
@pytest.mark.parametrize("interlaced", [False, True])
def test_png_of_every_depth_with_a_transparent_color(tmp_path, kind, bits, clear, interlaced):
    if bits == 16 and kind == 2:
        pytest.importorskip("imagecodecs")
    channels = 3 if kind == 2 else 1
    values = RNG.integers(0, 2**bits, (13, 11, channels))
    values[3, 5] = values[0, 0]
    key = values[3, 5].tolist()
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 11, 13, bits, kind, 0, 0, interlaced))]
    palette = RNG.integers(0, 256, (2**bits, 3))
    if kind == 3:
        chunks.append((b"PLTE", bytes(palette.ravel().tolist())))
    if clear:
        opacity = bytes([255] * key[0] + [9])
        chunks.append((b"tRNS", opacity if kind == 3 else struct.pack(f">{channels}H", *key)))
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    pixels = b"".join(packed(values[top::down, left::right], bits) for left, top, right, down in passes)
    chunks += [(b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(itertools.starmap(chunk, chunks)))

    picture = images.read_picture(tmp_path / "a.png")
    full = palette[values[..., 0]] if kind == 3 else values * (1 if bits == 16 else 255 // (2**bits - 1))
    assert picture.rgb.dtype == ("uint16" if bits == 16 else "uint8")
    np.testing.assert_array_equal(picture.rgb, np.broadcast_to(full, picture.rgb.shape))
    assert (picture.alpha is not None) == clear
    if clear:
        hidden = (values == key).all(axis=-1)
        np.testing.assert_array_equal(picture.alpha, np.where(hidden, 9 if kind == 3 else 0, picture.peak))


@pytest.fixture
def tifffile():
    pytest.importorskip("imagecodecs")
    return pytest.importorskip("tifffile")


def check(path, colors, alpha, tolerance=0):
    picture = images.read_picture(path)
    colors = colors[..., None] if colors.ndim == 2 else colors
    assert np.abs(picture.rgb.astype("float64") - colors).max() <= tolerance
    assert (picture.alpha is None) == (alpha is None)
    if alpha is not None:
        assert np.abs(picture.alpha.astype("float64") - alpha).max() <= tolerance


@pytest.mark.parametrize("bits, channels", list(itertools.product((8, 16), (1, 2, 3, 4))))
def test_tiff_of_every_layout_and_codec(tmp_path, tifffile, bits, channels):
    values = RNG.integers(0, 2**bits, (20, 24, channels)).astype(f"uint{bits}")
    transparent = channels in (2, 4)
    for planar, tile, codec in itertools.product(
        (False, True), (None, (16, 16)), (None, "lzw", "zlib", "packbits", "zstd", "lzma")
    ):
        several = np.moveaxis(values, -1, 0) if planar else values
        stored = several if channels > 1 else values[..., 0]
        tifffile.imwrite(
            tmp_path / "a.tif",
            stored,
            photometric="rgb" if channels > 2 else "minisblack",
            planarconfig=("separate" if planar else "contig") if channels > 1 else None,
            tile=tile,
            compression=codec,
            extrasamples=["unassalpha"] if transparent else None,
        )
        check(tmp_path / "a.tif", values[..., : channels - transparent], values[..., -1] if transparent else None)


@pytest.mark.parametrize("bits", [1, 2, 4, 9, 10, 12, 14])
def test_tiff_of_other_depths_is_stretched_to_the_full_range(tmp_path, tifffile, bits):
    dtype, peak = ("uint8", 255) if bits < 8 else ("uint16", 65535)
    values = RNG.integers(0, 2**bits, (20, 24, 3)).astype(dtype)
    expected = np.rint(values * (peak / (2**bits - 1)))
    stored = values.astype(bool) if bits == 1 else values
    for photometric in ("minisblack", "miniswhite"):
        tifffile.imwrite(tmp_path / "a.tif", stored[..., 0], photometric=photometric, bitspersample=bits)
        gray = expected[..., 0]
        check(tmp_path / "a.tif", gray if photometric == "minisblack" else peak - gray, None)
    if bits > 8:
        tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", bitspersample=bits)
        check(tmp_path / "a.tif", expected, None)


@pytest.mark.parametrize("codec", ["webp", "jpegxl", "jpeg2000"])
def test_tiff_of_newer_codecs(tmp_path, tifffile, codec):
    values = RNG.integers(0, 256, (32, 32, 4)).astype("uint8")
    lossless = {"reversible": True} if codec == "jpeg2000" else {"lossless": True}
    options = {"photometric": "rgb", "compression": codec, "compressionargs": lossless}
    tifffile.imwrite(tmp_path / "a.tif", values[..., :3], **options)
    check(tmp_path / "a.tif", values[..., :3], None)
    tifffile.imwrite(tmp_path / "a.tif", values, extrasamples=["unassalpha"], **options)
    check(tmp_path / "a.tif", values[..., :3], values[..., 3])


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("planar", [False, True])
def test_tiff_of_inks_with_and_without_alpha(tmp_path, tifffile, dtype, planar):
    values = RNG.integers(0, 256, (20, 24, 5)).astype("uint8")
    expected = np.asarray(Image.fromarray(np.ascontiguousarray(values[..., :4]), "CMYK").convert("RGB"))
    stored = values.astype(dtype) * np.array(257 if dtype == "uint16" else 1, dtype)
    for channels in (4, 5):
        part = stored[..., :channels]
        tifffile.imwrite(
            tmp_path / "a.tif",
            np.moveaxis(part, -1, 0) if planar else part,
            photometric="separated",
            planarconfig="separate" if planar else "contig",
            extrasamples=["unassalpha"] if channels == 5 else None,
        )
        check(tmp_path / "a.tif", expected, values[..., 4] if channels == 5 else None)


def test_tiff_of_12_bit_jpeg(tmp_path, tifffile):
    shades = np.linspace(0, 4095, 32 * 32).reshape(32, 32).astype("uint16")
    options = {"compression": "jpeg", "bitspersample": 12, "compressionargs": {"level": 100, "bitspersample": 12}}
    tifffile.imwrite(tmp_path / "a.tif", shades, photometric="minisblack", **options)
    check(tmp_path / "a.tif", shades * (65535 / 4095), None, tolerance=200)  # 12 of 4095
    color = np.stack([shades, shades[::-1], shades.T], axis=-1)
    tifffile.imwrite(tmp_path / "a.tif", color, photometric="rgb", planarconfig="contig", **options)
    check(tmp_path / "a.tif", color * (65535 / 4095), None, tolerance=1500)


def test_premultiplied_gray_is_divided_by_alpha(tmp_path, tifffile):
    values = np.stack([RNG.integers(0, 128, (8, 9)), np.full((8, 9), 128)], axis=-1).astype("uint8")
    tifffile.imwrite(
        tmp_path / "a.tif", values, photometric="minisblack", planarconfig="contig", extrasamples=["assocalpha"]
    )
    check(tmp_path / "a.tif", values[..., 0] * (255 / 128), values[..., 1], tolerance=1)


def test_pages_that_are_read_together_equal_those_that_are_read_alone(tmp_path, tifffile):
    pages = [
        (RNG.integers(0, 256, (9, 8, 3)).astype("uint8"), 6),
        (RNG.integers(0, 65536, (7, 8, 3)).astype("uint16"), 1),
        (RNG.integers(0, 256, (5, 9)).astype("uint8"), 3),
        (RNG.integers(0, 256, (4, 6, 4)).astype("uint8"), 1),
    ]
    for values, turn in pages:
        extra = {"photometric": "minisblack" if values.ndim == 2 else "rgb", "extratags": [(274, 3, 1, turn, True)]}
        tifffile.imwrite(tmp_path / "a.tif", values, append=True, metadata=None, **extra)
    together = list(images.read_pages(tmp_path / "a.tif"))
    assert [picture.rgb.shape[:2] for picture in together] == images.page_sizes(tmp_path / "a.tif")
    for number, picture in enumerate(together):
        alone = images.read_picture(tmp_path / "a.tif", page=number)
        np.testing.assert_array_equal(picture.rgb, alone.rgb)
        np.testing.assert_array_equal(picture.alpha, alone.alpha)
        assert (picture.gray, picture.metadata, picture.notes) == (alone.gray, alone.metadata, alone.notes)


def test_pages_keep_their_order_size_and_depth_and_thumbnails_are_left_out(tmp_path, tifffile):
    small = RNG.integers(0, 256, (4, 5, 3)).astype("uint8")
    pages = [RNG.integers(0, 256, (9 + i, 8, 3)).astype("uint16" if i == 1 else "uint8") for i in range(3)]
    tifffile.imwrite(tmp_path / "a.tif", small, photometric="rgb", subfiletype=1)
    for page in pages:
        tifffile.imwrite(tmp_path / "a.tif", page, photometric="rgb", append=True)
    assert images.page_count(tmp_path / "a.tif") == 3
    read = [images.read_picture(tmp_path / "a.tif", page=page) for page in range(3)]
    for number, (picture, expected) in enumerate(zip(read, pages, strict=True)):
        np.testing.assert_array_equal(picture.rgb, expected)
        assert images.size(tmp_path / "a.tif", page=number) == expected.shape[:2]
    with images.open_pages(tmp_path / "b.tif", 3, 300) as open_page:
        for picture in read:
            with open_page(*picture.rgb.shape[:2], picture) as writer:
                writer.append(picture.rgb)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        for page, expected in zip(file.pages, pages, strict=True):
            np.testing.assert_array_equal(page.asarray(), expected)
