"""Small pairs of images whose pixels encode their positions."""

import numpy as np

from wdsr_tf.data.div2k import Pair


def write_pairs(folder, count, scale=2, height=10, width=13):
    """Writes pairs whose LR pixels are (row, column, number of the image) and whose HR repeats each LR pixel."""
    pairs = []
    for i in range(count):
        pair = Pair(f"{i:04d}", folder / f"{i:04d}x{scale}.npy", folder / f"{i:04d}.npy")
        lr = np.stack([*np.mgrid[:height, :width], np.full((height, width), i)], axis=-1).astype("uint8")
        np.save(pair.lr, lr)
        np.save(pair.hr, lr.repeat(scale, axis=0).repeat(scale, axis=1))
        pairs.append(pair)
    return pairs
