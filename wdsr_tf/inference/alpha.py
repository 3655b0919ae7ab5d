"""Colors of transparent pixels, chosen so that they leave no halo."""

import numpy as np


def bleed(rgb, alpha):
    """Returns `rgb` with the colors of fully transparent pixels replaced by those of visible pixels nearby.

    What programs leave there is arbitrary, often white or black, and a network would blend it into the edges. Each
    hidden pixel gets the mean of its visible neighbors, or if it has none, that of its surroundings at the finest scale
    that has any. Takes any type; time and memory grow with the number of pixels.
    """
    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return rgb
    filled = _filled(rgb.astype("float32"), ~hidden)
    if rgb.dtype.kind == "u":
        filled = np.rint(filled, out=filled)
    return np.where(hidden[..., None], filled.astype(rgb.dtype), rgb)


def _filled(colors, known):
    """`colors` (float32, H x W x 3) with values filled in wherever `known` (H x W) is false."""
    near, weight = (_box(values) for values in (colors * known[..., None], known.astype("float32")))
    ring = ~known & (weight > 0)
    colors = np.where(known[..., None], colors, 0)
    colors[ring] = near[ring] / weight[ring][:, None]
    known = known | ring
    if known.all():
        return colors
    weight = _halved(known.astype("float32"))
    coarse = _filled(_halved(colors) / np.maximum(weight, 1)[..., None], weight > 0)
    height, width = known.shape
    around = coarse.repeat(2, axis=0)[:height].repeat(2, axis=1)[:, :width]
    return np.where(known[..., None], colors, around)


def _box(values):
    """The sums over 3 x 3 neighbors."""
    sums = values.copy()
    sums[1:] += values[:-1]
    sums[:-1] += values[1:]
    wide = sums.copy()
    wide[:, 1:] += sums[:, :-1]
    wide[:, :-1] += sums[:, 1:]
    return wide


def _halved(values):
    """The sums over blocks of 2 x 2; an odd last row or column has blocks of its own."""
    rows = values[::2].copy()
    rows[: len(values) // 2] += values[1::2]
    both = rows[:, ::2].copy()
    both[:, : rows.shape[1] // 2] += rows[:, 1::2]
    return both
