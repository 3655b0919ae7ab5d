"""How much grain a photograph or a scan has: the standard deviation of its noise, from its smoothest parts.

Immerkaer, "Fast noise variance estimation", 1996: the difference of two Laplacians leaves little of an image but its
noise. Edges and texture remain in it, so it is measured in small blocks, of which the smooth ones count.
"""

import numpy as np

from wdsr_tf.images.picture import Picture, to_levels

BLOCK = 16  # pixels a side
MOST = 4096  # blocks that are looked at
AT_ONCE = 256
SMOOTH = 0.1  # of the blocks count: those with the least
CLIPPED = (0.02, 0.5)  # share of black and white values that is allowed, where noise is cut off; more if need be
LEAST = 16  # blocks that are enough
GAIN = 6.0  # the filter's: the root of the sum of its squared weights
MEDIAN = 0.6745  # the median of a normal distribution's absolute value
GRAINY = 4.0  # sigma, in levels, from which on an image counts as grainy


def grain(picture: Picture) -> float:
    """Returns the standard deviation of the noise in levels of 255; 0 for images too small to tell."""
    height, width = (length // BLOCK for length in picture.rgb.shape[:2])
    count = height * width
    if count < LEAST:
        return 0.0
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST)).astype(int))
    parts = np.array_split(chosen, 1 + len(chosen) // AT_ONCE)
    sigmas, clipped = np.concatenate([_measured(picture, divmod(part, width)) for part in parts], axis=1)
    for most in CLIPPED:
        if (clipped <= most).sum() >= LEAST:
            return float(np.quantile(sigmas[clipped <= most], SMOOTH))
    return 0.0


def _measured(picture, places):
    """The noise of each block at (rows, columns), and the share of its values that are black or white."""
    offsets = np.arange(BLOCK)
    rows, columns = (BLOCK * place[:, None] + offsets for place in places)
    levels = to_levels(picture.rgb[rows[:, :, None], columns[:, None, :]]).astype("float32")
    across = levels[:, :, :-2] - 2 * levels[:, :, 1:-1] + levels[:, :, 2:]
    both = across[:, :-2] - 2 * across[:, 1:-1] + across[:, 2:]
    sigmas = np.median(np.abs(both).reshape(len(both), -1), axis=1) / (GAIN * MEDIAN)
    return sigmas, ((levels <= 0) | (levels >= 255)).mean(axis=(1, 2, 3))
