"""Finds, checks and decodes image files."""

import contextlib
import dataclasses
import importlib
import io
import math
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from wdsr_tf.errors import InputError
from wdsr_tf.images import content, high_depth
from wdsr_tf.images.formats import SUFFIXES
from wdsr_tf.images.metadata import color_space, orientation, read_metadata
from wdsr_tf.images.picture import Picture, change_depth
from wdsr_tf.system.extras import is_installed, missing

MAX_PIXELS = 250_000_000
READ = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "AVIF", "GIF")  # by Pillow's names
PLUGINS = {  # formats that a package adds to Pillow: its module and its name
    "HEIF": ("pillow_heif", "pillow-heif"),
    "JXL": ("pillow_jxl", "pillow-jxl-plugin"),
}
PILLOWS_LIMIT = threading.Lock()


def find(folder: Path | str, skipped: Callable[[Path, str], None] | None = None) -> list[Path]:
    """Returns the images below `folder`, sorted, without hidden files and folders. Links to folders are followed.

    Args:
        folder: where to search. A file is an image if its content says so, or its suffix does.
        skipped: called with (file, format) for each image of a format that isn't read, such as `.psd`.

    Raises:
        InputError: if no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    found = []
    for path in _files(folder):
        kind = content.kind(path)
        other = content.other_kind(path) if kind in (None, "TIFF") else None  # camera raw files look like TIFF
        if other is None and (kind or path.suffix.lower() in SUFFIXES):
            found.append(path)
        elif other and skipped:
            skipped(path, other)
    return sorted(found)


def _files(folder):
    """The files below `folder`, each folder once, so that a link to a parent doesn't lead round in circles."""
    top = folder.resolve()
    seen = {top}
    for here, folders, names in os.walk(folder, followlinks=True):
        here = Path(here)
        entered = []
        for name in sorted(folders):
            target = (here / name).resolve()
            if not name.startswith(".") and target not in seen and target not in top.parents:
                seen.add(target)
                entered.append(name)
        folders[:] = entered
        yield from (here / name for name in names if not name.startswith(".") and (here / name).is_file())


def read(path: Path | str, max_pixels: float = MAX_PIXELS) -> np.ndarray:
    """Reads an image as upright 8-bit RGB, without transparency.

    Args:
        path: the file.
        max_pixels: larger images are rejected before they are decoded.

    Returns:
        uint8, H x W x 3. 16 bits are scaled to 8: gray is rounded, colors lose their low byte.

    Raises:
        InputError: as `read_picture` does.
    """
    return change_depth(_read(path, max_pixels, full_depth=False), "uint8").rgb


def read_picture(path: Path | str, max_pixels: float = MAX_PIXELS) -> Picture:
    """Reads an image with all its bits, transparency and metadata, with its EXIF orientation applied.

    CMYK, YCbCr and Lab are converted to sRGB, through the file's ICC profile if it has one. Animations and files with
    several pages give their first image.

    Args:
        path: the file.
        max_pixels: larger images are rejected before they are decoded.

    Raises:
        InputError: if the file is missing, broken, truncated, too large, or not in a supported format.
    """
    return _read(path, max_pixels, full_depth=True)


def size(path: Path | str, max_pixels: float = MAX_PIXELS) -> tuple[int, int]:
    """Returns the (height, width) of an upright image from the file's header. Raises as `read_picture` does."""
    with reading_errors(path):
        try:
            with open_image(path, max_pixels) as image:
                (width, height), turn = image.size, orientation(image)
        except UnidentifiedImageError:
            if not high_depth.is_tiff(path):
                raise
            (width, height), turn = high_depth.tiff_size(path)
    return (width, height) if turn in (5, 6, 7, 8) else (height, width)


def has_alpha(path: Path | str) -> bool:
    """Whether an image has transparency, from the file's header. Raises as `read_picture` does."""
    with reading_errors(path), open_image(path, float("inf")) as image:
        return image.has_transparency_data


def _read(path, max_pixels, full_depth):
    with reading_errors(path):
        try:
            with open_image(path, max_pixels) as image:
                truncated = (full_depth or image.mode == "F") and high_depth.is_truncated(image)
                if not (truncated and image.format == "TIFF"):
                    return _decode(path, image, truncated)
        except UnidentifiedImageError:
            if not high_depth.is_tiff(path):
                raise
        picture, turn = high_depth.read_tiff(path, lambda size: check_pixels(size, max_pixels))
        return apply_orientation(picture, turn)


@contextlib.contextmanager
def reading_errors(path: Path | str) -> Iterator[None]:
    """Turns whatever reading raises into an InputError that names the file."""
    try:
        yield
    except UnidentifiedImageError:
        raise InputError(f"{path}: not an image in a supported format ({', '.join([*READ, *PLUGINS])})") from None
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except InputError as error:
        raise InputError(f"{path}: can't be read: {error}") from None
    except MemoryError:
        raise InputError(f"{path}: can't be read: not enough memory") from None
    except Exception as error:  # Pillow's plugins raise all kinds of exceptions on broken bytes
        raise InputError(f"{path}: can't be read: {error}") from error


@contextlib.contextmanager
def open_image(path: Path | str, max_pixels: float) -> Iterator[Image.Image]:
    """Opens a file as a Pillow image of at most `max_pixels`, without decoding it."""
    formats = (*READ, *_plugin(content.kind(path)))
    with PILLOWS_LIMIT:  # Pillow's own limit is one for the whole process
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(path, formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = before
    with image:
        check_pixels(image.size, max_pixels)
        yield image


def _plugin(kind):
    """Loads what Pillow needs to read a format, and returns its name; nothing for Pillow's own formats."""
    if kind not in PLUGINS:
        return ()
    module, package = PLUGINS[kind]
    if not is_installed(module):
        raise missing(package, "pictures", f"Reading {kind}")
    loaded = importlib.import_module(module)
    if kind == "HEIF":
        loaded.register_heif_opener()
    return (kind,)


def check_pixels(size: tuple[int, int], max_pixels: float, frames: int = 1) -> None:
    """Raises InputError if `frames` frames of `size` (width, height) together have more than `max_pixels`."""
    (width, height), pixels = size, frames * size[0] * size[1]
    if pixels > max_pixels:
        least = math.ceil(pixels / 1e6)
        raise InputError(
            f"its {f'{frames} frames of ' if frames > 1 else ''}{width} x {height} pixels are {pixels / 1e6:.1f} "
            f"megapixels; the limit is {max_pixels / 1e6:g}. If you trust the file, raise the limit with "
            f"--max-pixels {least} (in Python, max_pixels={least}e6)."
        )


def _decode(path, image, truncated):
    """The upright `Picture` of an open Pillow image; `truncated` if it's a PNG that imagecodecs has to decode."""
    before = image.size
    if not truncated:
        image.load()
    if image.size != before:
        raise InputError("its size and orientation tags contradict each other")
    turn = orientation(image)
    return apply_orientation(high_depth.read_png(path, read_metadata(image)) if truncated else decode(image), turn)


def decode(image: Image.Image) -> Picture:
    """Returns the `Picture` of a loaded Pillow image; doesn't apply the orientation."""
    metadata = read_metadata(image)
    if image.mode.startswith("I;16"):
        return dataclasses.replace(_gray_of_16_bits(image), metadata=metadata)
    if image.mode == "I":
        raise InputError("32-bit integers have no standard range. Save it with 8 or 16 bits.")
    if image.mode in ("CMYK", "YCbCr", "LAB"):
        image = _to_srgb(image, metadata.pop("icc_profile", None))

    alpha = None
    gray = image.mode in ("1", "L", "LA")
    undecided = image.mode == "P" or image.format in ("WEBP", "AVIF", "GIF")  # they can't mark gray with alpha
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = np.array(image.getchannel("A"))
    rgb = np.array(image.convert("RGB"))
    if undecided and color_space(metadata) != b"RGB ":
        gray = bool((rgb == rgb[..., :1]).all())
    return Picture(rgb, alpha, gray, metadata)


def _gray_of_16_bits(image):
    values = np.asarray(image).astype("uint16")
    alpha = None
    if "transparency" in image.info:  # the value of transparent pixels
        alpha = np.where(values == image.info["transparency"], 0, 65535).astype("uint16")
    if image.format == "TIFF":
        bits = image.tag_v2.get(258, (16,))[0]
        values = np.rint(values * (65535 / (2**bits - 1))).astype("uint16")
        if image.tag_v2.get(262) == high_depth.WHITE_IS_ZERO:
            values = ~values
    return Picture(np.stack([values] * 3, axis=-1), alpha, gray=True)


def _to_srgb(image, profile):
    try:
        source = ImageCms.createProfile("LAB") if image.mode == "LAB" else ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):  # no profile, or one for another color space
        return image.convert("RGB")


def apply_orientation(picture: Picture, turn: int) -> Picture:
    """Rotates and mirrors `picture` by the EXIF orientation `turn`, 1 (upright) to 8; ignores other values."""
    if turn not in range(2, 9):
        return picture
    rgb, alpha = (values if values is None else _turned(values, turn) for values in (picture.rgb, picture.alpha))
    return dataclasses.replace(picture, rgb=rgb, alpha=alpha)


def _turned(values, turn):
    if turn >= 5:
        values = values.swapaxes(0, 1)
    down, right = ((1, 1), (1, -1), (-1, -1), (-1, 1), (1, 1), (1, -1), (-1, -1), (-1, 1))[turn - 1]
    return np.ascontiguousarray(values[::down, ::right])
