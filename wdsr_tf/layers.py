"""Layers that Keras lacks."""

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
    of "symmetric" (.. b a | a b ..), "edge" (.. a a | a b ..) and "zeros". Pictures may be smaller than `size`.
    """

    def __init__(self, size, mode="symmetric", **kwargs):
        super().__init__(**kwargs)
        if mode not in ("symmetric", "edge", "zeros"):
            raise ValueError(f"mode is {mode!r}; it can be 'symmetric', 'edge' or 'zeros'")
        self.size = size
        self.mode = mode

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
                f"training takes {self.size} pixels off each side here, and the patch has {shape[1]} x {shape[2]}: "
                "give a larger --lr-patch-size"
            )

    def _extend(self, inputs, axis):
        # Gathered by index rather than by ops.pad, which refuses to mirror more than the picture holds.
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
        grown = 0 if training else 2 * self.size
        shape = (batch, height and height + grown, width and width + grown, channels)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        return super().get_config() | {"size": self.size, "mode": self.mode}


@keras.saving.register_keras_serializable("wdsr_tf")
class PadToMultiple(layers.Layer):
    """Repeats the last row and column until height and width are multiples of `multiple`; in training too."""

    def __init__(self, multiple, **kwargs):
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
        grow = [length and length + -length % self.multiple for length in (height, width)]
        return (batch, *grow, channels)

    def get_config(self):
        return super().get_config() | {"multiple": self.multiple}


@keras.saving.register_keras_serializable("wdsr_tf")
class CropToMatch(layers.Layer):
    """Of `[x, like]`, cuts x at its bottom and right to `scale` times the size of `like` less `border` on each side.

    Behind an unpadded network it takes off what `PadToMultiple` added.
    """

    def __init__(self, scale, border, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.border = border

    def call(self, inputs):
        x, like = inputs
        height, width = (self.scale * (length - 2 * self.border) for length in ops.shape(like)[1:3])
        return x[:, :height, :width]

    def compute_output_shape(self, input_shape):
        (batch, _, _, channels), like = input_shape
        cut = [length and self.scale * (length - 2 * self.border) for length in like[1:3]]
        return (batch, *cut, channels)

    def get_config(self):
        return super().get_config() | {"scale": self.scale, "border": self.border}


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
