"""Writes image files atomically, row by row if the format allows it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic
from wdsr_tf.images import gif
from wdsr_tf.images.formats import Format, check_fit, format_of, save_options
from wdsr_tf.images.metadata import writable
from wdsr_tf.images.picture import Picture, as_picture, joined_channels
from wdsr_tf.images.png import PngWriter
from wdsr_tf.images.tiff import TiffWriter

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
    metadata = writable(like.metadata, form, height, width)
    channels = (1 if like.gray else 3) + (like.alpha is not None)
    with writing_errors(path), atomic(path) as temporary, temporary.open("wb") as file:
        if form.name in STREAMED:
            sink = STREAMED[form.name](file, height, width, channels, like.rgb.dtype, metadata)
        else:
            options = {**save_options(form, quality, like.gray), **metadata}
            sink = _PillowWriter(file, height, width, channels, form, options)
        with contextlib.closing(sink):
            writer = Writer(sink, height, width, like)
            yield writer
            writer.finish()


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

    def __init__(self, file, height, width, channels, form, options):
        self._file, self._form, self._options = file, form, options
        self._values = np.empty((height, width, channels), "uint8")
        self._done = 0

    def append(self, rows):
        self._values[self._done : self._done + len(rows)] = rows
        self._done += len(rows)

    def finish(self):
        save(as_image(self._values, self._form), self._file, self._form, **self._options)

    def close(self):
        self._values = None


def as_image(values: np.ndarray, form: Format | None = None) -> Image.Image:
    """Returns a Pillow image of H x W x 1 (gray), 2 (gray and alpha), 3 or 4; with a palette if `form` is GIF."""
    if form and form.name == "GIF":
        return gif.paletted(values)
    return Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)


def save(image: Image.Image, file, form: Format, **options) -> None:
    """Saves a Pillow image to a path or open file; whatever Pillow's plugin raises becomes an OSError."""
    try:
        image.save(file, form.name, **options)
    except Exception as error:
        raise OSError(str(error)) from error
