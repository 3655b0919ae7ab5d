"""Blur kernels of Real-ESRGAN's and BSRGAN's degradations: float64 [size, size], whose sum is 1.

Angles are in radians, standard deviations in pixels. Sizes are odd.
"""

import numpy as np


def gaussian(size: int, sigma_x: float, sigma_y: float | None = None, angle: float = 0.0) -> np.ndarray:
    """Returns a Gaussian; isotropic without `sigma_y`."""
    return _normalized(np.exp(-_distance(size, sigma_x, sigma_y, angle) / 2))


def generalized_gaussian(
    size: int, beta: float, sigma_x: float, sigma_y: float | None = None, angle: float = 0.0
) -> np.ndarray:
    """Returns a Gaussian whose exponent is raised to `beta`: peaked below 1, with a flat top above."""
    return _normalized(np.exp(-(_distance(size, sigma_x, sigma_y, angle) ** beta) / 2))


def plateau(size: int, beta: float, sigma_x: float, sigma_y: float | None = None, angle: float = 0.0) -> np.ndarray:
    """Returns a kernel with a flat top and long tails: 1 / (1 + q**beta)."""
    return _normalized(1 / (1 + _distance(size, sigma_x, sigma_y, angle) ** beta))


def sinc(size: int, cutoff: float) -> np.ndarray:
    """Returns the circular low-pass filter with that cutoff in radians per pixel, 0..pi; it makes edges ring."""
    x, y = _grid(size)
    radius = np.hypot(x, y)
    radius[size // 2, size // 2] = 1  # the limit there is set below
    kernel = cutoff * _bessel_j1(cutoff * radius) / (2 * np.pi * radius)
    kernel[size // 2, size // 2] = cutoff**2 / (4 * np.pi)
    return _normalized(kernel)


def from_variances(size: int, along: float, across: float, angle: float) -> np.ndarray:
    """Returns BSRGAN's Gaussian with these variances, in squared pixels, along and across its axis at `angle`."""
    axis = np.array([np.cos(angle), np.sin(angle)])
    normal = np.array([-axis[1], axis[0]])
    x, y = _grid(size)
    inside = [(x * v[0] + y * v[1]) ** 2 / variance for v, variance in ((axis, along), (normal, across))]
    return _normalized(np.exp(-sum(inside) / 2))


def fspecial(size: int, sigma: float) -> np.ndarray:
    """Returns MATLAB's `fspecial('gaussian')`, which cuts off what is below the rounding error of its maximum."""
    x, y = _grid(size)
    kernel = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    kernel[kernel < np.finfo(float).eps * kernel.max()] = 0
    return _normalized(kernel)


def shifted(kernel: np.ndarray, scale: int) -> np.ndarray:
    """Shifts a kernel by (scale - 1) / 2 pixels, so that taking every `scale`-th pixel keeps images aligned."""
    size = len(kernel)
    at = np.clip(np.arange(size) + (scale - 1) * 0.5, 0, size - 1)
    low = np.minimum(at.astype(int), size - 2)
    weight = np.zeros((size, size))
    weight[np.arange(size), low] = 1 - (at - low)
    weight[np.arange(size), low + 1] = at - low
    return _normalized(weight @ kernel @ weight.T)


def padded(kernel: np.ndarray, size: int = 21) -> np.ndarray:
    """Adds zeros around a kernel, up to `size`."""
    return np.pad(kernel, (size - len(kernel)) // 2)


def _grid(size):
    """The coordinates (x, y) of a kernel's pixels; 0 is the center."""
    at = np.arange(size) - (size - 1) / 2
    return np.meshgrid(at, at)


def _distance(size, sigma_x, sigma_y, angle):
    """Squared distance from the center, in standard deviations."""
    x, y = _grid(size)
    if sigma_y is None:
        return (x**2 + y**2) / sigma_x**2
    cos, sin = np.cos(angle), np.sin(angle)
    return (x * cos + y * sin) ** 2 / sigma_x**2 + (y * cos - x * sin) ** 2 / sigma_y**2


def _normalized(kernel):
    return kernel / kernel.sum()


def _bessel_j1(x):
    """The Bessel function of the first kind and order 1, for 0 <= x < 100, by its integral over a full period.

    The trapezoidal rule converges exponentially for periodic functions: with 256 points, to 1e-15.
    """
    t = np.arange(256) * (2 * np.pi / 256)
    return np.cos(t - np.multiply.outer(x, np.sin(t))).mean(axis=-1)
