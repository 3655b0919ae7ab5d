"""MATLAB's bicubic `imresize`, with its antialiasing: what low-resolution pictures are made with."""

import math

import numpy as np

from wdsr_tf.errors import InputError

STRIP = 16  # output rows at a time: what is between input and output stays in the processor's cache


def imresize(image, scale=None, size=None, antialias=True):
    """Resizes an H x W or H x W x C picture by `scale`, or to `size` (height, width), as MATLAB's bicubic does.

    Integers come back as the same integer type, rounded half away from zero and clipped to its range, once, at the
    end; floats come back as the same float type, neither rounded nor clipped. Both are computed in float64.
    """
    image = np.asarray(image)
    if (scale is None) == (size is None):
        raise InputError("imresize takes either a scale or a size")
    if image.ndim not in (2, 3) or image.size == 0:
        raise InputError(f"imresize takes pictures H x W or H x W x C, not an array of shape {image.shape}")
    lengths = image.shape[:2]
    if size is None:
        size = [math.ceil(round(length * scale, 9)) for length in lengths]  # 35 * 0.2 is 7, not 7.000000000000001
        scales = (scale, scale)
    else:
        scales = [out / length for out, length in zip(size, lengths, strict=True)]
    return _rows(image, size, scales, antialias, 0, size[0])


def imresize_rows(image, size, top, bottom):
    """Rows `top` to `bottom` of `imresize(image, size=size)`, to the last bit, in the memory of these rows."""
    scales = [out / length for out, length in zip(size, image.shape[:2], strict=True)]
    return _rows(image, size, scales, True, top, bottom)


def _rows(image, size, scales, antialias, top, bottom):
    lengths = image.shape[:2]
    if min(size) < 1:
        raise InputError(f"a picture of {lengths[0]} x {lengths[1]} cannot become {size[0]} x {size[1]}")
    (rows, row_weights), (columns, column_weights) = (
        _taps(*axis, antialias) for axis in zip(lengths, size, scales, strict=True)
    )
    channels = image.reshape(*lengths, -1)
    result = np.empty((bottom - top, size[1], channels.shape[2]), image.dtype)
    for first in range(top, bottom, STRIP):  # sums rather than matrix products: busy cores bring BLAS to a crawl
        strip = slice(first, min(first + STRIP, bottom))
        high = sum(w[strip, None, None] * channels[i[strip]] for i, w in zip(rows, row_weights, strict=True))
        wide = sum(w[:, None] * high.take(i, axis=1) for i, w in zip(columns, column_weights, strict=True))
        result[first - top : strip.stop - top] = _cast(wide, image.dtype)
    return result.reshape(-1, size[1], *image.shape[2:])


def _taps(length, out, scale, antialias):
    """Input indices and their weights along one axis, both (taps, out); indices are mirrored with the edge repeated."""
    stretch = min(scale, 1.0) if antialias else 1.0
    width = 4 / stretch
    center = (np.arange(out) + 0.5) / scale - 0.5
    taps = np.floor(center - width / 2).astype(int) + np.arange(math.ceil(width) + 2)[:, None]
    weights = _cubic(stretch * (center - taps))
    weights /= weights.sum(axis=0)
    used = weights.any(axis=1)
    taps = taps % (2 * length)
    return np.minimum(taps, 2 * length - 1 - taps)[used], weights[used]


def _cubic(t):
    """Keys' cubic convolution kernel with a = -0.5."""
    t = np.abs(t)
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, near, np.where(t <= 2, far, 0.0))


def _cast(values, dtype):
    if not np.issubdtype(dtype, np.integer):
        return values.astype(dtype)
    # A half is rounded up also where float64 falls short of it by a last digit, so that every machine agrees.
    limits = np.iinfo(dtype)
    return np.clip(np.floor(values + (0.5 + 1e-9)), limits.min, limits.max).astype(dtype)
