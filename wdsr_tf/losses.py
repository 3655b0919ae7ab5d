"""Losses by name: `get_loss("mae")`. All take HR and SR as RGB in 0..255.

    mae, mse          mean absolute and mean squared error
    weighted-mse      mean of w * d^2 with the weights w of R, G and B in luma, as rounded in LUMA (seed 001)
    charbonnier       mean of sqrt(d^2 + 0.255^2)
    huber             Huber's loss with threshold 0.1
    weighted-huber    Huber's loss with threshold 1 of each color, times 3 * w (seed 000)
    waifu2x-huber     Huber's loss with threshold 0.1 of 3 * w * d, SR clipped (waifu2x: huber)
    lbp               Huber's loss with threshold 0.1 between responses to 128 random filters (waifu2x: lbp)

The first four are reported on 0..255, the others on 0..1, for which their thresholds were published: d is SR - HR
there. Gradients on 0..255 are 255 times (mae, charbonnier) or 65025 times those on 0..1: that matters to SGD, and to
Adam only for its epsilon.
"""

import keras
import numpy as np
from keras import ops

from wdsr_tf.errors import InputError

LUMA = (0.29891, 0.58661, 0.11448)  # of R, G and B, as waifu2x rounds them


def get_loss(name):
    """The loss of that name; an unknown one raises InputError."""
    if name not in LOSSES:
        raise InputError(f"there is no loss {name!r}; known are {', '.join(LOSSES)}")
    return LOSSES[name]()


@keras.saving.register_keras_serializable("wdsr_tf")
class WeightedMSE(keras.losses.Loss):
    """mean(w * d^2)."""

    def __init__(self, name="weighted_mse", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, hr, sr):
        return ops.mean(weights() * ops.square(sr - hr), axis=-1)


@keras.saving.register_keras_serializable("wdsr_tf")
class Charbonnier(keras.losses.Loss):
    """mean(sqrt(d^2 + epsilon^2)): the absolute error with its corner rounded off. `epsilon` is on 0..1."""

    def __init__(self, epsilon=1e-3, name="charbonnier", **kwargs):
        super().__init__(name=name, **kwargs)
        self.epsilon = epsilon

    def call(self, hr, sr):
        return ops.mean(ops.sqrt(ops.square(sr - hr) + (255 * self.epsilon) ** 2), axis=-1)

    def get_config(self):
        return super().get_config() | {"epsilon": self.epsilon}


@keras.saving.register_keras_serializable("wdsr_tf")
class Huber(keras.losses.Loss):
    """Huber's loss of d on 0..1; `weighted` multiplies the loss of each color by 3 * w."""

    def __init__(self, delta=0.1, weighted=False, name="huber", **kwargs):
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
    """Huber's loss of 3 * w * d on 0..1, where SR is clipped.

    As in waifu2x, the gradient is that of Huber's loss by its argument: neither the clip nor the weight acts on it
    once more.
    """

    def __init__(self, delta=0.1, name="waifu2x_huber", **kwargs):
        super().__init__(name=name, **kwargs)
        self.delta = delta

    def call(self, hr, sr):
        error = 3 * weights() * (ops.clip(sr, 0, 255) - hr) / 255
        return ops.mean(huber(through(error, sr / 255), self.delta), axis=-1)

    def get_config(self):
        return super().get_config() | {"delta": self.delta}


@keras.saving.register_keras_serializable("wdsr_tf")
class LBP(keras.losses.Loss):
    """Huber's loss on 0..1 between the responses of SR, clipped, and HR to random binary filters.

    Local binary convolutions: Juefei-Xu et al., CVPR 2017, https://arxiv.org/abs/1608.06049. The filters are 3x3 over
    all colors, unpadded, drawn from `seed` alone; the first three are the colors themselves. Gradients pass the clip.
    """

    def __init__(self, num_filters=128, delta=0.1, seed=11, name="lbp", **kwargs):
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
    """`count` kernels 3 x 3 x 3 of -1, 0 and 1: 0.9 times as many draws as there are places, places repeat."""
    random = np.random.default_rng(seed)
    kernel = np.zeros(3 * 3 * 3 * count, "float32")
    places = random.integers(kernel.size, size=int(0.9 * kernel.size))
    kernel[places] = random.choice([-1.0, 1.0], size=places.size)
    kernel = kernel.reshape(3, 3, 3, count)
    kernel[..., :3] = 0
    kernel[1, 1, range(3), range(3)] = 1
    return kernel


def huber(error, delta):
    """error^2 / 2 where it is smaller than `delta`, else a line of slope `delta`."""
    size = ops.abs(error)
    return ops.where(size < delta, ops.square(error) / 2, delta * (size - delta / 2))


def through(value, x):
    """`value`, with a gradient of 1 to `x`."""
    return ops.stop_gradient(value) + (x - ops.stop_gradient(x))


def weights():
    return ops.convert_to_tensor(LUMA, "float32")


LOSSES = {
    "mae": keras.losses.MeanAbsoluteError,
    "mse": keras.losses.MeanSquaredError,
    "weighted-mse": WeightedMSE,
    "charbonnier": Charbonnier,
    "huber": Huber,
    "weighted-huber": lambda: Huber(1.0, weighted=True, name="weighted_huber"),
    "waifu2x-huber": Waifu2xHuber,
    "lbp": LBP,
}
