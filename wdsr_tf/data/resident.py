"""Pictures that are kept on the device, and patches that are cut out of them there.

What a batch is made of is a pure function of (seed, number), so the choices alone can go to the device: a few integers
per patch instead of its pixels. What is cut there is, to the last bit, what the sampler would have made.
"""

import math

import keras
import numpy as np
from keras import ops

from wdsr_tf.data.sampler import Sampler
from wdsr_tf.data.sources import Pairs
from wdsr_tf.errors import InputError

SEGMENT = 2**16  # pixels: a pixel's place, as segment and offset, fits into 32 bits however many pixels there are


class Packed:
    """Pictures (uint8) one behind the other, as `pixels` of (segments, SEGMENT, 3)."""

    def __init__(self, pictures):
        sizes = [picture.shape[:2] for picture in pictures]
        self.widths = [width for _, width in sizes]
        self.firsts = np.cumsum([0, *map(math.prod, sizes)]).tolist()
        self.pixels = np.zeros((-(-self.firsts[-1] // SEGMENT), SEGMENT, 3), "uint8")
        flat = self.pixels.reshape(-1, 3)
        for first, picture in zip(self.firsts, pictures, strict=False):
            flat[first : first + math.prod(picture.shape[:2])] = picture.reshape(-1, 3)

    def place(self, picture, top, left):
        """Where the pixel is: (segment, offset in it, width of the picture)."""
        width = self.widths[picture]
        return *divmod(self.firsts[picture] + top * width + left, SEGMENT), width


class Plan:
    """What `sampler` would take, instead of its pixels: `batch(k)` is (lr, hr), each a row for `cut` per patch.

    Attributes:
        packed: the pictures to cut from, LR and HR.
        sides: of the patches, LR and HR.
    """

    dtype = "int32"

    def __init__(self, sampler):
        source = getattr(sampler, "source", None)
        if not isinstance(sampler, Sampler) or not isinstance(source, Pairs):
            raise InputError(
                "--device-resident is for a dataset of LR and HR pictures at one scale: what --degrade makes is made "
                "by the processor, a store holds PNG, and each of several --training-scales has pictures of its own"
            )
        self.sampler, self.scale = sampler, source.scale
        self.sides = tuple(shape[0] for shape in source.shapes)
        self.packed = tuple(
            Packed([source.arrays[path] for path in paths])
            for paths in zip(*((pair.lr, pair.hr) for pair in source.pairs), strict=True)
        )

    @property
    def shapes(self):
        """The shapes of one batch: LR, HR."""
        return tuple((lr_shape[0], 5) for lr_shape in self.sampler.shapes)

    def batch(self, k):
        """Batch `k` as int32 (lr, hr)."""
        lr, hr = self.batches(k, 1)
        return lr[0], hr[0]

    def batches(self, k, count):
        """Batches `k` to `k + count - 1`, stacked along a new first axis."""
        choices = [self.sampler.choices(k + j) for j in range(count)]
        return tuple(
            np.array(
                [
                    [
                        (*packed.place(picture, top * scale, left * scale), flipped, turns)
                        for picture, top, left, flipped, turns in one
                    ]
                    for one in choices
                ],
                "int32",
            )
            for packed, scale in zip(self.packed, (1, self.scale), strict=True)
        )


def cut(pixels, places, side):
    """Patches (batch, side, side, 3) out of the variable `pixels`, mirrored and turned as `augment.augment` does it.

    `places` has a row per patch: segment and offset of its first pixel, width of its picture, flipped, turns.
    """
    on_tensorflow = keras.backend.backend() == "tensorflow"
    # TensorFlow computes 32-bit integers on the host.
    integer = "int64" if on_tensorflow else "int32"
    columns = ops.cast(places, integer)
    segment, offset, width, flipped, turns = (columns[:, i, None, None] for i in range(5))

    ahead = ops.arange(side, dtype=integer)
    back = side - 1 - ahead
    down, up, right, left = ahead[:, None], back[:, None], ahead[None], back[None]
    row = _choose(turns, down, right, up, left)
    column = _choose(turns, right, up, left, down)
    column = ops.where(flipped == 1, side - 1 - column, column)

    index = offset + row * width + column
    segment, offset = segment + index // SEGMENT, index % SEGMENT
    if on_tensorflow:
        import tensorflow as tf

        return tf.gather_nd(pixels.value, tf.stack([segment, offset], -1))  # from a variable: on a GPU, too
    return pixels.value[segment, offset]


def _choose(turns, *sources):
    """Of four arrays the one for each patch's turns."""
    chosen = sources[0]
    for i, source in enumerate(sources[1:], 1):
        chosen = ops.where(turns == i, source, chosen)
    return chosen
