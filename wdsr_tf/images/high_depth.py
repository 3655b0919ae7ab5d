"""Reads images with more than 8 bits per channel, or floats, that Pillow would truncate or can't read.

imagecodecs decodes PNG and tifffile decodes TIFF. Both are optional.
"""

import contextlib
import dataclasses
import importlib
import mmap
from pathlib import Path

import numpy as np
from PIL import Image

from wdsr_tf.errors import InputError
from wdsr_tf.images import exif
from wdsr_tf.images.decoding import WHITE_IS_ZERO, to_srgb
from wdsr_tf.images.limits import Limits, limits_of
from wdsr_tf.images.metadata import tiff_metadata
from wdsr_tf.images.picture import PEAKS, Picture
from wdsr_tf.system.extras import missing

BLACK_IS_ZERO, RGB, SEPARATED, YCBCR = 1, 2, 5, 6  # a TIFF's photometric interpretations
COLORS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, SEPARATED: 4, YCBCR: 3}  # channels; YCbCr is decoded to RGB
NEW_SUBFILE_TYPE, SUBFILE_TYPE = 254, 255
REDUCED, MASK = 1, 4  # bits of the new subfile type
SEPARATE = 2  # a planar configuration: each channel on its own
UNKNOWN_TO_PILLOW = (34712, 34887, 50000, 50001, 50002)  # JPEG 2000, LERC, Zstandard, WebP, JPEG XL
EXTRA_CHANNEL = "its extra channel isn't transparency and was left out"
ASSOCIATED, UNASSOCIATED = 1, 2  # kinds of alpha in a TIFF: multiplied into the colors, or not


def is_truncated(image: Image.Image) -> bool:
    """Whether Pillow, which has opened but not loaded the image, would decode it with fewer bits than the file has.

    Floats count too: Pillow swaps the bytes of compressed ones in big-endian files.
    """
    if image.mode not in ("RGB", "RGBA", "F"):
        return False
    if image.format == "PNG":
        return any("16" in str(tile.args) for tile in image.tile)
    return image.format == "TIFF" and max(image.tag_v2.get(258, (8,))) > 8


def is_odd(image: Image.Image) -> bool:
    """Whether Pillow opens a TIFF that it would decode wrongly, or not at all."""
    if image.format != "TIFF":
        return False
    planes = image.tag_v2.get(277, 1) if image.tag_v2.get(284) == SEPARATE else 1
    return planes not in (1, 3) or image.tag_v2.get(259) in UNKNOWN_TO_PILLOW


@contextlib.contextmanager
def _mapped(path):
    """A TIFF file as a `Block`; raises InputError if it isn't one."""
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        block = exif.open_block(data)
        if block is None:
            raise InputError("the file is truncated")
        yield block


def pages(path: Path | str) -> list[int]:
    """Returns the numbers of a TIFF's directories that are pages: not those of thumbnails, if there are others."""
    with _mapped(path) as block:
        return [number for number, _ in _pages(block)]


def _pages(block):
    """(number, directory) of each page."""
    found = list(enumerate(_directories(block)))
    return [(number, page) for number, page in found if not _kind(page) & (REDUCED | MASK)] or found[:1]


def masks(path: Path | str) -> int:
    """Returns how many of a TIFF's directories are masks of transparency, which aren't read."""
    with _mapped(path) as block:
        return sum(bool(_kind(page) & MASK) for page in _directories(block))


def _directories(block):
    at, seen = block.first, set()
    while at and at not in seen:
        seen.add(at)
        limits_of().check_pages(len(seen))
        yield dataclasses.replace(block, first=at)
        at = block.next(at)


def _kind(page):
    """The new subfile type of a directory, also of one that has the old one."""
    kind = exif.value(page, NEW_SUBFILE_TYPE)
    return int(kind) if kind is not None else REDUCED * (exif.value(page, SUBFILE_TYPE) == 2)


def _directory(block, number):
    for _ in range(number):
        block = dataclasses.replace(block, first=block.next(block.first))
    return block


def page_metadata(path: Path | str, number: int) -> dict:
    """Returns the `metadata` of a directory of a TIFF. Broken tags must not cost the image."""
    with contextlib.suppress(Exception), _mapped(path) as block:
        return tiff_metadata(_directory(block, number))
    return {}


def read_tiff(path: Path | str, limits: Limits, number: int, metadata: dict) -> tuple[Picture, int]:
    """Reads an image of a TIFF.

    Args:
        path: the file.
        limits: they are checked before anything is decoded.
        number: of its directory.
        metadata: what `page_metadata` returned.

    Returns:
        The `Picture`, not yet upright, and its EXIF orientation.
    """
    with library("tifffile").TiffFile(path) as file:
        page = file.pages[number]
        limits.check_size(*_size(page))
        _check_page(page, Path(path).stat().st_size)
        planes = page.asarray(squeeze=False)[:, 0]  # planes, height, width, channels per plane
        profile = page.tags.get(34675)
    values = np.moveaxis(planes, 0, -1).reshape(page.imagelength, page.imagewidth, page.samplesperpixel)
    values = values.astype(values.dtype.newbyteorder("="))
    colors = COLORS[page.photometric]
    if values.dtype.kind == "f":
        values = unit_floats(values)
    elif page.bitspersample % 8:
        values = _full_range(values, page.bitspersample)
    extra = page.extrasamples[0] if page.extrasamples and values.shape[2] > colors else None
    transparent = extra in (ASSOCIATED, UNASSOCIATED)
    alpha = values[..., colors] if transparent else None
    values = values[..., :colors]
    if page.photometric == WHITE_IS_ZERO:
        values = 1 - values if values.dtype.kind == "f" else ~values
    if extra == ASSOCIATED:
        values = _without_premultiplication(values, alpha)
    if colors == 4:
        values, alpha = _rgb_of_cmyk(values, alpha, profile and bytes(profile.value))
        metadata = {name: value for name, value in metadata.items() if name != "icc_profile"}
    rgb = np.repeat(values, 3, axis=-1) if colors == 1 else np.ascontiguousarray(values)
    alpha = None if alpha is None else np.ascontiguousarray(alpha)
    notes = () if transparent or extra is None else (EXTRA_CHANNEL,)
    with _mapped(path) as block:
        turn = exif.orientation(_directory(block, number))
    return Picture(rgb, alpha, colors == 1, metadata, notes), turn


def _full_range(values, bits):
    """Integers of `bits` bits, stretched to 8 or 16."""
    dtype = "uint8" if bits < 8 else "uint16"
    return np.rint(values * ((255 if bits < 8 else 65535) / (2**bits - 1))).astype(dtype)


def _rgb_of_cmyk(values, alpha, profile):
    """sRGB in 8 bits, for which there is a conversion."""
    if values.dtype == "uint16":
        values, alpha = (v if v is None else np.rint(v / 257).astype("uint8") for v in (values, alpha))
    return np.asarray(to_srgb(Image.fromarray(values, "CMYK"), profile)), alpha


def tiff_size(path: Path | str, page: int = 0) -> tuple[tuple[int, int], int]:
    """Returns the (width, height) at which an image of a TIFF is stored, and its EXIF orientation."""
    with _mapped(path) as block:
        return _stored_size(_pages(block)[page][1])


def page_sizes(path: Path | str) -> list[tuple[tuple[int, int], int]]:
    """Returns what `tiff_size` does, for all pages."""
    with _mapped(path) as block:
        return [_stored_size(directory) for _, directory in _pages(block)]


def _stored_size(directory):
    width, height = exif.value(directory, 256), exif.value(directory, 257)
    if not (isinstance(width, int) and isinstance(height, int) and width and height):
        raise InputError("the file is truncated or doesn't record the image's size")
    return (width, height), exif.orientation(directory)


def library(name):
    """Imports imagecodecs or tifffile; raises the InputError that tells how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise missing(name, "pictures", "Reading more than 8 bits per channel") from None


def unit_floats(values: np.ndarray) -> np.ndarray:
    """Returns float32 of floats in 0..1; raises InputError with the range of others."""
    if not np.isfinite(values).all():
        raise InputError("it has values that are not finite (NaN or infinity)")
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise InputError(f"its floats range from {low:.6g} to {high:.6g}. Save them between 0 (black) and 1 (white).")
    return values.astype("float32")


def _size(page):
    size = page.imagewidth, page.imagelength
    if not all(isinstance(length, int) and length > 0 for length in size):
        raise InputError("the file doesn't record the image's size")
    return size


def _check_page(page, file_bytes):
    colors = COLORS.get(page.photometric)
    if colors == 4 and str(page.dtype) not in ("uint8", "uint16"):
        colors = None
    if colors is None or page.samplesperpixel - colors not in (0, 1) or page.imagedepth != 1:
        raise InputError("it is neither gray nor RGB, with or without transparency. Save it as RGB.")
    if str(page.dtype) not in ("uint8", "uint16", "float16", "float32", "float64"):
        raise InputError(f"its values are {page.dtype}, which has no standard range. Save it with 8 or 16 bits.")
    if page.dtype.kind != "f" and not 1 <= page.bitspersample <= 16:
        raise InputError(f"its values have {page.bitspersample} bits. Save it with 8 or 16 bits.")
    ends = np.add(page.dataoffsets, page.databytecounts, dtype="int64")
    if not len(ends) or ends.max() > file_bytes or min(page.databytecounts) == 0:
        raise InputError("the file is truncated")


def _without_premultiplication(values, alpha):
    peak = PEAKS[str(values.dtype)]
    rgb = np.minimum(values / np.maximum(alpha.astype("float64"), 1e-9)[..., None] * peak, peak)
    return (np.rint(rgb) if values.dtype.kind == "u" else rgb).astype(values.dtype)
