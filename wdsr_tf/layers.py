"""Layers that Keras lacks."""

import math

import keras
from keras import layers, ops

from wdsr_tf.errors import InputError


@keras.saving.register_keras_serializable("wdsr_tf")
class WeightNormConv2D(layers.Layer):
    """A convolution whose kernel is `g * v / ||v||`, one g and one norm per output channel.

    Salimans and Kingma, 2016, https://arxiv.org/abs/1602.07868. Weights, in this order: g (filters,), v (kernel
    height, kernel width, channels, filters), bias (filters,). g and v stay in float32 and so does the norm, also under
    mixed precision, because half precision loses small squares; the finished kernel is cast last.

    `g_initializer=None` starts g at ||v||, so that the layer begins as the plain convolution with kernel v.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        padding="same",
        g_initializer=None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.padding = padding
        self.g_initializer = keras.initializers.get(g_initializer)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape):
        shape = (self.kernel_size, self.kernel_size, input_shape[-1], self.filters)
        v = self.kernel_initializer(shape, dtype="float32")
        g = self.g_initializer or (lambda shape, dtype: _norm(v))
        self.g = self.add_weight(shape=(self.filters,), initializer=g, dtype="float32", autocast=False, name="g")
        self.v = self.add_weight(
            shape=shape, initializer=lambda shape, dtype: v, dtype="float32", autocast=False, name="v"
        )
        self.bias = self.add_weight(shape=(self.filters,), initializer=self.bias_initializer, name="bias")

    @property
    def kernel(self):
        """The effective kernel, float32, of the shape of v."""
        return self.v * (self.g / _norm(self.v))

    def call(self, inputs):
        kernel = ops.cast(self.kernel, self.compute_dtype)
        return ops.conv(inputs, kernel, padding=self.padding) + self.bias

    def compute_output_shape(self, input_shape):
        lost = 0 if self.padding == "same" else self.kernel_size - 1
        batch, height, width, _ = input_shape
        return (batch, height and height - lost, width and width - lost, self.filters)

    def get_config(self):
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "padding": self.padding,
            "g_initializer": self.g_initializer and keras.initializers.serialize(self.g_initializer),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }


def _norm(v):
    return ops.sqrt(ops.sum(ops.square(v), axis=(0, 1, 2)))


@keras.saving.register_keras_serializable("wdsr_tf")
class GroupedConv2D(layers.Conv2D):
    """A convolution in `groups`, made of one convolution per group.

    Keras hands grouped convolutions to XLA alone on TensorFlow: compiled anew for every size of picture, and on CPU
    twenty times slower to train than this.
    """

    def convolution_op(self, inputs, kernel):
        groups = zip(ops.split(inputs, self.groups, -1), ops.split(kernel, self.groups, -1), strict=True)
        return ops.concatenate([ops.conv(x, k, self.strides, self.padding) for x, k in groups], -1)


@keras.saving.register_keras_serializable("wdsr_tf")
class LeakyReLU(layers.LeakyReLU):
    """Keras's LeakyReLU in other operations.

    TensorFlow 2.21 fuses a convolution, a sum and its own LeakyRelu on CPUs, and the slope is 0.2 from then on.
    """

    def call(self, inputs):
        return ops.relu(inputs) - self.negative_slope * ops.relu(-inputs)


@keras.saving.register_keras_serializable("wdsr_tf")
class PixelShuffle(layers.Layer):
    """Rearranges (H, W, C * scale^2) to (scale * H, scale * W, C).

    Input channels are ordered (row, column, color) as in TensorFlow and Keras. `order="pytorch"` takes (color, row,
    column), for grouped convolutions, whose output channels an importer cannot permute.
    """

    def __init__(self, scale, order="keras", **kwargs):
        super().__init__(**kwargs)
        if order not in ("keras", "pytorch"):
            raise ValueError(f"order is {order!r}; it can be 'keras' or 'pytorch'")
        self.scale = scale
        self.order = order

    def call(self, inputs):
        if self.order == "pytorch":
            batch, height, width, channels = ops.shape(inputs)
            split = ops.reshape(inputs, (batch, height, width, channels // self.scale**2, self.scale**2))
            inputs = ops.reshape(ops.swapaxes(split, -1, -2), (batch, height, width, channels))
        return ops.depth_to_space(inputs, self.scale)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (batch, height and height * self.scale, width and width * self.scale, channels // self.scale**2)

    def get_config(self):
        return super().get_config() | {"scale": self.scale, "order": self.order}


@keras.saving.register_keras_serializable("wdsr_tf")
class InferencePad(layers.Layer):
    """Pads height and width by `size` on each side at inference, and not at all in training (as dropout in reverse).

    An unpadded network then trains on clean borders, and at inference still returns the whole picture. `mode` is one
    of "symmetric" (.. b a | a b ..), "reflect" (.. c b | a b c ..), "edge" (.. a a | a b ..) and "zeros". Images may be
    smaller than `size`. The bottom and right get as much more as makes the padded sides multiples of `multiple`.
    """

    def __init__(self, size, mode="symmetric", multiple=1, **kwargs):
        super().__init__(**kwargs)
        if mode not in ("symmetric", "reflect", "edge", "zeros"):
            raise ValueError(f"mode is {mode!r}; it can be 'symmetric', 'reflect', 'edge' or 'zeros'")
        self.size = size
        self.mode = mode
        self.multiple = multiple

    def call(self, inputs, training=None):
        if training:
            self._check_patch(inputs.shape)
            return inputs
        if self.mode == "zeros":
            sides = [(self.size, self._after(ops.shape(inputs)[axis])) for axis in (1, 2)]
            return ops.pad(inputs, [(0, 0), *sides, (0, 0)])
        return self._extend(self._extend(inputs, axis=1), axis=2)

    def _check_patch(self, shape):
        if any(length is not None and length <= 2 * self.size for length in shape[1:3]):
            raise InputError(
                f"training takes {self.size} pixels off each side here, and the patch has {shape[1]} x {shape[2]}: "
                "give a larger --lr-patch-size"
            )

    def _extend(self, inputs, axis):
        # Gathered by index rather than by ops.pad, which refuses to mirror more than the picture holds.
        length = ops.shape(inputs)[axis]
        index = ops.arange(-self.size, length + self._after(length), dtype="int32")
        return ops.take(inputs, within(index, length, self.mode), axis=axis)

    def _after(self, length):
        return self.size + -(length + 2 * self.size) % self.multiple

    def compute_output_spec(self, inputs, training=None):
        batch, height, width, channels = inputs.shape
        if not training:
            height, width = (side and side + self.size + self._after(side) for side in (height, width))
        shape = (batch, height, width, channels)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        return super().get_config() | {"size": self.size, "mode": self.mode, "multiple": self.multiple}


@keras.saving.register_keras_serializable("wdsr_tf")
class PadToMultiple(layers.Layer):
    """Pads at the bottom and right until height and width are multiples of `multiple`; in training too.

    `mode` is "edge" or "reflect", as in `InferencePad`.
    """

    def __init__(self, multiple, mode="edge", **kwargs):
        super().__init__(**kwargs)
        self.multiple = multiple
        self.mode = mode

    def call(self, inputs):
        return self._extend(self._extend(inputs, axis=1), axis=2)

    def _extend(self, inputs, axis):
        length = ops.shape(inputs)[axis]
        index = ops.arange(length + -length % self.multiple, dtype="int32")
        return ops.take(inputs, within(index, length, self.mode), axis=axis)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        grow = [length and length + -length % self.multiple for length in (height, width)]
        return (batch, *grow, channels)

    def get_config(self):
        return super().get_config() | {"multiple": self.multiple, "mode": self.mode}


def within(index, length, mode):
    """The places in 0..length - 1 that stand for the places `index` outside an image's side; modes as above."""
    if mode == "edge":
        return ops.clip(index, 0, length - 1)
    repeat = mode == "symmetric"  # whether the edge itself is repeated
    period = ops.maximum(2 * length if repeat else 2 * length - 2, 1)
    index = index % period
    return ops.minimum(index, period - repeat - index)


@keras.saving.register_keras_serializable("wdsr_tf")
class CropToMatch(layers.Layer):
    """Of `[x, like]`, cuts x at its bottom and right to `scale` times the size of `like` less `border` on each side.

    `keep` pixels more stay.

    Behind an unpadded network it takes off what `PadToMultiple` added.
    """

    def __init__(self, scale, border, keep=0, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.border = border
        self.keep = keep

    def call(self, inputs):
        x, like = inputs
        height, width = (self.scale * (length - 2 * self.border) + self.keep for length in ops.shape(like)[1:3])
        return x[:, :height, :width]

    def compute_output_shape(self, input_shape):
        (batch, _, _, channels), like = input_shape
        cut = [length and self.scale * (length - 2 * self.border) + self.keep for length in like[1:3]]
        return (batch, *cut, channels)

    def get_config(self):
        return super().get_config() | {"scale": self.scale, "border": self.border, "keep": self.keep}


@keras.saving.register_keras_serializable("wdsr_tf")
class ClipThrough(layers.Layer):
    """Clips to `low`..`high`; gradients pass as if it did not, so that what was clipped goes on learning.

    What is not finite comes out as NaN rather than as white or black.
    """

    def __init__(self, low, high, **kwargs):
        super().__init__(**kwargs)
        self.low = low
        self.high = high

    def call(self, inputs):
        # The difference is exactly 0, and its gradient 1.
        return ops.stop_gradient(ops.clip(inputs, self.low, self.high)) + (inputs - ops.stop_gradient(inputs))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {"low": self.low, "high": self.high}


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
class Channels(layers.Layer):
    """The channels `start`..`stop` - 1."""

    def __init__(self, start, stop, **kwargs):
        super().__init__(**kwargs)
        self.start = start
        self.stop = stop

    def call(self, inputs):
        return inputs[..., self.start : self.stop]

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.stop - self.start)

    def get_config(self):
        return super().get_config() | {"start": self.start, "stop": self.stop}


@keras.saving.register_keras_serializable("wdsr_tf")
class ContrastPooling2D(layers.Layer):
    """The mean plus the population standard deviation of each channel, (H, W, C) to (1, 1, C)."""

    def call(self, inputs):
        mean = ops.mean(inputs, axis=(1, 2), keepdims=True)
        variance = ops.mean(ops.square(inputs - mean), axis=(1, 2), keepdims=True)
        return mean + ops.sqrt(ops.maximum(variance, 1e-12))  # the square root has no gradient at 0

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1, 1, input_shape[3])


@keras.saving.register_keras_serializable("wdsr_tf")
class BranchedConv2D(layers.Layer):
    """SPAN's training form of a 3x3 convolution: a 1x1 branch plus a chain of 1x1, 3x3 and 1x1, all with bias.

    The chain is `gain` times as wide inside. As it pads with zeros before the first bias, the whole is a plain
    convolution everywhere; `fused` computes its kernel, which is what runs, in training too.
    """

    def __init__(self, filters, gain=2, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.gain = gain

    def build(self, input_shape):
        channels, wide = input_shape[-1], (self.gain * input_shape[-1], self.gain * self.filters)
        shapes = {
            "skip": (1, 1, channels, self.filters),
            "expand": (1, 1, channels, wide[0]),
            "spread": (3, 3, *wide),
            "project": (1, 1, wide[1], self.filters),
        }
        self.parts = {}
        for name, shape in shapes.items():
            start = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")  # PyTorch's
            kernel = self.add_weight(shape=shape, initializer=start, name=f"{name}_kernel")
            self.parts[name] = kernel, self.add_weight(shape=shape[-1:], initializer="zeros", name=f"{name}_bias")

    def fused(self):
        """(kernel, bias) of the equal 3x3 convolution, in float32."""
        (skip, skip_bias), (expand, b0), (spread, b1), (project, b2) = (
            [ops.convert_to_tensor(part, dtype="float32") for part in pair] for pair in self.parts.values()
        )
        chain = ops.matmul(ops.matmul(expand[0, 0], spread), project[0, 0])
        bias = ops.matmul(ops.matmul(b0, ops.sum(spread, axis=(0, 1))) + b1, project[0, 0]) + b2
        return chain + ops.pad(skip, [(1, 1), (1, 1), (0, 0), (0, 0)]), bias + skip_bias

    def call(self, inputs):
        kernel, bias = (ops.cast(part, self.compute_dtype) for part in self.fused())
        return ops.conv(inputs, kernel, padding="same") + bias

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return super().get_config() | {"filters": self.filters, "gain": self.gain}


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
            places = [within(starts + first + k, length, "edge") for k in range(4)]
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
