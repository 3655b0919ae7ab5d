"""Convolutions: weight-normalized, grouped, and in branches."""

import keras
from keras import layers, ops


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
