"""Losses by name: `get_loss("mae")`. All of them compare HR and SR as RGB in 0..255.

    mae, mse          mean absolute error, mean squared error
    weighted-mse      mean of w * d^2 with the luma weights w of R, G and B in LUMA (yu45020/Waifu2x)
    charbonnier       mean of sqrt(d^2 + 0.255^2)
    huber             Huber loss with threshold 0.1
    weighted-huber    Huber loss with threshold 1 of each color, times 3 * w (yu45020/Waifu2x)
    waifu2x-huber     Huber loss with threshold 0.1 of 3 * w * d, SR clipped (waifu2x: huber)
    lbp               Huber loss with threshold 0.1 between responses to 128 random filters (waifu2x: lbp)
    fft               mean of |real| and |imaginary| of the discrete Fourier transform of d
    mae-fft           mean absolute error + 0.1 * fft (MIMO-UNet)
    gradient-weighted mean of (1 + 4 |dx|) (1 + 4 |dy|) |d| with the Sobel filters dx and dy of d (CDC)
    ms-ssim           1 - MS-SSIM
    mae-ms-ssim       0.16 * mean absolute error + 0.84 * ms-ssim (Zhao et al.)

The first four are reported on 0..255. The others are reported on 0..1, the range of their published thresholds; there,
d is SR - HR. Gradients on 0..255 are 255 times (mae, charbonnier) or 65025 times (the squared errors) those on 0..1:
this matters to SGD, and to Adam only through its epsilon.

Adversarial training adds `get_adversarial_loss`, penalties on the discriminator's gradient, and `PerceptualLoss`, on
features of VGG-19. All losses compute in float32, whatever the dtype policy.
"""

import keras

from wdsr_tf.errors import check_choice
from wdsr_tf.losses.adversarial import ADVERSARIAL_LOSSES, get_adversarial_loss
from wdsr_tf.losses.penalties import gradient_penalty, r1
from wdsr_tf.losses.perceptual import PERCEPTUAL_LAYERS, PerceptualLoss
from wdsr_tf.losses.pixel import LBP, LUMA, Charbonnier, Huber, Waifu2xHuber, WeightedMSE, binary_filters
from wdsr_tf.losses.structure import FFT, MSSSIM, GradientWeighted

LOSSES = {
    "mae": keras.losses.MeanAbsoluteError,
    "mse": keras.losses.MeanSquaredError,
    "weighted-mse": WeightedMSE,
    "charbonnier": Charbonnier,
    "huber": Huber,
    "weighted-huber": lambda: Huber(1.0, weighted=True, name="weighted_huber"),
    "waifu2x-huber": Waifu2xHuber,
    "lbp": LBP,
    "fft": FFT,
    "mae-fft": lambda: FFT(1.0, 0.1, name="mae_fft"),
    "gradient-weighted": GradientWeighted,
    "ms-ssim": MSSSIM,
    "mae-ms-ssim": lambda: MSSSIM(0.16, 0.84, name="mae_ms_ssim"),
}


def get_loss(name: str) -> keras.losses.Loss:
    """Returns a new loss.

    Raises:
        InputError: there is no loss of this name.
    """
    return LOSSES[check_choice("loss", name, LOSSES)]()


__all__ = [
    "ADVERSARIAL_LOSSES",
    "FFT",
    "LBP",
    "LOSSES",
    "LUMA",
    "MSSSIM",
    "PERCEPTUAL_LAYERS",
    "Charbonnier",
    "GradientWeighted",
    "Huber",
    "PerceptualLoss",
    "Waifu2xHuber",
    "WeightedMSE",
    "binary_filters",
    "get_adversarial_loss",
    "get_loss",
    "gradient_penalty",
    "r1",
]
