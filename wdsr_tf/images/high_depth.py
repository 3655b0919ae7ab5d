"""Reads images with more than 8 bits per channel, or floats, that Pillow would truncate or can't read.

imagecodecs decodes PNG and tifffile decodes TIFF. Both are optional.
"""

import contextlib
import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from wdsr_tf.errors import InputError
from wdsr_tf.images.metadata import ORIENTATION, tiff_metadata
from wdsr_tf.images.picture import Picture
from wdsr_tf.system.extras import missing

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2  # values of a TIFF's photometric interpretation
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


def is_tiff(path: Path | str) -> bool:
    """Whether the file starts like a TIFF or BigTIFF."""
    with Path(path).open("rb") as file:
        return file.read(4) in TIFF_STARTS


def read_png(path: Path | str, metadata: dict) -> Picture:
    """Reads a 16-bit PNG with color or transparency; doesn't apply the orientation."""
    values = _library("imagecodecs").png_decode(Path(path).read_bytes())
    return _picture(values, values.shape[2] in (2, 4), metadata)


def read_tiff(path: Path | str, check_size: Callable) -> tuple[Picture, int]:
    """Reads the first image of a TIFF.

    Args:
        path: the file.
        check_size: called with (width, height) before anything is decoded.

    Returns:
        The `Picture`, not yet upright, and its EXIF orientation.
    """
    with _library("tifffile").TiffFile(path) as file:
        page = file.pages.first
        check_size(_size(page))
        _check_page(page, Path(path).stat().st_size)
        planes = page.asarray(squeeze=False)[:, 0]  # planes, height, width, channels per plane
    values = np.moveaxis(planes, 0, -1).reshape(page.imagelength, page.imagewidth, page.samplesperpixel)
    if page.photometric == WHITE_IS_ZERO:
        gray = values[..., :1]
        values = np.concatenate([1 - gray if values.dtype.kind == "f" else ~gray, values[..., 1:]], axis=-1)
    if values.dtype.kind == "f":
        values = _unit_floats(values)
    colors = 3 if page.photometric == RGB else 1
    extra = page.extrasamples[0] if page.extrasamples and values.shape[2] > colors else None
    transparent = extra in (ASSOCIATED, UNASSOCIATED)
    metadata, orientation = _tags(path)
    picture = _picture(values[..., : colors + transparent], transparent, metadata)
    return _without_premultiplication(picture) if extra == ASSOCIATED else picture, orientation


def tiff_size(path: Path | str) -> tuple[tuple[int, int], int]:
    """Returns the (width, height) at which the first image of a TIFF is stored, and its EXIF orientation."""
    with _library("tifffile").TiffFile(path) as file:
        return _size(file.pages.first), _tags(path)[1]


def _library(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        raise missing(name, "pictures", "Reading more than 8 bits per channel") from None


def _unit_floats(values):
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
    extra = page.samplesperpixel - (3 if page.photometric == RGB else 1)
    if page.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB) or extra not in (0, 1) or page.imagedepth != 1:
        raise InputError("it is neither gray nor RGB, with or without transparency. Save it as RGB.")
    if str(page.dtype) not in ("uint8", "uint16", "float16", "float32", "float64"):
        raise InputError(f"its values are {page.dtype}, which has no standard range. Save it with 8 or 16 bits.")
    if page.bitspersample not in (8, 16, 32, 64):
        raise InputError(f"its values have {page.bitspersample} bits. Save it with 8 or 16 bits.")
    ends = np.add(page.dataoffsets, page.databytecounts, dtype="int64")
    if not len(ends) or ends.max() > file_bytes or min(page.databytecounts) == 0:
        raise InputError("the file is truncated")


def _tags(path):
    """A TIFF's metadata and orientation. Broken tags must not cost the image."""
    exif, metadata, orientation = Image.Exif(), {}, 1
    with Path(path).open("rb") as file, contextlib.suppress(Exception):
        exif.load_from_fp(file)
        orientation = exif.get(ORIENTATION, 1)
        metadata = tiff_metadata(exif)
    return metadata, orientation


def _picture(values, transparent, metadata):
    values = values.astype(values.dtype.newbyteorder("="))
    alpha = np.ascontiguousarray(values[..., -1]) if transparent else None
    colors = values[..., :-1] if transparent else values
    gray = colors.shape[2] == 1
    return Picture(np.repeat(colors, 3, axis=-1) if gray else np.ascontiguousarray(colors), alpha, gray, metadata)


def _without_premultiplication(picture):
    alpha = np.maximum(picture.alpha.astype("float64"), 1e-9)[..., None]
    rgb = np.minimum(picture.rgb / alpha * picture.peak, picture.peak)
    if picture.rgb.dtype.kind == "u":
        rgb = np.rint(rgb)
    return Picture(rgb.astype(picture.rgb.dtype), picture.alpha, picture.gray, picture.metadata)
