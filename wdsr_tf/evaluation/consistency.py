"""How faithful an upscaled image is to its LR image, without a reference: both are compared at the size of LR.

SR is rounded and downscaled with MATLAB's bicubic filter, without rounding again. The outermost two LR pixels are left
out, because that filter reaches two pixels and versions of MATLAB differ in what they see beyond an edge.
"""

import numpy as np

from wdsr_tf.evaluation.metrics import psnr
from wdsr_tf.images import to_uint8
from wdsr_tf.images.resize import imresize

BORDER = 2  # LR pixels


def lr_consistency(sr, lr):
    """Returns the PSNR in dB of the downscaled SR to LR, in RGB; NaN if nothing is left between the borders."""
    if min(np.shape(lr)[:2]) <= 2 * BORDER:
        return float("nan")
    return psnr(_downscaled(sr, lr), lr, BORDER)


def color_shift(sr, lr):
    """Returns how far the mean color of the downscaled SR is from LR's: the mean over R, G and B, in gray levels."""
    if min(np.shape(lr)[:2]) <= 2 * BORDER:
        return float("nan")
    inner = slice(BORDER, -BORDER)
    difference = _downscaled(sr, lr)[inner, inner] - np.asarray(lr, "float64")[inner, inner]
    return float(np.abs(difference.mean(axis=(0, 1))).mean())


def _downscaled(sr, lr):
    return imresize(to_uint8(sr).astype("float64"), size=np.shape(lr)[:2])
