"""Images that stay in the device's memory, and patches that are cropped from them there.

A batch is a pure function of (seed, number), so it's enough to send the choices to the device: a few integers per patch
instead of its pixels. The patches equal the sampler's bit for bit.
"""

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from wdsr_tf.data.sampler import Sampler
from wdsr_tf.data.sources import Pairs
from wdsr_tf.errors import InputError

SEGMENT = 2**16  # pixels: as segment and offset, a pixel's place fits into 32 bits for any number of pixels


class Packed:
    """Concatenated images (uint8), as `pixels` of shape (segments, SEGMENT, 3)."""

    def __init__(self, arrays: Sequence[np.ndarray]):
        sizes = [array.shape[:2] for array in arrays]
        self.widths = [width for _, width in sizes]
        self.firsts = np.cumsum([0, *map(math.prod, sizes)]).tolist()
        self.pixels = np.zeros((-(-self.firsts[-1] // SEGMENT), SEGMENT, 3), "uint8")
        flat = self.pixels.reshape(-1, 3)
        for first, array in zip(self.firsts, arrays, strict=False):
            flat[first : first + math.prod(array.shape[:2])] = array.reshape(-1, 3)

    def place(self, index: int, top: int, left: int) -> tuple[int, int, int]:
        """Returns (segment, offset in it, width of the image) of a pixel of image `index`."""
        width = self.widths[index]
        return *divmod(self.firsts[index] + top * width + left, SEGMENT), width


class Plan:
    """The choices of a sampler instead of its pixels: `batch(k)` is (lr, hr), each with a row for `cut` per patch.

    Args:
        sampler: a `Sampler` of `Pairs`.

    Attributes:
        packed: the images (LR, HR).
        sides: of the patches (LR, HR), in pixels.

    Raises:
        InputError: for any other sampler.
    """

    dtype = "int32"

    def __init__(self, sampler):
        source = getattr(sampler, "source", None)
        if not isinstance(sampler, Sampler) or not isinstance(source, Pairs):
            raise InputError(
                "device_resident needs a dataset of LR and HR images at one scale. It can't be used with degrade, "
                "which makes LR on the CPU, with a patch store, which holds PNG, or with several training_scales."
            )
        self.sampler, self.scale = sampler, source.scale
        self.sides = tuple(shape[0] for shape in source.shapes)
        self.packed = tuple(
            Packed([source.arrays[path] for path in paths])
            for paths in zip(*((pair.lr, pair.hr) for pair in source.pairs), strict=True)
        )

    @property
    def shapes(self):
        """The shapes of one batch (LR, HR)."""
        return tuple((lr_shape[0], 5) for lr_shape in self.sampler.shapes)

    def batch(self, k):
        """Returns batch `k` as int32 (lr, hr)."""
        lr, hr = self.batches(k, 1)
        return lr[0], hr[0]

    def batches(self, k, count):
        """Returns batches `k` to `k + count - 1`, stacked along a new first axis."""
        choices = [self.sampler.choices(k + j) for j in range(count)]
        return tuple(
            np.array(
                [
                    [
                        (*packed.place(index, top * scale, left * scale), flipped, turns)
                        for index, top, left, flipped, turns in one
                    ]
                    for one in choices
                ],
                "int32",
            )
            for packed, scale in zip(self.packed, (1, self.scale), strict=True)
        )


def cut(pixels: keras.Variable, places, side: int):
    """Crops patches, flipped and rotated as `augment.augment` does.

    Args:
        pixels: `Packed.pixels` in a variable.
        places: (batch, 5) integers; for each patch the segment and offset of its first pixel, the width of its image,
            flipped, turns.
        side: of a patch in pixels.

    Returns:
        uint8, (batch, side, side, 3).
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

        return tf.gather_nd(pixels.value, tf.stack([segment, offset], -1))  # a variable can be on a GPU
    return pixels.value[segment, offset]


def _choose(turns, *sources):
    """Selects one of four arrays by each patch's turns."""
    chosen = sources[0]
    for i, source in enumerate(sources[1:], 1):
        chosen = ops.where(turns == i, source, chosen)
    return chosen
