"""Losses of structure rather than of single pixels: frequencies, edges, and MS-SSIM. `wdsr_tf.losses` lists them."""

import keras
import numpy as np
from keras import ops

from wdsr_tf.errors import InputError

SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], "float32")  # horizontal; the vertical one is its transpose
C1, C2 = 0.01**2, 0.03**2  # of SSIM, on 0..1
LEVEL_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of MS-SSIM
WINDOW, SIGMA = 11, 1.5  # of SSIM
LEAST_SIDE = 2 ** (len(LEVEL_WEIGHTS) - 1)  # of an image that is halved four times


@keras.saving.register_keras_serializable("wdsr_tf")
class FFT(keras.losses.Loss):
    """`mae_weight` * mean(|d|) + `fft_weight` * the mean of |real| and |imaginary| of d's discrete Fourier transform.

    d is on 0..1. The transform of each color is two-dimensional and isn't normalized. Cho et al., ICCV 2021,
    https://arxiv.org/abs/2108.05054, train MIMO-UNet with weights of 1 and 0.1.
    """

    def __init__(self, mae_weight: float = 0.0, fft_weight: float = 1.0, name: str = "fft", **kwargs):
        super().__init__(name=name, **kwargs)
        self.mae_weight = mae_weight
        self.fft_weight = fft_weight

    def call(self, hr, sr):
        error = ops.transpose((sr - hr) / 255, (0, 3, 1, 2))
        real, imaginary = ops.fft2((error, ops.zeros_like(error)))
        frequencies = (ops.abs(real) + ops.abs(imaginary)) / 2
        return ops.mean(self.mae_weight * ops.abs(error) + self.fft_weight * frequencies, axis=(1, 2, 3))

    def get_config(self):
        return super().get_config() | {"mae_weight": self.mae_weight, "fft_weight": self.fft_weight}


@keras.saving.register_keras_serializable("wdsr_tf")
class GradientWeighted(keras.losses.Loss):
    """mean((1 + `alpha` * |dx|) * (1 + `alpha` * |dy|) * |d|), which counts errors at edges several times.

    d is on 0..1; dx and dy are its Sobel filters, with zeros around the image. Wei et al. (CDC), ECCV 2020,
    https://arxiv.org/abs/2008.01928. As there, gradients flow through the weights too.
    """

    def __init__(self, alpha: float = 4.0, name: str = "gradient_weighted", **kwargs):
        super().__init__(name=name, **kwargs)
        self.alpha = alpha

    def call(self, hr, sr):
        error = (sr - hr) / 255
        planes, restored = _planes(error)
        dx, dy = (restored(_filtered(planes, kernel, "same")) for kernel in (SOBEL, SOBEL.T))
        factor = (1 + self.alpha * ops.abs(dx)) * (1 + self.alpha * ops.abs(dy))
        return ops.mean(factor * ops.abs(error), axis=-1)

    def get_config(self):
        return super().get_config() | {"alpha": self.alpha}


@keras.saving.register_keras_serializable("wdsr_tf")
class MSSSIM(keras.losses.Loss):
    """`mae_weight` * mean(|d|) + `ms_ssim_weight` * (1 - MS-SSIM), of images on 0..1.

    MS-SSIM is that of `wdsr_tf.evaluation.metrics` (Wang et al., 2003): five levels, a window of 11 x 11 or the largest
    that fits, means over positions and colors. Zhao et al., 2017, https://arxiv.org/abs/1511.08861, mix it with weights
    of 0.16 and 0.84; their absolute error is under a Gaussian window.
    """

    def __init__(self, mae_weight: float = 0.0, ms_ssim_weight: float = 1.0, name: str = "ms_ssim", **kwargs):
        super().__init__(name=name, **kwargs)
        self.mae_weight = mae_weight
        self.ms_ssim_weight = ms_ssim_weight

    def call(self, hr, sr):
        hr, sr = hr / 255, sr / 255
        error = ops.mean(ops.abs(sr - hr), axis=(1, 2, 3))
        return self.mae_weight * error + self.ms_ssim_weight * (1 - ms_ssim(hr, sr))

    def get_config(self):
        return super().get_config() | {"mae_weight": self.mae_weight, "ms_ssim_weight": self.ms_ssim_weight}


def ms_ssim(hr, sr):
    """Returns the MS-SSIM of each image on 0..1; raises InputError if they are smaller than 16 pixels on a side."""
    height, width = sr.shape[1:3]
    if min(height or LEAST_SIDE, width or LEAST_SIDE) < LEAST_SIDE:
        raise InputError(
            f"MS-SSIM needs images of at least {LEAST_SIDE} x {LEAST_SIDE} pixels, because it halves four times; "
            f"{height} x {width} are too few. Train with larger patches, or choose another loss."
        )
    colors = sr.shape[-1]
    (hr, _), (sr, _) = _planes(hr), _planes(sr)
    product = 1.0
    for level, weight in enumerate(LEVEL_WEIGHTS, start=1):
        similarity, contrast = _similarity(hr, sr)
        value = similarity if level == len(LEVEL_WEIGHTS) else contrast
        value = ops.mean(ops.reshape(ops.mean(value, axis=(1, 2, 3)), (-1, colors)), axis=-1)
        # A negative value has no real power, and the derivative of one at 0 is infinite; below the bound there is none.
        product *= ops.power(ops.maximum(value, 1e-6), weight)
        if level < len(LEVEL_WEIGHTS):
            hr, sr = (ops.average_pool(image, 2, strides=2, padding="valid") for image in (hr, sr))
    return product


def _similarity(x, y):
    """The maps of SSIM and of its contrast-structure factor."""
    mean_x, mean_y = _gaussian(x), _gaussian(y)
    variances = _gaussian(x * x + y * y) - mean_x**2 - mean_y**2
    covariance = _gaussian(x * y) - mean_x * mean_y
    contrast = (2 * covariance + C2) / (variances + C2)
    return contrast * (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1), contrast


def _gaussian(planes):
    _, height, width, _ = ops.shape(planes)
    window = _window(height, width)
    return _filtered(_filtered(planes, window[:, None], "valid"), window[None], "valid")


def _window(*sides):
    """The Gaussian window of SSIM, as small as an image of these sides, which a graph may not know yet."""
    is_known = all(isinstance(side, int) for side in sides)
    size = min(WINDOW, *sides) if is_known else ops.minimum(WINDOW, ops.minimum(*sides))
    positions = ops.arange(size, dtype="float32")
    window = ops.exp(-ops.square(positions - (ops.cast(size, "float32") - 1) / 2) / (2 * SIGMA**2))
    return window / ops.sum(window)


def _planes(images):
    """Returns each color as an image of its own, (batch * colors, height, width, 1), and the way back."""
    _, height, width, colors = ops.shape(images)
    planes = ops.reshape(ops.transpose(images, (0, 3, 1, 2)), (-1, height, width, 1))
    return planes, lambda x: ops.transpose(ops.reshape(x, (-1, colors, height, width)), (0, 2, 3, 1))


def _filtered(planes, kernel, padding):
    return ops.conv(planes, ops.convert_to_tensor(kernel)[:, :, None, None], padding=padding)
