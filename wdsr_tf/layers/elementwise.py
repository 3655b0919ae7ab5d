"""Activations, clipping, and layers that choose or summarize channels."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("wdsr_tf")
class LeakyReLU(layers.LeakyReLU):
    """LeakyReLU as a difference of two ReLUs.

    On CPUs, TensorFlow 2.21 fuses a convolution, an addition and its LeakyRelu, and then ignores the slope and uses
    0.2.
    """

    def call(self, inputs):
        return ops.relu(inputs) - self.negative_slope * ops.relu(-inputs)


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
