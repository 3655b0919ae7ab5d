"""Engines without a network: what they return is known beforehand, and they fail when told to."""

import numpy as np

from wdsr_tf.errors import OutOfMemory
from wdsr_tf.inference.engines import Engine
from wdsr_tf.receptive_field import ReceptiveField


class Fake:
    """Repeats every pixel `scale` times in both directions, and notes the tiles that it is given.

    `limit` is how many LR pixels fit into its memory; `spoil(sr, k)` changes what the k-th tile becomes.
    """

    def __init__(self, scale=2, receptive_field=None, limit=None, spoil=None):
        self.scale, self.limit, self.spoil = scale, limit, spoil
        self.receptive_field = receptive_field or ReceptiveField(radius=2, bytes_per_pixel=10_000)
        self.tiles, self.refused = [], 0

    @property
    def engine(self):
        return Engine("keras", "float32", "fake", self.scale, self.receptive_field, self.run, free=lambda: 2**30)

    def run(self, batch):
        if self.limit and batch.shape[1] * batch.shape[2] > self.limit:
            self.refused += 1
            raise OutOfMemory("too large")
        self.tiles.append(batch.shape[1:3])
        sr = batch.astype("float32").repeat(self.scale, axis=1).repeat(self.scale, axis=2)
        return self.spoil(sr, len(self.tiles)) if self.spoil else sr


def repeated(rgb, scale=2):
    """What `Fake` makes of a picture."""
    return np.asarray(rgb, "float32").repeat(scale, axis=0).repeat(scale, axis=1)
