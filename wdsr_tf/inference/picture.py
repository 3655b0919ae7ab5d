"""A whole picture through a network: its depth, its grey, its transparency and what its file said of it."""

import dataclasses

import numpy as np

from wdsr_tf import images
from wdsr_tf.inference.alpha import bleed, enlarge
from wdsr_tf.inference.upscale import strips

GREY_OF_RGB = np.array([0.299, 0.587, 0.114], "float32")  # BT.601


def enlarge_picture(engine, picture, dtype=None, memory=None, self_ensemble=False):
    """`picture` as the `Engine` enlarges it, in values of type `dtype` (default: its own).

    Grey stays grey, transparency is enlarged with it, profile and EXIF stay, and the resolution grows with the picture.
    `memory` and `self_ensemble` as in `strips`.
    """
    large = outline(engine, picture, dtype)
    height, width = (engine.scale * length for length in picture.rgb.shape[:2])
    rgb = np.empty((height, width, 3), large.rgb.dtype)
    alpha = None if picture.alpha is None else np.empty((height, width), large.rgb.dtype)
    top = 0
    for colours, opacity in picture_strips(engine, picture, dtype, memory, self_ensemble):
        rgb[top : top + len(colours)] = colours
        if opacity is not None:
            alpha[top : top + len(colours)] = opacity
        top += len(colours)
    return dataclasses.replace(large, rgb=rgb, alpha=alpha)


def enlarge_to_file(path, engine, picture, quality=None, dtype=None, memory=None, self_ensemble=False):
    """Writes to `path` what `enlarge_picture` returns, strip by strip as it is made; whole or not at all.

    Values are of type `dtype` (default: that of `picture`), or the nearest that the format holds. Raises InputError as
    `images.open_writer` does, before any work where the format cannot hold the result.
    """
    dtype = images.fitting_depth(path, dtype or picture.rgb.dtype)
    height, width = (engine.scale * length for length in picture.rgb.shape[:2])
    with images.open_writer(path, height, width, outline(engine, picture, dtype), quality) as writer:
        for colours, opacity in picture_strips(engine, picture, dtype, memory, self_ensemble):
            writer.append(colours, opacity)


def picture_strips(engine, picture, dtype=None, memory=None, self_ensemble=False):
    """Strips (rows H x W x 3, transparency H x W or None) of the enlarged picture in `dtype`, from top to bottom."""
    dtype = dtype or picture.rgb.dtype
    rgb = picture.rgb if picture.alpha is None else bleed(picture.rgb, picture.alpha)
    top = 0
    for sr in strips(engine, images.to_levels(rgb), memory, self_ensemble):
        if picture.grey:
            sr = np.repeat((sr @ GREY_OF_RGB)[..., None], 3, axis=-1)
        alpha = None
        if picture.alpha is not None:
            alpha = images.to_depth(images.to_levels(enlarge(picture.alpha, engine.scale, top, top + len(sr))), dtype)
        yield images.to_depth(sr, dtype), alpha
        top += len(sr)


def outline(engine, picture, dtype=None):
    """The enlarged picture without its values, as `images.open_writer` takes it for `like`."""
    dtype = dtype or picture.rgb.dtype
    return images.Picture(
        np.empty((0, 0, 3), dtype),
        None if picture.alpha is None else np.empty((0, 0), dtype),
        picture.grey,
        images.scaled(picture.metadata, engine.scale),
    )
