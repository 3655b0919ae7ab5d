"""Writes image files atomically, row by row if the format allows it."""

import contextlib
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic
from wdsr_tf.images import color, gif, jpeg
from wdsr_tf.images.decoding import to_srgb
from wdsr_tf.images.formats import Format, check_fit, format_of, save_options
from wdsr_tf.images.metadata import writable
from wdsr_tf.images.picture import Picture, as_picture, joined_channels
from wdsr_tf.images.png import PngWriter
from wdsr_tf.images.tiff import BIG, TiffFile, TiffWriter

XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"  # of a segment of a JPEG
STREAMED = {"PNG": PngWriter, "TIFF": TiffWriter}


def write(path: Path | str, picture: Picture | np.ndarray, quality: int | None = None) -> None:
    """Writes an image in the format of the path's suffix, atomically.

    Args:
        path: where to write; missing folders are created.
        picture: a `Picture`, or an array, uint8 or uint16: H x W (gray), H x W x 2 (gray and alpha), H x W x 3 (RGB)
            or H x W x 4 (RGBA).
        quality: 1..100 for JPEG (default 95), AVIF (default 90) and WebP (lossless by default). PNG, BMP and TIFF are
            always lossless, and GIF has 256 colors.

    Raises:
        InputError: if the format can't hold the image (transparency in JPEG and BMP, 16 bits in formats other than PNG
            and TIFF, a side above the format's limit), or if the file can't be written.
    """
    if not isinstance(picture, Picture):
        picture = as_picture(picture)
    with open_writer(path, *picture.rgb.shape[:2], picture, quality) as writer:
        writer.append(picture.rgb, picture.alpha)


@contextlib.contextmanager
def open_writer(
    path: Path | str, height: int, width: int, like: Picture, quality: int | None = None
) -> "Iterator[Writer]":
    """Opens a `Writer` of an image, in the format of the path's suffix. The file appears, complete, at the end.

    PNG and TIFF are written as rows arrive, in memory that doesn't depend on the height; other formats at the end.

    Args:
        path: where to write; missing folders are created.
        height: of the image, in pixels.
        width: of the image, in pixels.
        like: a `Picture` whose type, transparency, gray and metadata the image gets; its pixels don't matter.
        quality: as in `write`.

    Raises:
        InputError: as `write` does; for an image that the format can't hold, before any row is requested.
    """
    path = Path(path)
    form = format_of(path)
    check_fit(path, height, width, like.rgb.dtype, like.alpha is not None)
    metadata = writable(like.metadata, form, height, width, like.gray)
    channels = (1 if like.gray else 3) + (like.alpha is not None)
    with writing_errors(path), atomic(path) as temporary, temporary.open("wb") as file:
        if form.name in STREAMED:
            sink = STREAMED[form.name](file, height, width, channels, like.rgb.dtype, metadata)
        else:
            profile = lost_profile(like.metadata, form)
            sink = _PillowWriter(file, height, width, channels, form, metadata, quality, profile)
        with contextlib.closing(sink):
            writer = Writer(sink, height, width, like)
            yield writer
            writer.finish()


def pillow_options(metadata: dict, form: Format) -> dict:
    """Returns `metadata`, as `writable` returns it, as Pillow's options for writing `form`."""
    names = ("icc_profile", "exif", "xmp", "dpi", "comment")
    options = {name: value for name, value in metadata.items() if name in names}
    if form.name == "JPEG":
        extra = b""
        if "xmp" in metadata:
            packet, extra = jpeg.xmp_segments(options.pop("xmp"))
            extra = b"\xff\xe1" + struct.pack(">H", 2 + len(XMP_NAME) + len(packet)) + XMP_NAME + packet + extra
        if "iptc" in metadata:
            iptc = metadata["iptc"] + bytes(len(metadata["iptc"]) % 2)
            record = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(metadata["iptc"])) + iptc
            extra += b"\xff\xed" + struct.pack(">H", 2 + len(record)) + record
        options["extra"] = extra
    if form.name == "BMP":
        options.setdefault("dpi", (0, 0))  # else Pillow writes 96
    return options


@contextlib.contextmanager
def open_pages(path: Path | str, pages: int, pixels: int) -> Iterator[Callable]:
    """Opens a TIFF of several pages. The file appears, complete, at the end.

    Args:
        path: where to write; missing folders are created.
        pages: how many there will be.
        pixels: of all pages together, for the choice between TIFF and BigTIFF.

    Returns:
        A function that opens the `Writer` of the next page; it takes (height, width, like) as `open_writer` does.
    """

    @contextlib.contextmanager
    def open_page(height, width, like):
        channels = (1 if like.gray else 3) + (like.alpha is not None)
        metadata = writable(like.metadata, format_of(path), height, width, like.gray)
        with contextlib.closing(TiffWriter(tiff, height, width, channels, like.rgb.dtype, metadata)) as sink:
            writer = Writer(sink, height, width, like)
            yield writer
            writer.finish()

    path = Path(path)
    with writing_errors(path), atomic(path) as temporary, temporary.open("w+b") as file:
        tiff = TiffFile(file, 8 * pixels > BIG, pages)
        yield open_page


@contextlib.contextmanager
def writing_errors(path: Path | str) -> Iterator[None]:
    """Turns an OSError, such as a full disk, into an InputError that names the file."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: can't be written: {error.strerror or error}") from error


class Writer:
    """Receives an image's rows from top to bottom; see `open_writer`."""

    def __init__(self, sink, height, width, like):
        self._sink, self._like = sink, like
        self._height, self._width, self._done = height, width, 0

    def append(self, rgb: np.ndarray, alpha: np.ndarray | None = None) -> None:
        """Takes the next rows.

        Args:
            rgb: H x W x 3, of the image's type.
            alpha: H x W of the same type, if the image has transparency.

        Raises:
            ValueError: if type or shape don't match the image, or if there are too many rows.
        """
        expected = (self._width, 3), self._like.rgb.dtype
        if (rgb.shape[1:], rgb.dtype) != expected or self._done + len(rgb) > self._height:
            raise ValueError(f"{rgb.dtype} rows of shape {rgb.shape} don't fit {expected}, height {self._height}")
        if (alpha is None) != (self._like.alpha is None):
            raise ValueError("either all rows of an image have alpha, or none")
        self._sink.append(joined_channels(self._like, rgb, alpha))
        self._done += len(rgb)

    def finish(self) -> None:
        """Completes the file; raises ValueError if rows are missing."""
        if self._done != self._height:
            raise ValueError(f"only {self._done} of {self._height} rows were written")
        self._sink.finish()


class _PillowWriter:
    """Collects rows for a format that Pillow writes all at once."""

    def __init__(self, file, height, width, channels, form, metadata, quality, profile):
        self._file, self._form = file, form
        self._metadata, self._quality, self._profile = metadata, quality, profile
        self._values = np.empty((height, width, channels), "uint8")
        self._done = 0

    def append(self, rows):
        self._values[self._done : self._done + len(rows)] = rows
        self._done += len(rows)

    def finish(self):
        values, form = in_srgb(self._values, self._profile), self._form
        if form.name == "GIF":
            gif.write(self._file, [(values, 0)], 1, self._metadata)
            return
        options = save_options(form, self._quality, gray=values.shape[2] < 3)
        save(as_image(values), self._file, form, **options, **pillow_options(self._metadata, form))

    def close(self):
        self._values = None


def lost_profile(metadata: dict, form: Format) -> bytes | None:
    """Returns the profile of an RGB image for a format that can't hold profiles, and so needs sRGB; else None."""
    profile = metadata.get("icc_profile") or color.profile(metadata)
    return profile if form.name in ("BMP", "GIF") and profile and profile[16:20] == b"RGB " else None


def in_srgb(values: np.ndarray, profile: bytes | None) -> np.ndarray:
    """Converts uint8 H x W x 3 or 4 from the color space of a profile to sRGB; others, and without one, unchanged."""
    if profile is None or values.shape[2] < 3:
        return values
    rgb = np.asarray(to_srgb(Image.fromarray(np.ascontiguousarray(values[..., :3])), profile))
    return np.concatenate([rgb, values[..., 3:]], axis=-1)


def as_image(values: np.ndarray) -> Image.Image:
    """Returns a Pillow image of H x W x 1 (gray), 2 (gray and alpha), 3 or 4."""
    return Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)


def save(image: Image.Image, file, form: Format, **options) -> None:
    """Saves a Pillow image to a path or open file; whatever Pillow's plugin raises becomes an OSError."""
    try:
        image.save(file, form.name, **options)
    except (InputError, MemoryError):  # of what makes the frames of an animation
        raise
    except Exception as error:
        raise OSError(str(error)) from error
