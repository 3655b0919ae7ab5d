"""Layers that Keras doesn't have, or that its backends get wrong."""

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
        mode: "symmetric" (.. b a | a b ..), "edge" (.. a a | a b ..) or "zeros".
    """

    def __init__(self, size: int, mode: str = "symmetric", **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.mode = check_choice("padding mode", mode, ("symmetric", "edge", "zeros"))

    def call(self, inputs, training=None):
        if training:
            self._check_patch(inputs.shape)
            return inputs
        if self.mode == "zeros":
            return ops.pad(inputs, [(0, 0), (self.size, self.size), (self.size, self.size), (0, 0)])
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
        index = ops.arange(-self.size, length + self.size, dtype="int32")
        if self.mode == "edge":
            index = ops.clip(index, 0, length - 1)
        else:
            index = index % (2 * length)
            index = ops.minimum(index, 2 * length - 1 - index)
        return ops.take(inputs, index, axis=axis)

    def compute_output_spec(self, inputs, training=None):
        batch, height, width, channels = inputs.shape
        padding = 0 if training else 2 * self.size
        shape = (batch, height and height + padding, width and width + padding, channels)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        return super().get_config() | {"size": self.size, "mode": self.mode}


@keras.saving.register_keras_serializable("wdsr_tf")
class PadToMultiple(layers.Layer):
    """Repeats the last row and column until height and width are multiples of `multiple`, in training too."""

    def __init__(self, multiple: int, **kwargs):
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, inputs):
        return self._extend(self._extend(inputs, axis=1), axis=2)

    def _extend(self, inputs, axis):
        length = ops.shape(inputs)[axis]
        index = ops.arange(length + -length % self.multiple, dtype="int32")
        return ops.take(inputs, ops.minimum(index, length - 1), axis=axis)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        padded = [length and length + -length % self.multiple for length in (height, width)]
        return (batch, *padded, channels)

    def get_config(self):
        return super().get_config() | {"multiple": self.multiple}


@keras.saving.register_keras_serializable("wdsr_tf")
class CropToMatch(layers.Layer):
    """Takes `[x, like]` and crops the bottom and right of x to `scale` * (the size of `like` - 2 * `border`).

    At the end of an unpadded network, this undoes `PadToMultiple`.
    """

    def __init__(self, scale: int, border: int, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.border = border

    def call(self, inputs):
        x, like = inputs
        height, width = (self.scale * (length - 2 * self.border) for length in ops.shape(like)[1:3])
        return x[:, :height, :width]

    def compute_output_shape(self, input_shape):
        (batch, _, _, channels), like = input_shape
        cropped = [length and self.scale * (length - 2 * self.border) for length in like[1:3]]
        return (batch, *cropped, channels)

    def get_config(self):
        return super().get_config() | {"scale": self.scale, "border": self.border}


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
