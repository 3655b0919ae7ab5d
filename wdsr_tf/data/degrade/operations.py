"""What Real-ESRGAN's degradations are made of: blur, resizing without antialiasing, sharpening, noise.

Images are float32 [3, height, width] in 0..1. Randomness comes from the `numpy.random.Generator` passed. References:
XPixelGroup/BasicSR, `data/degradations.py` and `utils/img_process_util.py`; PyTorch's `interpolate`.
"""

import functools

import numpy as np

from wdsr_tf.data.degrade import kernels

GRAY = np.array([0.2989, 0.587, 0.114], "float32")


def planes(image: np.ndarray) -> np.ndarray:
    """Returns a uint8 image [height, width, 3] as float32 planes [3, height, width] in 0..1."""
    return np.ascontiguousarray(image.transpose(2, 0, 1), "float32") / np.float32(255)


def pixels(image: np.ndarray) -> np.ndarray:
    """Returns planes as a uint8 image [height, width, 3]: rounded, and clipped."""
    return np.clip(np.rint(image * 255), 0, 255).astype("uint8").transpose(1, 2, 0)


def blur(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Correlates each channel with a kernel of odd size; borders are mirrored without repeating the edge."""
    radius, (height, width) = len(kernel) // 2, image.shape[1:]
    wide = np.pad(image, [(0, 0), (radius, radius), (radius, radius)], "reflect")
    shape = tuple(_fast_length(side) for side in wide.shape[1:])
    spectrum = np.fft.rfft2(wide, shape) * np.conj(np.fft.rfft2(kernel.astype(image.dtype), shape))
    return np.fft.irfft2(spectrum, shape)[:, :height, :width].astype(image.dtype, copy=False)


def resize(image: np.ndarray, size: tuple[int, int], mode: str, factor: float | None = None) -> np.ndarray:
    """Resizes as PyTorch's `interpolate` does by default: without antialiasing, half-pixel centers.

    Args:
        image: [channels, height, width].
        size: (height, width) of the result.
        mode: "area", "bilinear", "bicubic" (a = -0.75), or "coverage", which is OpenCV's area.
        factor: the exact factor, which places the sampled positions if `size` was rounded from it; only by `rescale`.
    """
    for axis, m in enumerate(size, start=1):
        image = _resized(image, axis, m, mode, factor)
    return image


def rescale(image: np.ndarray, factor: float, mode: str) -> np.ndarray:
    """Resizes by a factor; sides are rounded down."""
    height, width = (max(1, int(side * factor)) for side in image.shape[1:])
    return resize(image, (height, width), mode, factor)


def sharpen(image: np.ndarray, weight: float = 0.5, radius: int = 50, threshold: float = 10) -> np.ndarray:
    """Sharpens by unsharp masking where the image differs from its blurred version, as for Real-ESRGAN's targets.

    Args:
        image: [channels, height, width] in 0..1.
        weight: of the difference that is added.
        radius: of the blur, in pixels; its standard deviation is OpenCV's for that size.
        threshold: the difference, in levels of 255, above which a pixel is sharpened.
    """
    size = radius + 1 - radius % 2
    kernel = kernels.gaussian(size, 0.3 * ((size - 1) * 0.5 - 1) + 0.8)
    residual = image - blur(image, kernel)
    mask = blur((np.abs(residual) * 255 > threshold).astype(image.dtype), kernel)
    sharp = np.clip(image + np.float32(weight) * residual, 0, 1)
    return mask * sharp + (1 - mask) * image


def add_gaussian_noise(image: np.ndarray, sigma: float, gray: bool, rng: np.random.Generator) -> np.ndarray:
    """Adds normal noise of standard deviation `sigma`, in levels of 255, the same for all channels if `gray`."""
    shape = (1 if gray else len(image), *image.shape[1:])
    return np.clip(image + np.float32(sigma / 255) * rng.standard_normal(shape, "float32"), 0, 1)


def add_poisson_noise(image: np.ndarray, scale: float, gray: bool, rng: np.random.Generator) -> np.ndarray:
    """Adds photon noise of variance scale**2 * x / levels to values x.

    `levels` is the number of different 8-bit values in the image, rounded up to a power of two: 256 for photographs.
    """
    base = np.tensordot(GRAY, image, 1)[None] if gray else image
    base = np.clip(np.rint(base * 255), 0, 255) / np.float32(255)
    levels = 2 ** np.ceil(np.log2(len(np.unique(base))))
    noise = rng.poisson(base * levels).astype("float32") / np.float32(levels) - base
    return np.clip(image + np.float32(scale) * noise, 0, 1)


def _resized(image, axis, m, mode, factor):
    indices, weights = _taps(image.shape[axis], m, mode, factor)
    shape = [-1 if i == axis else 1 for i in range(image.ndim)]
    # Sums, not matrix products: BLAS slows to a crawl on busy cores.
    return sum(w.reshape(shape) * image.take(i, axis) for i, w in zip(indices, weights, strict=True))


def _taps(n, m, mode, factor):
    """The indices and weights, both (taps, m), that resize n values to m."""
    rows, ratio = np.arange(m), n / m
    if mode == "area":
        return _means(n, rows * n // m, -((rows + 1) * -n // m))  # rounded down and up
    if mode == "coverage" and m < n:
        return _means(n, rows * ratio, np.minimum((rows + 1) * ratio, n))
    if mode == "coverage":  # OpenCV interpolates in pixels that lie across an edge of the source's
        low = rows * n // m
        t = np.maximum(rows + 1 - (low + 1) * (m / n), 0) % 1
    else:
        at = (rows + 0.5) * (ratio if factor is None else 1 / factor) - 0.5
        at = at if mode == "bicubic" else np.maximum(at, 0)
        low = np.floor(at).astype(int)
        t = at - low
    taps = {k: _cubic(np.abs(t - k)) for k in range(-1, 3)} if mode == "bicubic" else {0: 1 - t, 1: t}
    indices = [np.clip(low + k, 0, n - 1) for k in taps]
    return np.array(indices), np.array(list(taps.values()), "float32")


def _means(n, first, last):
    """The taps of means from position `first` to `last`; pixels in part below count in part."""
    start = np.floor(first).astype(int)
    indices = start + np.arange(int(np.ceil(last - start).max()))[:, None]
    below = np.minimum(indices + 1, last) - np.maximum(indices, first)
    return np.minimum(indices, n - 1), (np.maximum(below, 0) / (last - first)).astype("float32")


def _cubic(x, a=-0.75):
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    return np.where(x <= 1, near, ((a * x - 5 * a) * x + 8 * a) * x - 4 * a)


@functools.lru_cache(maxsize=1024)
def _fast_length(n):
    """The next length of at least n whose only prime factors are 2, 3 and 5."""

    def rest(k):
        for prime in (2, 3, 5):
            while k % prime == 0:
                k //= prime
        return k

    return next(k for k in range(n, 2 * n + 1) if rest(k) == 1)
