"""Convolutions: weight-normalized and grouped."""

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
