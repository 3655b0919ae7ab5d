"""Files into pictures: found, checked, decoded, upright."""

import contextlib
import dataclasses
import io
import math
import threading
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from wdsr_tf.errors import InputError
from wdsr_tf.images import deep
from wdsr_tf.images.formats import SUFFIXES
from wdsr_tf.images.metadata import is_of_colors, orientation, read_metadata
from wdsr_tf.images.picture import Picture, change_depth

MAX_PIXELS = 250_000_000
READ = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "AVIF", "GIF")  # by Pillow's names
PILLOWS_LIMIT = threading.Lock()


def find(folder):
    """The pictures below `folder`, sorted; hidden files and folders are left out."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder")
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )


def read(path, max_pixels=MAX_PIXELS):
    """The picture at `path` as uint8 RGB, H x W x 3, upright; transparency is dropped.

    16 bits are scaled to 8: gray rounded, colors by leaving out their low byte. Otherwise as `read_picture`.
    """
    return change_depth(_read(path, max_pixels, all_bits=False), "uint8").rgb


def read_picture(path, max_pixels=MAX_PIXELS):
    """The picture at `path` with all its bits, its transparency and metadata, EXIF orientation applied.

    Of an animation or a file of several pages it is the first picture. Inks (CMYK) become sRGB, through their profile
    where the file has one. A file that is missing, broken, cut short, of an unknown kind or of more than `max_pixels`
    raises InputError.
    """
    return _read(path, max_pixels, all_bits=True)


def size(path, max_pixels=MAX_PIXELS):
    """(height, width) of the picture at `path`, upright, from its header alone. Raises as `read_picture` does."""
    with named_errors(path):
        try:
            with opened(path, max_pixels) as image:
                (width, height), turn = image.size, orientation(image)
        except UnidentifiedImageError:
            if not deep.is_tiff(path):
                raise
            (width, height), turn = deep.tiff_size(path)
    return (width, height) if turn in (5, 6, 7, 8) else (height, width)


def has_alpha(path):
    """Whether the picture at `path` has transparency, from its header. Raises as `read_picture` does."""
    with named_errors(path), opened(path, float("inf")) as image:
        return image.has_transparency_data


def _read(path, max_pixels, all_bits):
    with named_errors(path):
        try:
            with opened(path, max_pixels) as image:
                cut = (all_bits or image.mode == "F") and deep.is_cut(image)
                if not (cut and image.format == "TIFF"):
                    return _decode(path, image, cut)
        except UnidentifiedImageError:
            if not deep.is_tiff(path):
                raise
        picture, turn = deep.read_tiff(path, lambda size: check_pixels(size, max_pixels))
        return upright(picture, turn)


@contextlib.contextmanager
def named_errors(path):
    """Turns whatever reading raises into an InputError that names the file."""
    try:
        yield
    except UnidentifiedImageError:
        raise InputError(f"{path}: is not a picture of a known format") from None
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except InputError as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    except MemoryError:
        raise InputError(f"{path}: cannot be read: there is not enough memory for it") from None
    except Exception as error:  # Pillow's plugins raise whatever the broken bytes led to
        raise InputError(f"{path}: cannot be read: {error}") from error


@contextlib.contextmanager
def opened(path, max_pixels):
    """The file as an open Pillow image of at most `max_pixels`, not yet decoded."""
    with PILLOWS_LIMIT:  # Pillow's own, which is for the whole process
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(path, formats=READ)
        finally:
            Image.MAX_IMAGE_PIXELS = before
    with image:
        check_pixels(image.size, max_pixels)
        yield image


def check_pixels(size, max_pixels, frames=1):
    """Raises InputError where a picture of `size`, or so many frames of it, has more than `max_pixels`."""
    (width, height), pixels = size, frames * size[0] * size[1]
    if pixels > max_pixels:
        raise InputError(
            f"its {f'{frames} frames of ' if frames > 1 else ''}{width} x {height} are {pixels / 1e6:.1f} megapixels, "
            f"more than the {max_pixels / 1e6:g} that are let in; where you trust the file, --max-pixels "
            f"{math.ceil(pixels / 1e6)} lets it in"
        )


def _decode(path, image, cut):
    """The `Picture` of an open Pillow image; `cut`, where its pixels are to be taken from elsewhere: 16-bit PNG."""
    before = image.size
    if not cut:
        image.load()
    if image.size != before:
        raise InputError("what its tags say of its size and orientation does not agree")
    turn = orientation(image)
    return upright(deep.read_png(path, read_metadata(image)) if cut else decode(image), turn)


def decode(image):
    """The `Picture` of a loaded Pillow image as it lies, not turned."""
    metadata = read_metadata(image)
    if image.mode.startswith("I;16"):
        return dataclasses.replace(_gray_of_16_bits(image), metadata=metadata)
    if image.mode == "I":
        raise InputError("32-bit integers have no agreed range of values; save it with 8 or 16 bits")
    if image.mode in ("CMYK", "YCbCr", "LAB"):
        image = _to_srgb(image, metadata.pop("icc_profile", None))

    alpha = None
    gray = image.mode in ("1", "L", "LA")
    undecided = image.mode == "P" or image.format in ("WEBP", "AVIF", "GIF")  # these know no gray with alpha
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = np.array(image.getchannel("A"))
    rgb = np.array(image.convert("RGB"))
    if undecided and not is_of_colors(metadata):
        gray = bool((rgb == rgb[..., :1]).all())
    return Picture(rgb, alpha, gray, metadata)


def _gray_of_16_bits(image):
    """Its transparent value, if any, becomes alpha."""
    values = np.asarray(image).astype("uint16")
    alpha = None
    if "transparency" in image.info:
        alpha = np.where(values == image.info["transparency"], 0, 65535).astype("uint16")
    if image.format == "TIFF":
        bits = image.tag_v2.get(258, (16,))[0]
        values = np.rint(values * (65535 / (2**bits - 1))).astype("uint16")
        if image.tag_v2.get(262) == deep.WHITE_IS_ZERO:
            values = ~values
    return Picture(np.stack([values] * 3, axis=-1), alpha, gray=True)


def _to_srgb(image, profile):
    """Inks, luma and chroma, or Lab as sRGB; through the profile where there is one that fits."""
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
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):  # no profile, or none for such values
        return image.convert("RGB")


def upright(picture, turn):
    """`picture` turned and mirrored as the EXIF orientation `turn` (1 to 8) says."""
    if turn not in range(2, 9):
        return picture
    rgb, alpha = (values if values is None else _turned(values, turn) for values in (picture.rgb, picture.alpha))
    return dataclasses.replace(picture, rgb=rgb, alpha=alpha)


def _turned(values, turn):
    if turn >= 5:
        values = values.swapaxes(0, 1)
    down, right = ((1, 1), (1, -1), (-1, -1), (-1, 1), (1, 1), (1, -1), (-1, -1), (-1, 1))[turn - 1]
    return np.ascontiguousarray(values[::down, ::right])
