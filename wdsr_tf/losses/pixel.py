"""Losses of each pixel, or of small windows, from super-resolution projects. `wdsr_tf.losses` lists them."""

import keras
import numpy as np
from keras import ops

LUMA = (0.29891, 0.58661, 0.11448)  # of R, G and B, as waifu2x rounds them


@keras.saving.register_keras_serializable("wdsr_tf")
class WeightedMSE(keras.losses.Loss):
    """mean(w * d^2)."""

    def __init__(self, name: str = "weighted_mse", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, hr, sr):
        return ops.mean(weights() * ops.square(sr - hr), axis=-1)


@keras.saving.register_keras_serializable("wdsr_tf")
class Charbonnier(keras.losses.Loss):
    """mean(sqrt(d^2 + epsilon^2)), a smooth absolute error; `epsilon` is on 0..1."""

    def __init__(self, epsilon: float = 1e-3, name: str = "charbonnier", **kwargs):
        super().__init__(name=name, **kwargs)
        self.epsilon = epsilon

    def call(self, hr, sr):
        return ops.mean(ops.sqrt(ops.square(sr - hr) + (255 * self.epsilon) ** 2), axis=-1)

    def get_config(self):
        return super().get_config() | {"epsilon": self.epsilon}


@keras.saving.register_keras_serializable("wdsr_tf")
class Huber(keras.losses.Loss):
    """The Huber loss of d on 0..1 with threshold `delta`; `weighted` multiplies the loss of each color by 3 * w."""

    def __init__(self, delta: float = 0.1, weighted: bool = False, name: str = "huber", **kwargs):
        super().__init__(name=name, **kwargs)
        self.delta = delta
        self.weighted = weighted

    def call(self, hr, sr):
        loss = huber((sr - hr) / 255, self.delta)
        return ops.mean(3 * weights() * loss if self.weighted else loss, axis=-1)

    def get_config(self):
        return super().get_config() | {"delta": self.delta, "weighted": self.weighted}


@keras.saving.register_keras_serializable("wdsr_tf")
class Waifu2xHuber(keras.losses.Loss):
    """The Huber loss of 3 * w * d on 0..1 with SR clipped.

    As in waifu2x, SR receives the gradient of the Huber loss with respect to its argument: backpropagation skips both
    the clip and the weights.
    """

    def __init__(self, delta: float = 0.1, name: str = "waifu2x_huber", **kwargs):
        super().__init__(name=name, **kwargs)
        self.delta = delta

    def call(self, hr, sr):
        error = 3 * weights() * (ops.clip(sr, 0, 255) - hr) / 255
        return ops.mean(huber(through(error, sr / 255), self.delta), axis=-1)

    def get_config(self):
        return super().get_config() | {"delta": self.delta}


@keras.saving.register_keras_serializable("wdsr_tf")
class LBP(keras.losses.Loss):
    """The Huber loss on 0..1 between the responses of clipped SR and of HR to random binary filters.

    Local binary convolutions: Juefei-Xu et al., CVPR 2017, https://arxiv.org/abs/1608.06049. The filters are 3x3 over
    all colors, unpadded, and depend on `seed` alone; the first three pick out R, G and B. Gradients pass through the
    clip.
    """

    def __init__(self, num_filters: int = 128, delta: float = 0.1, seed: int = 11, name: str = "lbp", **kwargs):
        super().__init__(name=name, **kwargs)
        self.num_filters = num_filters
        self.delta = delta
        self.seed = seed
        self.filters = binary_filters(num_filters, seed)

    def call(self, hr, sr):
        clipped = through(ops.clip(sr, 0, 255), sr)
        responses = ops.conv((clipped - hr) / 255, self.filters, padding="valid")
        return ops.mean(huber(responses, self.delta), axis=-1)

    def get_config(self):
        return super().get_config() | {"num_filters": self.num_filters, "delta": self.delta, "seed": self.seed}


def binary_filters(count, seed):
    """Returns `count` 3 x 3 x 3 kernels of -1, 0 and 1, drawn with replacement at 0.9 times as many positions."""
    random = np.random.default_rng(seed)
    kernel = np.zeros(3 * 3 * 3 * count, "float32")
    positions = random.integers(kernel.size, size=int(0.9 * kernel.size))
    kernel[positions] = random.choice([-1.0, 1.0], size=positions.size)
    kernel = kernel.reshape(3, 3, 3, count)
    kernel[..., :3] = 0
    kernel[1, 1, range(3), range(3)] = 1
    return kernel


def huber(error, delta):
    """error^2 / 2 where |error| is below `delta`, and a line of slope `delta` above."""
    size = ops.abs(error)
    return ops.where(size < delta, ops.square(error) / 2, delta * (size - delta / 2))


def through(value, x):
    """Returns `value`, but with a gradient of 1 to `x`."""
    return ops.stop_gradient(value) + (x - ops.stop_gradient(x))


def weights():
    return ops.convert_to_tensor(LUMA, "float32")
