"""Pictures into files: streamed where the format allows, and whole or not at all."""

import contextlib
from pathlib import Path

import numpy as np
from PIL import Image

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic
from wdsr_tf.images import gif, metadata
from wdsr_tf.images.formats import check_fit, format_of, save_options
from wdsr_tf.images.picture import Picture, as_picture, layers
from wdsr_tf.images.png import PngWriter
from wdsr_tf.images.tiff import TiffWriter

STREAMED = {"PNG": PngWriter, "TIFF": TiffWriter}


def write(path, picture, quality=None):
    """Writes a `Picture`, or an array, in the format of its suffix; whole or not at all.

    Arrays are uint8 or uint16: H x W x 3, gray as H x W, and with transparency H x W x 4 or H x W x 2.

    PNG, WebP, BMP and TIFF are written without loss, JPEG with quality 95 and AVIF with 90 unless `quality` says
    otherwise, GIF with 256 colors. What a format cannot hold (transparency in JPEG and BMP, 16 bits elsewhere than in
    PNG and TIFF, a side above its limit) raises InputError.
    """
    if not isinstance(picture, Picture):
        picture = as_picture(picture)
    with open_writer(path, *picture.rgb.shape[:2], picture, quality) as writer:
        writer.append(picture.rgb, picture.alpha)


@contextlib.contextmanager
def open_writer(path, height, width, like, quality=None):
    """A `Writer` of a picture of that size to `path`, in the format of its suffix; whole or not at all.

    The type of the values, gray, transparency and metadata are those of the `Picture` `like`. PNG and TIFF are
    written as the rows come, in memory that does not depend on the height; the others when all are there. `quality`
    (1..100) concerns JPEG, AVIF and WebP, which is written without loss otherwise. What the format cannot hold raises
    InputError before anything is done, and so does a file that cannot be written; nothing of it is left then.
    """
    path = Path(path)
    form = format_of(path)
    check_fit(path, height, width, like.rgb.dtype, like.alpha is not None)
    fit = metadata.fitting(like.metadata, form, height, width)
    channels = (1 if like.gray else 3) + (like.alpha is not None)
    try:
        with atomic(path) as temporary, temporary.open("wb") as file:
            if form.name in STREAMED:
                sink = STREAMED[form.name](file, height, width, channels, like.rgb.dtype, fit)
            else:
                sink = _Collected(
                    file, height, width, channels, form, {**save_options(form, quality, like.gray), **fit}
                )
            with contextlib.closing(sink):
                writer = Writer(sink, height, width, like)
                yield writer
                writer.finish()
    except OSError as error:  # a full disk, for instance
        raise InputError(f"{path}: cannot be written: {error}") from error


class Writer:
    """Takes a picture's rows from top to bottom; made by `open_writer`."""

    def __init__(self, sink, height, width, like):
        self._sink, self._like = sink, like
        self._height, self._width, self._done = height, width, 0

    def append(self, rgb, alpha=None):
        """Takes rows H x W x 3, and H x W of transparency where the picture has any, of the picture's own type."""
        wanted = (self._width, 3), self._like.rgb.dtype
        if (rgb.shape[1:], rgb.dtype) != wanted or self._done + len(rgb) > self._height:
            raise ValueError(f"rows of {rgb.dtype} {rgb.shape} do not fit a picture of {wanted}, {self._height} high")
        if (alpha is None) != (self._like.alpha is None):
            raise ValueError("transparency comes with all rows of a picture or with none")
        self._sink.append(layers(self._like, rgb, alpha))
        self._done += len(rgb)

    def finish(self):
        if self._done != self._height:
            raise ValueError(f"{self._done} of {self._height} rows were written")
        self._sink.finish()


class _Collected:
    """Rows for a format that Pillow writes in one go."""

    def __init__(self, file, height, width, channels, form, options):
        self._file, self._form, self._options = file, form, options
        self._values = np.empty((height, width, channels), "uint8")
        self._done = 0

    def append(self, rows):
        self._values[self._done : self._done + len(rows)] = rows
        self._done += len(rows)

    def finish(self):
        image = gif.paletted(self._values) if self._form.name == "GIF" else as_image(self._values)
        try:
            image.save(self._file, self._form.name, **self._options)
        except Exception as error:  # whatever Pillow's plugin raises
            raise OSError(str(error)) from error

    def close(self):
        self._values = None


def as_image(values):
    """A Pillow image of uint8 H x W x 1 (gray), 2 (gray, alpha), 3 or 4."""
    return Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)
