"""MATLAB's bicubic `imresize` with antialiasing, the field's standard for making low-resolution images."""

import math

import numpy as np

from wdsr_tf.errors import InputError, check_choice

STRIP = 16  # output rows at a time, so that intermediate values stay in the processor's cache
EDGES = ("mirror", "repeat")


def imresize(
    image: np.ndarray,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    antialias: bool = True,
    edges: str = "mirror",
) -> np.ndarray:
    """Resizes an image with MATLAB's bicubic filter, in float64, bit for bit like MATLAB.

    One dimension is resized after the other: first the one that shrinks more; if both scales are equal, the height.
    MATLAB rounds integers (half up) and clips them to the range of their type after each of the two passes.

    DIV2K's LR images equal `imresize(hr, 1 / scale)`. Those of Set5, Set14, BSD100, and Urban100, as SelfExSR
    distributes them, equal `imresize(hr, 1 / scale, edges="repeat")`: older versions of MATLAB repeated the edge.

    Args:
        image: H x W or H x W x C, integers or floats in any range.
        scale: new size divided by old size; the new height and width are rounded up.
        size: the new (height, width), instead of `scale`.
        antialias: whether to widen the filter when downscaling, as MATLAB does by default.
        edges: what lies beyond the image: "mirror" (default) or "repeat", its outermost pixels.

    Returns:
        An array of the same type. Floats are neither rounded nor clipped.

    Raises:
        InputError: if the image is empty or has another shape, if the new size is, or unless exactly one of `scale`
            and `size` is given.
    """
    image = np.asarray(image)
    if (scale is None) == (size is None):
        raise InputError("imresize needs either a scale or a size.")
    if image.ndim not in (2, 3) or image.size == 0:
        raise InputError(f"imresize needs an image H x W or H x W x C, not an array of shape {image.shape}.")
    check_choice("edges", edges, EDGES)
    lengths = image.shape[:2]
    if size is None:
        size = [math.ceil(round(length * scale, 9)) for length in lengths]  # 35 * 0.2 is 7, not 7.000000000000001
        scales = (scale, scale)
    else:
        scales = [out / length for out, length in zip(size, lengths, strict=True)]
    axes = _axes(lengths, size, scales, antialias, edges)
    first, second = sorted((0, 1), key=scales.__getitem__)
    exact = image.dtype if np.issubdtype(image.dtype, np.integer) else "float64"
    return _resized(_resized(image, axes[first], first, exact), axes[second], second, image.dtype)


def imresize_rows(image: np.ndarray, size: tuple[int, int], top: int, bottom: int) -> np.ndarray:
    """Returns rows `top` to `bottom - 1` of `imresize(image, size=size)` without computing the others.

    Integers are rounded once, at the end, which is more precise than MATLAB.
    """
    scales = [out / length for out, length in zip(size, image.shape[:2], strict=True)]
    rows, columns = _axes(image.shape[:2], size, scales, True, "mirror")
    result = np.empty((bottom - top, size[1], *image.shape[2:]), image.dtype)
    for first in range(top, bottom, STRIP):
        last = min(first + STRIP, bottom)
        high = _weighted(image, [part[:, first:last] for part in rows], 0)
        result[first - top : last - top] = _cast(_weighted(high, columns, 1), image.dtype)
    return result


def _axes(lengths, size, scales, antialias, edges):
    if min(size) < 1:
        raise InputError(f"Can't resize an image of {lengths[0]} x {lengths[1]} to {size[0]} x {size[1]} pixels.")
    return [_taps(*axis, antialias, edges) for axis in zip(lengths, size, scales, strict=True)]


def _resized(image, taps, axis, dtype):
    """`image` resized along one axis, a strip of the result's rows at a time."""
    indices, weights = taps
    shape = list(image.shape)
    shape[axis] = indices.shape[1]
    result = np.empty(shape, dtype)
    for first in range(0, shape[0], STRIP):
        strip = slice(first, first + STRIP)
        if axis == 0:
            values = _weighted(image, (indices[:, strip], weights[:, strip]), 0)
        else:
            values = _weighted(image[strip], taps, 1)
        result[strip] = _cast(values, result.dtype)
    return result


def _weighted(image, taps, axis):
    shape = [1] * image.ndim
    shape[axis] = -1
    # Sums, not matrix products: BLAS slows to a crawl on busy cores.
    return sum(w.reshape(shape) * image.take(i, axis) for i, w in zip(*taps, strict=True))


def _taps(length, out, scale, antialias, edges):
    """Input indices and their weights along one axis, both (taps, out)."""
    stretch = min(scale, 1.0) if antialias else 1.0
    width = 4 / stretch
    center = (np.arange(out) + 0.5) / scale - 0.5
    taps = np.floor(center - width / 2).astype(int) + np.arange(math.ceil(width) + 2)[:, None]
    weights = cubic(stretch * (center - taps))
    weights /= weights.sum(axis=0)
    used = weights.any(axis=1)
    if edges == "repeat":
        taps = taps.clip(0, length - 1)
    else:
        taps = taps % (2 * length)
        taps = np.minimum(taps, 2 * length - 1 - taps)
    return taps[used], weights[used]


def cubic(t: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel with a = -0.5, the same as Catmull and Rom's."""
    t = np.abs(t)
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, near, np.where(t <= 2, far, 0.0))


def _cast(values, dtype):
    if not np.issubdtype(dtype, np.integer):
        return values.astype(dtype)
    # Rounds up even if float64 falls just short of a half, so that every machine gets the same result.
    limits = np.iinfo(dtype)
    return np.clip(np.floor(values + (0.5 + 1e-9)), limits.min, limits.max).astype(dtype)
