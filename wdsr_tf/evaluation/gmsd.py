"""GMSD: how unevenly the gradients of an image differ from those of its reference.

Xue et al., 2014, "Gradient magnitude similarity deviation: a highly efficient perceptual image quality index", like the
authors' MATLAB code: gray levels, halved by a mean over 2 x 2 pixels; Prewitt's filters; zeros beyond the edges.
"""

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.evaluation.metrics import GRAY_OF_RGB
from wdsr_tf.images import to_uint8

CONSTANT = 170.0  # the paper's, for gray levels in 0..255


def gmsd(sr, hr):
    """Returns the standard deviation of the gradient similarity over the pixels; 0 for equal images, lower is better.

    Args:
        sr, hr: RGB images in 0..255 of the same shape, of which `sr` is rounded first.
    """
    if np.shape(sr) != np.shape(hr):
        raise InputError(f"Can't compare images of different shapes: {np.shape(sr)} and {np.shape(hr)}.")
    one, other = (_gradient(_halved(np.round(image @ GRAY_OF_RGB))) for image in (to_uint8(sr), np.asarray(hr)))
    similarity = (2 * one * other + CONSTANT) / (one**2 + other**2 + CONSTANT)
    return float(np.std(similarity, ddof=1)) if similarity.size > 1 else 0.0


def _halved(gray):
    """The means of 2 x 2 pixels; an odd edge is averaged with zeros."""
    gray = np.pad(gray, [(0, length % 2) for length in gray.shape])
    return (gray[::2, ::2] + gray[1::2, ::2] + gray[::2, 1::2] + gray[1::2, 1::2]) / 4


def _gradient(gray):
    """The magnitude of the gradient by Prewitt's filters."""
    padded = np.pad(gray, 1)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    columns = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return np.hypot(rows[:, 2:] - rows[:, :-2], columns[2:] - columns[:-2]) / 3
