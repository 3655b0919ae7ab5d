"""Checks and decodes image files."""

import contextlib
import dataclasses
import importlib
import io
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from wdsr_tf.errors import InputError
from wdsr_tf.images import color, compose, content, exif, gif, heif, high_depth, jpeg, jxl, png_reader
from wdsr_tf.images.decoding import apply_orientation, decode, of_values
from wdsr_tf.images.limits import Limits, limits_of, pillow_open, without_pillows_limit
from wdsr_tf.images.metadata import orientation, read_metadata
from wdsr_tf.images.picture import Picture, change_depth
from wdsr_tf.images.png_metadata import png_metadata
from wdsr_tf.system.extras import is_installed, missing

MAX_PIXELS = Limits().pixels
READ = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "AVIF", "GIF")  # by Pillow's names
PLUGINS = {  # formats that a package adds to Pillow: its module and its name
    "HEIF": ("pillow_heif", "pillow-heif"),
    "JXL": ("pillow_jxl", "pillow-jxl-plugin"),
}
EXTRA_SAMPLES = 338  # a TIFF's tag


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
        notes = _masks(path)
        for number in high_depth.pages(path):
            yield _tiff_page(path, limits, True, number, image, notes)
            notes = ()


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
            return _read_jpeg(path, limits, full_depth)
        with open_image(path, limits) as image:
            picture = _decode_deep(path, kind, image) if full_depth or kind == "JXL" else None
            picture = with_hidden_metadata(picture or _decode(image), path)
            return dataclasses.replace(picture, notes=tuple(left_out(path, image, picture.rgb.dtype)))


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
    kind = content.kind(path)
    if kind == "JXL":  # its plugin decodes at once
        header = jxl.header(path)
        limits.check_size(header.width, header.height)
    with _opened(source or _openable(path, kind), kind, (*READ, *_plugin(kind))) as image:
        limits.check_size(*image.size)
        yield image


def _opened(source, kind, formats):
    try:
        return pillow_open(source, formats)
    except ValueError as error:
        if kind != "AVIF" or "Exif" not in str(error):
            raise
    image = pillow_open(io.BytesIO(heif.without_exif(Path(source).read_bytes())), formats)
    image.info[heif.BROKEN_EXIF] = True
    return image


def _openable(path, kind):
    """What Pillow opens: the file, or for a JPEG of 12 bits one that looks as if it had 8."""
    if kind == "JPEG" and jpeg.bits(file := Path(path).read_bytes()) == 12:
        return io.BytesIO(jpeg.as_8_bits(file))
    return path


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


def _read_jpeg(path, limits, full_depth):
    with open_image(path, limits):  # the size is checked first
        pass
    file = Path(path).read_bytes()
    content = jpeg.image_bytes(file, limits)
    deep = jpeg.bits(content) != 8
    with open_image(path, limits, io.BytesIO(jpeg.as_8_bits(content) if deep else content)) as image:
        if deep:
            picture = of_values(jpeg.deep_values(content), read_metadata(image))
            picture = apply_orientation(picture, orientation(image))
        else:
            picture = _decode(image)
        notes = jpeg.left_out(file, image)
        packet, complete = jpeg.whole_xmp(image, picture.metadata.get("xmp"))
    if packet:
        picture = dataclasses.replace(picture, metadata={**picture.metadata, "xmp": packet})
    if not complete:
        notes.append("the extension of its XMP was left out")
    return dataclasses.replace(picture, notes=tuple(notes))


def _decode_deep(path, kind, image):
    """The upright `Picture` of an AVIF, HEIC, or JPEG XL of more than 8 bits or several frames; None for others."""
    if kind == "JXL" and ((header := jxl.header(path)).bits > 8 or header.animated):
        values, turn = jxl.first_values(path), 1  # upright already
    elif (kind == "HEIF" or (kind == "AVIF" and not image.is_animated)) and (bits := heif.bits_of(path, image)) > 8:
        values, turn = heif.deep_values(path, kind, bits), orientation(image)
    else:
        return None
    if values is None:
        return None
    if values.shape[1::-1] != image.size:
        raise InputError("its header and its pixels contradict each other")
    return apply_orientation(of_values(values, read_metadata(image), undecided=True), turn)


def left_out(path: Path | str, image: Image.Image, dtype) -> list[str]:
    """Returns what isn't read of an image that Pillow has opened, and that became values of type `dtype`."""
    kind = content.kind(path)
    if kind == "JXL":
        return jxl.left_out(path)
    if kind == "WEBP":
        file = Path(path).read_bytes()
        return content.after_end(file[8 + int.from_bytes(file[4:8], "little") :])
    if kind not in ("AVIF", "HEIF"):
        return []
    bits = heif.bits_of(path, image)
    reduced = [f"its {bits} bits per channel were reduced to 8"] if bits > 8 and dtype == "uint8" else []
    return [*heif.left_out(path, image), *reduced]


def _decode(image):
    """The upright `Picture` of an open Pillow image."""
    if image.format == "TIFF":
        image.filename = ""  # else Pillow maps uncompressed rows into memory, at the width that the turned image has
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


def with_hidden_metadata(picture: Picture, path: Path | str) -> Picture:
    """Returns the picture of an AVIF, HEIC, JPEG XL, or BMP with the metadata that Pillow doesn't tell."""
    metadata, kind = picture.metadata, content.kind(path)
    if kind in ("AVIF", "HEIF") and "icc_profile" not in metadata and (cicp := heif.cicp_of(path)):
        metadata = {**metadata, "cicp": cicp}
    elif kind == "JXL" and "xmp" not in metadata and (packet := jxl.xmp(path)):
        metadata = {**metadata, "xmp": packet}
    elif kind == "BMP" and (profile := color.profile_of_bmp(path)):
        metadata = {**metadata, "icc_profile": profile}
    return dataclasses.replace(picture, metadata=metadata)


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
    metadata = {"comment": found.comment, "xmp": found.xmp, "icc_profile": found.profile}
    metadata = {name: value for name, value in metadata.items() if value}
    for rgba, time in compose.compose(found.height, found.width, gif.parts(found)):
        alpha = None if (rgba[..., 3] == 255).all() else rgba[..., 3]
        picture = of_values(rgba if alpha is not None else rgba[..., :3], metadata, undecided=True)
        yield dataclasses.replace(picture, notes=tuple(found.notes)), time


def _drawn(width, height, frames):
    """The size that decides about the work for each frame: its own, or that of the canvas."""
    return [max((width, height), (frame.width, frame.height), key=math.prod) for frame in frames]


def _read_tiff(path, limits, full_depth, page):
    with _pillow_tiff(path, limits) as image:
        notes = () if page else _masks(path)
        return _tiff_page(path, limits, full_depth, high_depth.pages(path)[page], image, notes)


@contextlib.contextmanager
def _pillow_tiff(path, limits):
    """The TIFF as a Pillow image; None if Pillow can't open it."""
    with contextlib.ExitStack() as stack:
        image = None
        with contextlib.suppress(UnidentifiedImageError, SyntaxError):
            image = stack.enter_context(open_image(path, limits))
        yield image


def _tiff_page(path, limits, full_depth, number, image, notes=()):
    metadata = high_depth.page_metadata(path, number)
    with contextlib.suppress(UnidentifiedImageError, SyntaxError):
        if image is not None:
            image.seek(number)
            limits.check_size(*image.size)
            if not _is_for_tifffile(image, full_depth):
                picture = _decode(image)
                if "icc_profile" not in picture.metadata:  # used for the conversion to sRGB
                    metadata.pop("icc_profile", None)
                if len(np.atleast_1d(image.tag_v2.get(EXTRA_SAMPLES, ()))) > (picture.alpha is not None):
                    notes += (high_depth.EXTRA_CHANNEL,)
                return dataclasses.replace(picture, metadata=metadata, notes=notes)
    picture, turn = high_depth.read_tiff(path, limits, number, metadata)
    return apply_orientation(dataclasses.replace(picture, notes=(*picture.notes, *notes)), turn)


def _is_for_tifffile(image, full_depth):
    is_truncated = (full_depth or image.mode == "F") and high_depth.is_truncated(image)
    return is_truncated or high_depth.is_odd(image)


def _masks(path):
    """What is said with the first page."""
    return ("its masks of transparency were left out",) if high_depth.masks(path) else ()
