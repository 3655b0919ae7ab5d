"""Checks and decodes image files."""

import contextlib
import dataclasses
import importlib
import io
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from wdsr_tf.errors import InputError
from wdsr_tf.images import color, compose, content, exif, gif, high_depth, jpeg, png_reader
from wdsr_tf.images.limits import Limits, limits_of, pillow_open, without_pillows_limit
from wdsr_tf.images.metadata import color_space, orientation, read_metadata
from wdsr_tf.images.picture import Picture, change_depth
from wdsr_tf.images.png_metadata import png_metadata
from wdsr_tf.system.extras import is_installed, missing

MAX_PIXELS = Limits().pixels
READ = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "AVIF", "GIF")  # by Pillow's names
PLUGINS = {  # formats that a package adds to Pillow: its module and its name
    "HEIF": ("pillow_heif", "pillow-heif"),
    "JXL": ("pillow_jxl", "pillow-jxl-plugin"),
}


def read(path: Path | str, max_pixels: float | None = None) -> np.ndarray:
    """Reads an image as upright 8-bit RGB, without transparency.

    Args:
        path: the file.
        max_pixels: larger images are rejected before they are decoded; see `limits`. Default: 250 million.

    Returns:
        uint8, H x W x 3, writable. 16 bits are scaled to 8: gray is rounded, colors lose their low byte.

    Raises:
        InputError: as `read_picture` does.
    """
    rgb = change_depth(_read(path, limits_of(max_pixels), full_depth=False), "uint8").rgb
    return np.require(rgb, requirements="W")


def read_picture(path: Path | str, max_pixels: float | None = None, page: int = 0) -> Picture:
    """Reads an image with all its bits, transparency and metadata, with its EXIF orientation applied.

    CMYK, YCbCr and Lab are converted to sRGB, through the file's ICC profile if it has one. Animations give their
    first image.

    Args:
        path: the file.
        max_pixels: as for `read`.
        page: of a TIFF, from 0 to `page_count` - 1.

    Raises:
        InputError: if the file is missing, broken, truncated, too large, or not in a supported format.
    """
    return _read(path, limits_of(max_pixels), full_depth=True, page=page)


def read_pages(path: Path | str, max_pixels: float | None = None) -> Iterator[Picture]:
    """Yields each page of a TIFF as `read_picture` returns it. To read all, this is much faster.

    Raises:
        InputError: as `read_picture` and `page_sizes` do.
    """
    limits = limits_of(max_pixels)
    page_sizes(path, max_pixels)
    with reading_errors(path), _pillow_tiff(path, limits) as image:
        for number in high_depth.pages(path):
            yield _tiff_page(path, limits, True, number, image)


def size(path: Path | str, max_pixels: float | None = None, page: int = 0) -> tuple[int, int]:
    """Returns the (height, width) of an upright image from the file's header. Raises as `read_picture` does."""
    with reading_errors(path):
        kind, limits = content.kind(path), limits_of(max_pixels)
        if kind == "PNG":
            png = png_reader.parse(path, pixels=False)
            (width, height), turn = (png.width, png.height), _png_orientation(png)
        elif kind == "GIF":
            found = gif.parse(path)
            (width, height), turn = (found.width, found.height), 1
        elif kind == "TIFF":
            (width, height), turn = high_depth.tiff_size(path, page)
        else:
            with open_image(path, limits) as image:
                (width, height), turn = image.size, orientation(image)
        limits.check_size(width, height)
    return (width, height) if turn in (5, 6, 7, 8) else (height, width)


def page_count(path: Path | str) -> int:
    """Returns the number of pages of a TIFF, without thumbnails; 1 for other files. Raises as `read_picture` does."""
    with reading_errors(path):
        return len(high_depth.pages(path)) if content.kind(path) == "TIFF" else 1


def page_sizes(path: Path | str, max_pixels: float | None = None) -> list[tuple[int, int]]:
    """Returns the upright (height, width) of each page of a TIFF.

    Raises:
        InputError: as `read_picture` does, or if all pages together are too large.
    """
    with reading_errors(path):
        found = high_depth.page_sizes(path)
        limits_of(max_pixels).check_frames([stored for stored, _ in found])
    return [(w, h) if turn in (5, 6, 7, 8) else (h, w) for (w, h), turn in found]


def has_alpha(path: Path | str) -> bool:
    """Whether an image has transparency, from the file's header. Raises as `read_picture` does."""
    with reading_errors(path):
        if content.kind(path) == "PNG":
            return png_reader.parse(path, pixels=False).has_alpha
        with open_image(path, Limits(float("inf"))) as image:
            return image.has_transparency_data


def _read(path, limits, full_depth, page=0):
    with reading_errors(path):
        kind = content.kind(path)
        if kind == "PNG":
            return _read_png(path, limits, full_depth)
        if kind == "GIF":
            return next(gif_frames(path, limits, 1))[0]
        if kind == "TIFF":
            return _read_tiff(path, limits, full_depth, page)
        if kind == "JPEG":
            with open_image(path, limits):  # the size is checked first
                pass
            file = Path(path).read_bytes()
            with open_image(path, limits, io.BytesIO(jpeg.image_bytes(file, limits))) as image:
                return dataclasses.replace(_decode(image), notes=jpeg.left_out(file, image))
        with open_image(path, limits) as image:
            picture = with_cicp(_decode(image), path)
            others = getattr(image, "n_frames", 1) - 1
            notes = [f"its {others} other images were left out"] if others and kind in PLUGINS else []
            if kind in ("AVIF", "HEIF") and (bits := color.bits_of(path)) > 8:
                notes.append(f"its {bits} bits per channel were reduced to 8")
            return dataclasses.replace(picture, notes=tuple(notes))


@contextlib.contextmanager
def reading_errors(path: Path | str) -> Iterator[None]:
    """Turns whatever reading raises into an InputError that names the file."""
    try:
        yield
    except UnidentifiedImageError:
        known = ", ".join([*READ, *PLUGINS])
        raise InputError(f"{path}: not an image in a supported format ({known})") from None
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except InputError as error:
        raise InputError(f"{path}: can't be read: {error}") from None
    except MemoryError:
        raise InputError(f"{path}: can't be read: not enough memory") from None
    except Exception as error:  # Pillow's plugins raise all kinds of exceptions on broken bytes
        raise InputError(f"{path}: can't be read: {error}") from error


@contextlib.contextmanager
def open_image(path: Path | str, limits: Limits, source=None) -> Iterator[Image.Image]:
    """Opens a file as a Pillow image within `limits`, without decoding it; `source` replaces its content."""
    with pillow_open(source or path, (*READ, *_plugin(content.kind(path)))) as image:
        limits.check_size(*image.size)
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


def _decode(image):
    """The upright `Picture` of an open Pillow image."""
    before = image.size
    with without_pillows_limit():
        image.load()
    if image.size != before:
        raise InputError("its size and orientation tags contradict each other")
    return apply_orientation(decode(image), orientation(image))


def _read_png(path, limits, full_depth):
    header = png_reader.parse(path, pixels=False)
    limits.check_size(header.width, header.height)
    png = png_reader.parse(path)
    values = png_reader.decode(png, png.still, deep=full_depth)
    metadata, notes = png_metadata(png)
    picture = of_values(values, metadata, undecided=png.color_type == png_reader.PALETTE)
    picture = dataclasses.replace(picture, notes=(*png.notes, *notes))
    return apply_orientation(picture, _png_orientation(png))


def with_cicp(picture: Picture, path: Path | str) -> Picture:
    """Returns the picture of an AVIF or HEIC with the color description that Pillow doesn't tell."""
    if content.kind(path) not in ("AVIF", "HEIF") or "icc_profile" in picture.metadata:
        return picture
    cicp = color.cicp_of(path)
    return dataclasses.replace(picture, metadata={**picture.metadata, "cicp": cicp}) if cicp else picture


def _png_orientation(png):
    found = png.find(b"eXIf")
    return exif.orientation(exif.open_block(found)) if found else 1


def png_frames(path: Path | str, limits: Limits) -> Iterator[tuple[Picture, float]]:
    """Yields the complete frames of an APNG as (`Picture`, milliseconds)."""
    png = png_reader.parse(path)
    limits.check_frames(_drawn(png.width, png.height, png.frames))
    metadata, notes = png_metadata(png)
    if png.bits == 16:
        notes = [*notes, "its frames were reduced from 16 to 8 bits"]
    if png.frames and png.frames[0].data is not png.still.data:
        notes = [*notes, "its image for programs that can't play animations was left out"]
    gray, turn = png.color_type in (png_reader.GRAY, png_reader.GRAY_ALPHA), _png_orientation(png)
    for rgba, time in compose.compose(png.height, png.width, png_reader.parts(png)):
        picture = Picture(rgba[..., :3], rgba[..., 3], gray, metadata, (*png.notes, *notes))
        yield apply_orientation(picture, turn), time


def gif_frames(path: Path | str, limits: Limits, count: int | None = None) -> Iterator[tuple[Picture, float]]:
    """Yields the complete frames of a GIF as (`Picture`, milliseconds); `count` of them, or all."""
    found = gif.parse(path)
    found.frames = found.frames[:count]
    limits.check_frames(_drawn(found.width, found.height, found.frames))
    metadata = {name: value for name, value in (("comment", found.comment), ("xmp", found.xmp)) if value}
    for rgba, time in compose.compose(found.height, found.width, gif.parts(found)):
        alpha = None if (rgba[..., 3] == 255).all() else rgba[..., 3]
        picture = of_values(rgba if alpha is not None else rgba[..., :3], metadata, undecided=True)
        yield picture, time


def _drawn(width, height, frames):
    """The size that decides about the work for each frame: its own, or that of the canvas."""
    return [max((width, height), (frame.width, frame.height), key=math.prod) for frame in frames]


def _read_tiff(path, limits, full_depth, page):
    with _pillow_tiff(path, limits) as image:
        return _tiff_page(path, limits, full_depth, high_depth.pages(path)[page], image)


@contextlib.contextmanager
def _pillow_tiff(path, limits):
    """The TIFF as a Pillow image; None if Pillow can't open it."""
    with contextlib.ExitStack() as stack:
        image = None
        with contextlib.suppress(UnidentifiedImageError, SyntaxError):
            image = stack.enter_context(open_image(path, limits))
        yield image


def _tiff_page(path, limits, full_depth, number, image):
    metadata = high_depth.page_metadata(path, number)
    with contextlib.suppress(UnidentifiedImageError, SyntaxError):
        if image is not None:
            image.seek(number)
            limits.check_size(*image.size)
            if not _is_for_tifffile(image, full_depth):
                picture = _decode(image)
                if "icc_profile" not in picture.metadata:  # used for the conversion to sRGB
                    metadata.pop("icc_profile", None)
                return dataclasses.replace(picture, metadata=metadata)
    picture, turn = high_depth.read_tiff(path, limits, number, metadata)
    return apply_orientation(picture, turn)


def _is_for_tifffile(image, full_depth):
    is_truncated = (full_depth or image.mode == "F") and high_depth.is_truncated(image)
    return is_truncated or high_depth.is_odd(image)


def of_values(values: np.ndarray, metadata: dict, undecided: bool = False) -> Picture:
    """Returns the `Picture` of H x W x 1 (gray), 2 (gray and alpha), 3 or 4; `undecided`: gray if all colors are."""
    channels = values.shape[2]
    alpha = np.ascontiguousarray(values[..., -1]) if channels in (2, 4) else None
    gray = channels < 3
    rgb = values[..., :1].repeat(3, axis=-1) if gray else np.ascontiguousarray(values[..., :3])
    if undecided and not gray and color_space(metadata) != b"RGB ":
        gray = bool((rgb == rgb[..., :1]).all())
    return Picture(rgb, alpha, gray, metadata)


def decode(image: Image.Image) -> Picture:
    """Returns the `Picture` of a loaded Pillow image; doesn't apply the orientation."""
    metadata = read_metadata(image)
    if image.mode.startswith("I;16"):
        return dataclasses.replace(_gray_of_16_bits(image), metadata=metadata)
    if image.mode == "I":
        raise InputError("32-bit integers have no standard range. Save it with 8 or 16 bits.")
    if image.mode in ("CMYK", "YCbCr", "LAB"):
        image = to_srgb(image, metadata.pop("icc_profile", None))

    if image.mode == "La":  # alpha is multiplied into the values
        image = image.convert("LA")
    gray = image.mode in ("1", "L", "LA")
    undecided = image.mode == "P" or image.format in ("WEBP", "AVIF", "GIF")  # they can't mark gray with alpha
    values = np.array(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    picture = of_values(values, metadata, undecided)
    return dataclasses.replace(picture, gray=True) if gray else picture


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


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Converts a Pillow image to sRGB through its ICC profile, or by Pillow's formulas without a fitting one."""
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
