"""Pixel shuffle and its inverse, doubling, and resizing to a smaller size."""

import math

import keras
from keras import layers, ops

from wdsr_tf.errors import check_choice
from wdsr_tf.layers.padding import inside


@keras.saving.register_keras_serializable("wdsr_tf")
class PixelShuffle(layers.Layer):
    """Rearranges (H, W, C * scale^2) to (scale * H, scale * W, C).

    Args:
        scale: upscaling factor.
        order: order of the input channels: "keras" is (row, column, color), as in `ops.depth_to_space`; "pytorch" is
            (color, row, column). The latter is for weights of grouped convolutions, whose output channels an importer
            can't permute.
    """

    def __init__(self, scale: int, order: str = "keras", **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.order = check_choice("order", order, ("keras", "pytorch"))

    def call(self, inputs):
        return pixel_shuffle(inputs, self.scale, self.order)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (batch, height and height * self.scale, width and width * self.scale, channels // self.scale**2)

    def get_config(self):
        return super().get_config() | {"scale": self.scale, "order": self.order}


def pixel_shuffle(x, scale: int, order: str):
    """See `PixelShuffle`."""
    if order == "pytorch":
        batch, height, width, channels = ops.shape(x)
        split = ops.reshape(x, (batch, height, width, channels // scale**2, scale**2))
        x = ops.reshape(ops.swapaxes(split, -1, -2), (batch, height, width, channels))
    return ops.depth_to_space(x, scale)


@keras.saving.register_keras_serializable("wdsr_tf")
class PixelUnshuffle(layers.Layer):
    """Rearranges (H, W, C) to (H / factor, W / factor, C * factor^2), channels ordered (row, column, color)."""

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        return ops.space_to_depth(inputs, self.factor)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (batch, height and height // self.factor, width and width // self.factor, channels * self.factor**2)

    def get_config(self):
        return super().get_config() | {"factor": self.factor}


@keras.saving.register_keras_serializable("wdsr_tf")
class BilinearUpSampling2D(layers.Layer):
    """Doubles height and width by bilinear interpolation: half-pixel centers, repeated edges.

    `keras.layers.UpSampling2D` returns the same, but on TensorFlow its gradient has no gradient of its own, and a
    penalty on gradients would silently leave it out.
    """

    def call(self, inputs):
        return self._doubled(self._doubled(inputs, axis=1), axis=2)

    def _doubled(self, x, axis):
        def part(start, stop):
            return x[:, start:stop] if axis == 1 else x[:, :, start:stop]

        before = ops.concatenate([part(0, 1), part(0, -1)], axis=axis)
        after = ops.concatenate([part(1, None), part(-1, None)], axis=axis)
        shape = list(ops.shape(x))
        shape[axis] *= 2
        return ops.reshape(ops.stack([0.25 * before + 0.75 * x, 0.75 * x + 0.25 * after], axis=axis + 1), shape)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (batch, height and 2 * height, width and 2 * width, channels)


@keras.saving.register_keras_serializable("wdsr_tf")
class BicubicShrink(layers.Layer):
    """Resizes by `scale` / `inner` (1/2 or 3/4, say) with a bicubic filter (a = -0.75) and no antialiasing.

    Half-pixel centers and repeated edges, as ncnn's Interp and PyTorch's interpolate have it. Height and width have to
    be multiples of `inner`.
    """

    def __init__(self, scale, inner, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.scale = scale
        self.inner = inner

    def taps(self, index):
        """(the first of the four input places that output `index` reads, their weights)."""
        center = (2 * index + 1) * self.inner / (2 * self.scale) - 0.5
        first = math.floor(center) - 1
        return first, [_cubic(center - first - k) for k in range(4)]

    def call(self, inputs):
        return self._resize(self._resize(inputs, axis=1), axis=2)

    def _resize(self, x, axis):
        length = ops.shape(x)[axis]
        groups = length // self.inner
        starts = self.inner * ops.arange(groups, dtype="int32")
        phases = []
        for first, weights in map(self.taps, range(self.scale)):
            places = [inside(starts + first + k, length, "edge") for k in range(4)]
            terms = [w * ops.take(x, place, axis=axis) for w, place in zip(weights, places, strict=True)]
            phases.append(ops.sum(ops.stack(terms), axis=0))
        shape = list(ops.shape(x))
        shape[axis] = groups * self.scale
        return ops.reshape(ops.stack(phases, axis=axis + 1), shape)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        sides = [length and length // self.inner * self.scale for length in (height, width)]
        return (batch, *sides, channels)

    def get_config(self):
        return super().get_config() | {"scale": self.scale, "inner": self.inner}


def _cubic(x, a=-0.75):
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0
