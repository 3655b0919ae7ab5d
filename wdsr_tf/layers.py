"""Layers that Keras doesn't have, or that its backends get wrong."""

import math

import keras
from keras import layers, ops

from wdsr_tf.errors import InputError, check_choice


@keras.saving.register_keras_serializable("wdsr_tf")
class WeightNormConv2D(layers.Layer):
    """A convolution with the kernel `g * v / ||v||`, where g and the norm are per output channel.

    Salimans and Kingma, 2016, https://arxiv.org/abs/1602.07868. The weights, in this order, are g (filters,), v
    (kernel_size, kernel_size, channels, filters) and bias (filters,). Under mixed precision, g, v and the norm stay in
    float32, because half precision loses small squares; only the resulting kernel is cast.

    Args:
        filters: number of output channels.
        kernel_size: side of the square kernel.
        padding: "same" (zeros) or "valid".
        g_initializer: None starts g at ||v||, so that the layer begins as a plain convolution with the kernel v.
        kernel_initializer: initializer of v.
        bias_initializer: initializer of the bias.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        padding: str = "same",
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
        """The effective kernel in float32, with the shape of v."""
        return self.v * (self.g / _norm(self.v))

    def call(self, inputs):
        kernel = ops.cast(self.kernel, self.compute_dtype)
        return ops.conv(inputs, kernel, padding=self.padding) + self.bias

    def compute_output_shape(self, input_shape):
        cropped = 0 if self.padding == "same" else self.kernel_size - 1
        batch, height, width, _ = input_shape
        return (batch, height and height - cropped, width and width - cropped, self.filters)

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
    """A grouped convolution, computed as one convolution per group.

    With TensorFlow, Keras runs grouped convolutions through XLA, which recompiles for every image size and trains
    twenty times slower on CPUs than this.
    """

    def convolution_op(self, inputs, kernel):
        groups = zip(ops.split(inputs, self.groups, -1), ops.split(kernel, self.groups, -1), strict=True)
        return ops.concatenate([ops.conv(x, k, self.strides, self.padding) for x, k in groups], -1)


@keras.saving.register_keras_serializable("wdsr_tf")
class LeakyReLU(layers.LeakyReLU):
    """LeakyReLU as a difference of two ReLUs.

    On CPUs, TensorFlow 2.21 fuses a convolution, an addition and its LeakyRelu, and then ignores the slope and uses
    0.2.
    """

    def call(self, inputs):
        return ops.relu(inputs) - self.negative_slope * ops.relu(-inputs)


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
class InferencePad(layers.Layer):
    """Pads height and width at inference only, so that an unpadded network trains on clean borders.

    Args:
        size: pixels to add on each side. Images may be smaller.
        mode: "symmetric" (.. b a | a b ..), "reflect" (.. c b | a b c ..), "edge" (.. a a | a b ..) or "zeros".
        multiple: adds more at the bottom and right until this divides the padded height and width.
    """

    def __init__(self, size: int, mode: str = "symmetric", multiple: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.mode = check_choice("padding mode", mode, ("symmetric", "reflect", "edge", "zeros"))
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
                f"Training crops {self.size} pixels from each side, which leaves nothing of a patch of {shape[1]} x "
                f"{shape[2]}. Choose a larger LR patch size."
            )

    def _extend(self, inputs, axis):
        # Gathers by index, because ops.pad can't mirror more pixels than the image has.
        length = ops.shape(inputs)[axis]
        index = ops.arange(-self.size, length + self._after(length), dtype="int32")
        return ops.take(inputs, inside(index, length, self.mode), axis=axis)

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
    """Pads the bottom and right until height and width are multiples of `multiple`, in training too.

    `mode` is "edge" or "reflect", as in `InferencePad`.
    """

    def __init__(self, multiple: int, mode: str = "edge", **kwargs):
        super().__init__(**kwargs)
        self.multiple = multiple
        self.mode = check_choice("padding mode", mode, ("edge", "reflect"))

    def call(self, inputs):
        return self._extend(self._extend(inputs, axis=1), axis=2)

    def _extend(self, inputs, axis):
        length = ops.shape(inputs)[axis]
        index = ops.arange(length + -length % self.multiple, dtype="int32")
        return ops.take(inputs, inside(index, length, self.mode), axis=axis)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        padded = [length and length + -length % self.multiple for length in (height, width)]
        return (batch, *padded, channels)

    def get_config(self):
        return super().get_config() | {"multiple": self.multiple, "mode": self.mode}


def inside(index, length, mode):
    """Returns which of the positions 0..length - 1 fill the positions `index`; `mode` is as in `InferencePad`."""
    if mode == "edge":
        return ops.clip(index, 0, length - 1)
    repeat = mode == "symmetric"  # whether the edge itself is repeated
    period = ops.maximum(2 * length if repeat else 2 * length - 2, 1)
    index = index % period
    return ops.minimum(index, period - repeat - index)


@keras.saving.register_keras_serializable("wdsr_tf")
class CropToMatch(layers.Layer):
    """Takes `[x, like]` and crops the bottom and right of x to `scale` * (the size of `like` - 2 * `border`) + `keep`.

    At the end of an unpadded network, this undoes `PadToMultiple`.
    """

    def __init__(self, scale: int, border: int, keep: int = 0, **kwargs):
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
        cropped = [length and self.scale * (length - 2 * self.border) + self.keep for length in like[1:3]]
        return (batch, *cropped, channels)

    def get_config(self):
        return super().get_config() | {"scale": self.scale, "border": self.border, "keep": self.keep}


@keras.saving.register_keras_serializable("wdsr_tf")
class ClipThrough(layers.Layer):
    """Clips to `low`..`high`, but passes gradients unchanged, so that clipped values keep learning.

    Infinities and NaN become NaN rather than white or black.
    """

    def __init__(self, low: float, high: float, **kwargs):
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

    @property
    def kernel(self):
        """The kernel of the equal 3x3 convolution."""
        return self.fused()[0]

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
