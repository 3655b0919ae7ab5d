"""PSNR, SSIM and MS-SSIM on 0..255, and the protocols under which they are published."""

import dataclasses
from collections.abc import Callable

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.images import rgb_to_y, to_uint8

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
STRIP = 16  # rows at a time in the Gaussian filter: they stay in the processor's cache
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def psnr(sr, hr, border=0):
    """Peak signal-to-noise ratio in dB at a peak of 255, without `border` pixels on each side; equal pictures: inf."""
    sr, hr = _pair(sr, hr, border)
    error = np.mean(np.square(sr - hr))
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def ssim(sr, hr, border=0):
    """Structural similarity, without `border` pixels on each side; of RGB the mean of the three colors.

    Wang et al., 2004, as their MATLAB code has it: Gaussian window of 11 x 11 pixels and sigma 1.5, valid region only.
    A picture that is smaller than the window gets the largest window that fits.
    """
    return _mean_similarity(*_pair(sr, hr, border))[0]


def ms_ssim(sr, hr, border=0):
    """Multi-scale structural similarity over five levels, each half as large as the one before.

    Wang et al., 2003. A level's negative mean counts as 0, because it has no real power.
    """
    similarity = similarities(sr, hr, border)[1]
    if np.isnan(similarity):
        height, width = (length - 2 * border for length in np.shape(sr)[:2])
        raise InputError(f"MS-SSIM halves four times: {height} x {width} pixels are too few")
    return similarity


def similarities(sr, hr, border=0):
    """(SSIM, MS-SSIM) for the price of the second, which is NaN where the picture is too small for it."""
    sr, hr = _pair(sr, hr, border)
    whole, product = _mean_similarity(sr, hr)
    if min(sr.shape[:2]) < 2 ** (len(MS_SSIM_WEIGHTS) - 1):
        return whole, float("nan")
    product = max(product, 0.0) ** MS_SSIM_WEIGHTS[0]
    for level, weight in enumerate(MS_SSIM_WEIGHTS[1:], start=2):
        sr, hr = _halved(sr), _halved(hr)
        similarity, contrast = _mean_similarity(sr, hr)
        product *= max(similarity if level == len(MS_SSIM_WEIGHTS) else contrast, 0.0) ** weight
    return whole, float(product)


def _mean_similarity(sr, hr):
    """The means of SSIM and of its contrast-structure factor over the picture and its colors."""
    maps = [_similarity(*pair) for pair in _colors(sr, hr)]
    return tuple(float(np.mean([np.mean(pair[part]) for pair in maps])) for part in (0, 1))


def _pair(sr, hr, border):
    sr, hr = np.asarray(sr), np.asarray(hr)
    if sr.shape != hr.shape:
        raise InputError(f"pictures of different shapes cannot be compared: {sr.shape} and {hr.shape}")
    inner = slice(border, -border or None)
    if min(sr[inner, inner].shape[:2], default=0) == 0:
        raise InputError(f"nothing is left of {sr.shape[0]} x {sr.shape[1]} pixels without a border of {border}")
    return sr[inner, inner].astype("float64"), hr[inner, inner].astype("float64")


def _colors(sr, hr):
    if sr.ndim == 2:
        return [(sr, hr)]
    return [(sr[..., c], hr[..., c]) for c in range(sr.shape[-1])]


def _halved(image):
    height, width = (length // 2 * 2 for length in image.shape[:2])
    image = image[:height, :width]
    return (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4


def _similarity(x, y):
    """The maps of SSIM and of its contrast-structure factor."""
    mean_x, mean_y = _gaussian(x), _gaussian(y)
    variances = _gaussian(x * x + y * y) - mean_x**2 - mean_y**2
    covariance = _gaussian(x * y) - mean_x * mean_y
    contrast = (2 * covariance + C2) / (variances + C2)
    return contrast * (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1), contrast


def _gaussian(image):
    """The valid part of `image` under the Gaussian window: down, then across."""
    window = _window(min(11, *image.shape))
    height, width = (length - len(window) + 1 for length in image.shape)
    out = np.empty((height, width))
    for top in range(0, height, STRIP):  # sums rather than matrix products: busy cores bring BLAS to a crawl
        bottom = min(top + STRIP, height)
        rows = sum(weight * image[top + tap : bottom + tap] for tap, weight in enumerate(window))
        out[top:bottom] = sum(weight * rows[:, tap : tap + width] for tap, weight in enumerate(window))
    return out


def _window(size):
    window = np.exp(-((np.arange(size) - (size - 1) / 2) ** 2) / (2 * 1.5**2))
    return window / window.sum()


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How a published figure was taken.

    Attributes:
        name: as typed after `--protocol`.
        what: channel, border and rounding in words, for tables.
        luma: whether Y of YCbCr is compared rather than RGB.
        rounded: whether SR is clipped to 0..255 and rounded first.
        border: pixels left out on each side, as a function of the scale.
    """

    name: str
    what: str
    luma: bool
    rounded: bool
    border: Callable

    def measure(self, sr, hr, scale):
        """(PSNR, SSIM) of an RGB picture SR against HR, which is cut to the size of SR at its right and bottom."""
        pair = self._comparable(sr, hr, scale)
        return psnr(*pair), ssim(*pair)

    def measure_all(self, sr, hr, scale):
        """(PSNR, SSIM, MS-SSIM), as `measure`; MS-SSIM is NaN where the picture is too small for it."""
        pair = self._comparable(sr, hr, scale)
        return psnr(*pair), *similarities(*pair)

    def _comparable(self, sr, hr, scale):
        sr, hr = np.asarray(sr), np.asarray(hr)
        height, width = sr.shape[:2]
        if height > hr.shape[0] or width > hr.shape[1]:
            raise InputError(f"SR is {height} x {width} pixels, more than HR with {hr.shape[0]} x {hr.shape[1]}")
        hr = hr[:height, :width]
        if self.rounded:
            sr = to_uint8(sr)
        elif not np.isfinite(sr).all():
            raise InputError("SR holds values that are not finite")
        if self.luma:
            sr, hr = rgb_to_y(sr), rgb_to_y(hr)
        border = self.border(scale)
        if min(height, width) <= 2 * border:
            raise InputError(
                f"{height} x {width} pixels are too few for the protocol {self.name}, which leaves out {border} on "
                "each side; choose another protocol, or leave this picture out"
            )
        return sr, hr, border


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("seed", "RGB, no border, float output", False, False, lambda scale: 0),
        Protocol("ntire", "RGB, border scale + 6, rounded", False, True, lambda scale: scale + 6),
        Protocol("paper", "Y, border scale, rounded", True, True, lambda scale: scale),
    )
}
