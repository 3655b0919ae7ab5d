"""PSNR, SSIM and MS-SSIM of images in [0, 255], and the protocols that publications use."""

import dataclasses
from collections.abc import Callable

import numpy as np

from wdsr_tf.errors import InputError, suggestion
from wdsr_tf.images import rgb_to_y, to_uint8

GRAY_OF_RGB = (0.299, 0.587, 0.114)  # BT.601
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
STRIP = 16  # rows per step of the Gaussian filter, so that they stay in the CPU's cache
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def psnr(sr, hr, border=0):
    """Returns the PSNR in dB at a peak of 255, without `border` pixels on each side; infinite for equal images."""
    sr, hr = _pair(sr, hr, border)
    error = np.mean(np.square(sr - hr))
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def ssim(sr, hr, border=0):
    """Returns the structural similarity, without `border` pixels on each side; for RGB, the mean over the channels.

    Wang et al., 2004, like their MATLAB code: Gaussian window of 11 x 11 pixels with sigma 1.5, valid region only. An
    image smaller than the window gets the largest window that fits.
    """
    return _mean_similarity(*_pair(sr, hr, border))[0]


def ms_ssim(sr, hr, border=0):
    """Returns the multi-scale structural similarity over five levels, each half the size of the one before.

    Wang et al., 2003. A negative mean of a level counts as 0, because it has no real power.

    Raises:
        InputError: if the image is smaller than 16 pixels on a side.
    """
    similarity = similarities(sr, hr, border)[1]
    if np.isnan(similarity):
        height, width = (length - 2 * border for length in np.shape(sr)[:2])
        raise InputError(
            f"MS-SSIM needs at least 16 x 16 pixels, because it halves four times; {height} x {width} are too few."
        )
    return similarity


def similarities(sr, hr, border=0):
    """Returns (SSIM, MS-SSIM) at the cost of the second alone; MS-SSIM is NaN if the image is too small for it."""
    sr, hr = _pair(sr, hr, border)
    single_scale, product = _mean_similarity(sr, hr)
    if min(sr.shape[:2]) < 2 ** (len(MS_SSIM_WEIGHTS) - 1):
        return single_scale, float("nan")
    product = max(product, 0.0) ** MS_SSIM_WEIGHTS[0]
    for level, weight in enumerate(MS_SSIM_WEIGHTS[1:], start=2):
        sr, hr = _halved(sr), _halved(hr)
        similarity, contrast = _mean_similarity(sr, hr)
        product *= max(similarity if level == len(MS_SSIM_WEIGHTS) else contrast, 0.0) ** weight
    return single_scale, float(product)


def _mean_similarity(sr, hr):
    """The means of SSIM and of its contrast-structure factor over pixels and channels."""
    maps = [_similarity(*pair) for pair in _channels(sr, hr)]
    return tuple(float(np.mean([np.mean(pair[part]) for pair in maps])) for part in (0, 1))


def _pair(sr, hr, border):
    sr, hr = np.asarray(sr), np.asarray(hr)
    if sr.shape != hr.shape:
        raise InputError(f"Can't compare images of different shapes: {sr.shape} and {hr.shape}.")
    inner = slice(border, -border or None)
    if min(sr[inner, inner].shape[:2], default=0) == 0:
        raise InputError(f"A border of {border} leaves nothing of {sr.shape[0]} x {sr.shape[1]} pixels.")
    return sr[inner, inner].astype("float64"), hr[inner, inner].astype("float64")


def _channels(sr, hr):
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
    """Filters `image` with the Gaussian window, vertically and then horizontally; returns the valid part."""
    window = _window(min(11, *image.shape))
    height, width = (length - len(window) + 1 for length in image.shape)
    out = np.empty((height, width))
    for top in range(0, height, STRIP):  # not as matrix products: BLAS crawls when the cores are busy
        bottom = min(top + STRIP, height)
        rows = sum(weight * image[top + tap : bottom + tap] for tap, weight in enumerate(window))
        out[top:bottom] = sum(weight * rows[:, tap : tap + width] for tap, weight in enumerate(window))
    return out


def _window(size):
    window = np.exp(-((np.arange(size) - (size - 1) / 2) ** 2) / (2 * 1.5**2))
    return window / window.sum()


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How a publication measures: channel, border and rounding.

    Args:
        name: its key in `PROTOCOLS`.
        description: channel, border and rounding in words, for tables.
        luma: compare Y of YCbCr instead of RGB.
        rounded: clip SR to [0, 255] and round it first.
        border: function of the scale that returns the pixels left out on each side.
        gray: a gray HR image is its own luma, instead of being converted from RGB to the range 16 to 235.
    """

    name: str
    description: str
    luma: bool
    rounded: bool
    border: Callable
    gray: bool = False

    def psnr(self, sr, hr, scale):
        """Returns the PSNR alone of an RGB image; HR is cropped as in `measure`."""
        return psnr(*self._comparable(sr, hr, scale))

    def measure(self, sr, hr, scale):
        """Returns (PSNR, SSIM) of an RGB image; HR is cropped at its right and bottom to the size of SR."""
        pair = self._comparable(sr, hr, scale)
        return psnr(*pair), ssim(*pair)

    def measure_all(self, sr, hr, scale):
        """Returns (PSNR, SSIM, MS-SSIM) like `measure`; MS-SSIM is NaN if the image is too small for it."""
        pair = self._comparable(sr, hr, scale)
        return psnr(*pair), *similarities(*pair)

    def _comparable(self, sr, hr, scale):
        sr, hr = np.asarray(sr), np.asarray(hr)
        height, width = sr.shape[:2]
        if height > hr.shape[0] or width > hr.shape[1]:
            raise InputError(f"SR is {height} x {width} pixels, more than HR with {hr.shape[0]} x {hr.shape[1]}.")
        hr = hr[:height, :width]
        if self.rounded:
            sr = to_uint8(sr)
        elif not np.isfinite(sr).all():
            raise InputError("The model returned values that aren't finite (NaN or infinity).")
        if self.gray and (hr == hr[..., :1]).all():
            sr, hr = sr @ GRAY_OF_RGB, hr[..., 0]
        elif self.luma:
            sr, hr = rgb_to_y(sr), rgb_to_y(hr)
        border = self.border(scale)
        if min(height, width) <= 2 * border:
            raise InputError(
                f"{height} x {width} pixels are too few for the protocol {self.name!r}, which leaves out {border} on "
                "each side. Choose another protocol, or leave this image out."
            )
        return sr, hr, border


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("krasserm", "RGB, no border, float output", False, False, lambda scale: 0),
        Protocol("ntire", "RGB, border scale + 6, rounded", False, True, lambda scale: scale + 6),
        Protocol("paper", "Y, border scale, rounded", True, True, lambda scale: scale),
        Protocol("paper-gray", "Y, gray images as they are, border scale, rounded", True, True, lambda s: s, True),
    )
}


def protocol_names(names):
    """Returns the names of protocols that `names` stands for, each once.

    Args:
        names: one name, several, or "all", which leaves the variant "paper-gray" out.

    Raises:
        InputError: if a name is unknown or there is none.
    """
    names = [names] if isinstance(names, str) else list(dict.fromkeys(names))
    if names == ["all"]:
        return [name for name, protocol in PROTOCOLS.items() if not protocol.gray]
    known = f"Choose from {', '.join(PROTOCOLS)}; or all."
    for name in names:
        if name not in PROTOCOLS:
            raise InputError(f"Unknown protocol {name!r}. {suggestion(name, PROTOCOLS)}{known}")
    if not names:
        raise InputError(f"No protocol is named. {known}")
    return names
