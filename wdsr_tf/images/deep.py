"""Pictures of more than 8 bits a value that Pillow would cut down or cannot read, through imagecodecs and tifffile."""

import contextlib
import importlib
from pathlib import Path

import numpy as np
from PIL import Image

from wdsr_tf.errors import InputError
from wdsr_tf.images.metadata import ORIENTATION, tiff_metadata
from wdsr_tf.images.picture import Picture

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2  # how a TIFF's values are meant
ASSOCIATED, UNASSOCIATED = 1, 2  # a TIFF's alpha, multiplied into the colors or not


def is_cut(image):
    """Whether Pillow, which has opened but not loaded the image, would give it fewer bits than its file has.

    Floats count too: Pillow mixes up the bytes of compressed ones from big-endian files.
    """
    if image.mode not in ("RGB", "RGBA", "F"):
        return False
    if image.format == "PNG":
        return any("16" in str(tile.args) for tile in image.tile)
    return image.format == "TIFF" and max(image.tag_v2.get(258, (8,))) > 8


def is_tiff(path):
    with Path(path).open("rb") as file:
        return file.read(4) in TIFF_STARTS


def read_png(path, metadata):
    """A PNG with colors or transparency of 16 bits as a `Picture`, not yet turned upright."""
    values = _library("imagecodecs").png_decode(Path(path).read_bytes())
    return _picture(values, values.shape[2] in (2, 4), metadata)


def read_tiff(path, check):
    """The first picture of a TIFF as a `Picture`, not yet turned upright, and its orientation.

    `check(size)` is called with (width, height) before anything is decoded.
    """
    with _library("tifffile").TiffFile(path) as file:
        page = file.pages.first
        check(_size(page))
        _check_page(page, Path(path).stat().st_size)
        values = page.asarray()
    values = np.moveaxis(values, 0, -1) if page.axes == "SYX" else values
    values = values.reshape(page.imagelength, page.imagewidth, page.samplesperpixel)
    if page.photometric == WHITE_IS_ZERO:
        gray = values[..., :1]
        values = np.concatenate([1 - gray if values.dtype.kind == "f" else ~gray, values[..., 1:]], axis=-1)
    if values.dtype.kind == "f":
        values = unit_floats(values)
    colors = 3 if page.photometric == RGB else 1
    extra = page.extrasamples[0] if page.extrasamples and values.shape[2] > colors else None
    transparent = extra in (ASSOCIATED, UNASSOCIATED)
    metadata, orientation = _tags(path)
    picture = _picture(values[..., : colors + transparent], transparent, metadata)
    return _divided(picture) if extra == ASSOCIATED else picture, orientation


def tiff_size(path):
    """(width, height) of the first picture of a TIFF as it lies in the file, and its orientation."""
    with _library("tifffile").TiffFile(path) as file:
        page = file.pages.first
        return _size(page), _tags(path)[1]


def unit_floats(values):
    """Floats as float32, which are to lie in 0..1."""
    if not np.isfinite(values).all():
        raise InputError("it holds values that are not finite")
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise InputError(f"its floats run from {low:.6g} to {high:.6g}; save them between 0 (black) and 1 (white)")
    return values.astype("float32")


def _library(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InputError(f"more than 8 bits a value take {name}: pip install 'wdsr-tf[pictures]'") from None


def _size(page):
    size = page.imagewidth, page.imagelength
    if not all(isinstance(length, int) and length > 0 for length in size):
        raise InputError("it does not say how large it is")
    return size


def _check_page(page, file_bytes):
    extra = page.samplesperpixel - (3 if page.photometric == RGB else 1)
    if page.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB) or extra not in (0, 1) or page.imagedepth != 1:
        raise InputError("it is neither gray nor RGB, with or without transparency; save it as RGB")
    if str(page.dtype) not in ("uint8", "uint16", "float16", "float32", "float64"):
        raise InputError(f"its values are {page.dtype}, which have no agreed range; save it with 8 or 16 bits")
    if page.bitspersample not in (8, 16, 32, 64):
        raise InputError(f"its values have {page.bitspersample} bits; save it with 8 or 16")
    ends = np.add(page.dataoffsets, page.databytecounts, dtype="int64")
    if not len(ends) or ends.max() > file_bytes or min(page.databytecounts) == 0:
        raise InputError("its end is missing")


def _tags(path):
    """A TIFF's metadata and orientation; broken tags say nothing about the picture, and do not cost it."""
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


def _divided(picture):
    """`picture`, whose colors are multiplied by its alpha, with colors that are not."""
    alpha = np.maximum(picture.alpha.astype("float64"), 1e-9)[..., None]
    rgb = np.minimum(picture.rgb / alpha * picture.peak, picture.peak)
    if picture.rgb.dtype.kind == "u":
        rgb = np.rint(rgb)
    return Picture(rgb.astype(picture.rgb.dtype), picture.alpha, picture.gray, picture.metadata)
