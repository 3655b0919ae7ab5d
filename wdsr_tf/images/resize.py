"""MATLAB's bicubic `imresize` with antialiasing, the field's standard for making low-resolution images."""

import math

import numpy as np

from wdsr_tf.errors import InputError

STRIP = 16  # output rows at a time, so that intermediate values stay in the processor's cache


def imresize(
    image: np.ndarray,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    antialias: bool = True,
) -> np.ndarray:
    """Resizes an image with MATLAB's bicubic filter, in float64.

    Args:
        image: H x W or H x W x C, integers or floats in any range.
        scale: new size divided by old size; the new height and width are rounded up.
        size: the new (height, width), instead of `scale`.
        antialias: whether to widen the filter when downscaling, as MATLAB does by default.

    Returns:
        An array of the same type. Integers are rounded half up and clipped to the range of the type, once, at the end;
        floats are neither rounded nor clipped.

    Raises:
        InputError: if the image is empty or has another shape, if the new size is, or unless exactly one of `scale`
            and `size` is given.
    """
    image = np.asarray(image)
    if (scale is None) == (size is None):
        raise InputError("imresize needs either a scale or a size.")
    if image.ndim not in (2, 3) or image.size == 0:
        raise InputError(f"imresize needs an image H x W or H x W x C, not an array of shape {image.shape}.")
    lengths = image.shape[:2]
    if size is None:
        size = [math.ceil(round(length * scale, 9)) for length in lengths]  # 35 * 0.2 is 7, not 7.000000000000001
        scales = (scale, scale)
    else:
        scales = [out / length for out, length in zip(size, lengths, strict=True)]
    return _rows(image, size, scales, antialias, 0, size[0])


def imresize_rows(image: np.ndarray, size: tuple[int, int], top: int, bottom: int) -> np.ndarray:
    """Returns rows `top` to `bottom - 1` of `imresize(image, size=size)`, bit for bit, without computing the others."""
    scales = [out / length for out, length in zip(size, image.shape[:2], strict=True)]
    return _rows(image, size, scales, True, top, bottom)


def _rows(image, size, scales, antialias, top, bottom):
    lengths = image.shape[:2]
    if min(size) < 1:
        raise InputError(f"Can't resize an image of {lengths[0]} x {lengths[1]} to {size[0]} x {size[1]} pixels.")
    (rows, row_weights), (columns, column_weights) = (
        _taps(*axis, antialias) for axis in zip(lengths, size, scales, strict=True)
    )
    channels = image.reshape(*lengths, -1)
    result = np.empty((bottom - top, size[1], channels.shape[2]), image.dtype)
    for first in range(top, bottom, STRIP):  # sums, not matrix products: BLAS slows to a crawl on busy cores
        strip = slice(first, min(first + STRIP, bottom))
        high = sum(w[strip, None, None] * channels[i[strip]] for i, w in zip(rows, row_weights, strict=True))
        wide = sum(w[:, None] * high.take(i, axis=1) for i, w in zip(columns, column_weights, strict=True))
        result[first - top : strip.stop - top] = _cast(wide, image.dtype)
    return result.reshape(-1, size[1], *image.shape[2:])


def _taps(length, out, scale, antialias):
    """Input indices and their weights along one axis, both (taps, out). The image is mirrored beyond its edges."""
    stretch = min(scale, 1.0) if antialias else 1.0
    width = 4 / stretch
    center = (np.arange(out) + 0.5) / scale - 0.5
    taps = np.floor(center - width / 2).astype(int) + np.arange(math.ceil(width) + 2)[:, None]
    weights = cubic(stretch * (center - taps))
    weights /= weights.sum(axis=0)
    used = weights.any(axis=1)
    taps = taps % (2 * length)
    return np.minimum(taps, 2 * length - 1 - taps)[used], weights[used]


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
