"""A whole picture through a network: its depth, its gray, its transparency and what its file said of it."""

import dataclasses

import numpy as np

from wdsr_tf import images
from wdsr_tf.images.resize import imresize_rows
from wdsr_tf.inference.alpha import bleed
from wdsr_tf.inference.strips import strips

GRAY_OF_RGB = np.array([0.299, 0.587, 0.114], "float32")  # BT.601
RESIZED = 64  # rows at a time


def upscale_picture(engine, picture, dtype=None, memory=None, self_ensemble=False):
    """`picture` as the `Engine` enlarges it, in values of type `dtype` (default: its own).

    Gray stays gray, transparency is enlarged with it, profile and EXIF stay, and the resolution grows with the picture.
    `memory` and `self_ensemble` as in `strips`.
    """
    size = [engine.scale * length for length in picture.rgb.shape[:2]]
    return whole(outline(picture, size, dtype), size, picture_strips(engine, picture, dtype, memory, self_ensemble))


def upscale_to_file(path, engine, picture, quality=None, dtype=None, memory=None, self_ensemble=False):
    """Writes to `path` what `upscale_picture` returns, strip by strip as it is made; whole or not at all.

    Values are of type `dtype` (default: that of `picture`), or the nearest that the format holds. Raises InputError as
    `images.open_writer` does, before any work where the format cannot hold the result.
    """
    dtype = images.fitting_depth(path, dtype or picture.rgb.dtype)
    size = [engine.scale * length for length in picture.rgb.shape[:2]]
    parts = picture_strips(engine, picture, dtype, memory, self_ensemble)
    write_strips(path, outline(picture, size, dtype), size, parts, quality)


def picture_strips(engine, picture, dtype=None, memory=None, self_ensemble=False):
    """Strips (rows H x W x 3, transparency H x W or None) of the enlarged picture in `dtype`, from top to bottom."""
    dtype = dtype or picture.rgb.dtype
    rgb = picture.rgb if picture.alpha is None else bleed(picture.rgb, picture.alpha)
    size = [engine.scale * length for length in rgb.shape[:2]]
    top = 0
    for sr in strips(engine, _Levels(rgb), memory, self_ensemble):
        if picture.gray:
            sr = np.repeat((sr @ GRAY_OF_RGB)[..., None], 3, axis=-1)
        alpha = None
        if picture.alpha is not None:
            alpha = _resized(picture.alpha, size, top, top + len(sr), dtype)
        yield images.to_depth(sr, dtype), alpha
        top += len(sr)


def resized_strips(picture, size, dtype):
    """Strips as those of `picture_strips`, of `picture` in another size by our antialiased bicubic, without a network.

    One strip is in memory at a time.
    """
    for top in range(0, size[0], RESIZED):
        bottom = min(top + RESIZED, size[0])
        yield tuple(
            None if values is None else _resized(values, size, top, bottom, dtype)
            for values in (picture.rgb, picture.alpha)
        )


def outline(picture, size, dtype=None):
    """`picture` in `size` (height, width) and `dtype`, without its values: `like` of `images.open_writer`."""
    dtype = dtype or picture.rgb.dtype
    factors = (large / small for large, small in zip(size, picture.rgb.shape[:2], strict=True))
    return images.Picture(
        np.empty((0, 0, 3), dtype),
        None if picture.alpha is None else np.empty((0, 0), dtype),
        picture.gray,
        images.scaled(picture.metadata, *factors),
    )


def write_strips(path, like, size, parts, quality=None):
    """Writes to `path` the picture that `whole` would return, strip by strip; nothing of `parts` is made before."""
    with images.open_writer(path, *size, like, quality) as writer:
        for colors, opacity in parts:
            writer.append(colors, opacity)


def whole(like, size, parts):
    """The `Picture` of that size that the strips `parts` make; the rest is as in its outline `like`."""
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
    """A picture's values as networks take them, made for one tile at a time: as float32 they would be many bytes."""

    def __init__(self, values):
        self._values, self.shape = values, values.shape

    def __getitem__(self, part):
        return images.to_levels(self._values[part])


def _resized(values, size, top, bottom, dtype):
    rows = imresize_rows(values, size, top, bottom)
    if rows.dtype == dtype and rows.dtype.kind == "f":
        return np.clip(rows, 0, 1)
    return rows if rows.dtype == dtype else images.to_depth(images.to_levels(rows), dtype)
