"""A `Picture` through a model: its depth, gray, alpha and metadata."""

import dataclasses

import numpy as np

from wdsr_tf import images
from wdsr_tf.images.resize import imresize_rows
from wdsr_tf.inference.alpha import bleed
from wdsr_tf.inference.strips import strips

GRAY_OF_RGB = np.array([0.299, 0.587, 0.114], "float32")  # BT.601
ROWS = 64  # that are resized or converted at a time


def upscale_picture(engine, picture, dtype=None, **options):
    """Returns the `Picture` that the `Engine` makes of `picture`, in values of type `dtype` (default: its own).

    Gray stays gray, alpha is resized with it, profile and EXIF stay, and dpi grow with the image. `options` are those
    of `strips`.
    """
    size = [engine.scale * length for length in picture.rgb.shape[:2]]
    return assemble(outline(picture, size, dtype), size, picture_strips(engine, picture, dtype, **options))


def upscale_to_file(path, engine, picture, quality=None, dtype=None, **options):
    """Writes what `upscale_picture` returns to `path`, strip by strip and atomically.

    Values are of type `dtype` (default: that of `picture`), or the nearest that the format holds. Raises InputError as
    `images.open_writer` does, before any work if the format can't hold the result.
    """
    dtype = images.fitting_depth(path, dtype or picture.rgb.dtype)
    size = [engine.scale * length for length in picture.rgb.shape[:2]]
    write_strips(path, outline(picture, size, dtype), size, picture_strips(engine, picture, dtype, **options), quality)


def picture_strips(engine, picture, dtype=None, **options):
    """Yields strips (rows H x W x 3, alpha H x W or None) of the upscaled picture in `dtype`, from top to bottom."""
    dtype = dtype or picture.rgb.dtype
    rgb = picture.rgb if picture.alpha is None else bleed(picture.rgb, picture.alpha)
    size = [engine.scale * length for length in rgb.shape[:2]]
    top = 0
    for sr in _pieces(strips(engine, _Levels(rgb), **options)):
        if picture.gray:
            sr = np.repeat((sr @ GRAY_OF_RGB)[..., None], 3, axis=-1)
        alpha = None
        if picture.alpha is not None:
            alpha = _resized(picture.alpha, size, top, top + len(sr), dtype)
        yield images.to_depth(sr, dtype), alpha
        top += len(sr)


def _pieces(parts):
    """Cuts strips into a few rows each, so that what is made of them on their way to a file takes little memory."""
    for part in parts:
        for top in range(0, len(part), ROWS):
            yield part[top : top + ROWS]


def resized_strips(picture, size, dtype):
    """Yields strips, as `picture_strips` does, of `picture` resized to (height, width) by antialiased bicubic.

    One strip is in memory at a time.
    """
    for top in range(0, size[0], ROWS):
        bottom = min(top + ROWS, size[0])
        yield tuple(
            None if values is None else _resized(values, size, top, bottom, dtype)
            for values in (picture.rgb, picture.alpha)
        )


def outline(picture, size, dtype=None):
    """Returns `picture` for `size` (height, width) and `dtype` without its values: `like` of `images.open_writer`."""
    dtype = dtype or picture.rgb.dtype
    factors = (large / small for large, small in zip(size, picture.rgb.shape[:2], strict=True))
    return images.Picture(
        np.empty((0, 0, 3), dtype),
        None if picture.alpha is None else np.empty((0, 0), dtype),
        picture.gray,
        images.scaled(picture.metadata, *factors),
    )


def write_strips(path, like, size, parts, quality=None):
    """Writes to `path` what `assemble` would return, strip by strip; takes the first part when the file is open."""
    with images.open_writer(path, *size, like, quality) as writer:
        for colors, opacity in parts:
            writer.append(colors, opacity)


def assemble(like, size, parts):
    """Returns the `Picture` of that size from the strips `parts`; the rest is as in its outline `like`."""
    rgb = np.empty((*size, 3), like.rgb.dtype)
    alpha = None if like.alpha is None else np.empty(size, like.rgb.dtype)
    top = 0
    for colors, opacity in parts:
        rgb[top : top + len(colors)] = colors
        if opacity is not None:
            alpha[top : top + len(colors)] = opacity
        top += len(colors)
    return dataclasses.replace(like, rgb=rgb, alpha=alpha)


class _Levels:
    """Values as networks take them, converted for one tile at a time: the whole as float32 would be large."""

    def __init__(self, values):
        self._values, self.shape = values, values.shape

    def __getitem__(self, part):
        return images.to_levels(self._values[part])


def _resized(values, size, top, bottom, dtype):
    rows = imresize_rows(values, size, top, bottom)
    if rows.dtype == dtype and rows.dtype.kind == "f":
        return np.clip(rows, 0, 1)
    return rows if rows.dtype == dtype else images.to_depth(images.to_levels(rows), dtype)
