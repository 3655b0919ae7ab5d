"""NIQE: how far an image's statistics are from those of pristine photographs, without a reference image.

Mittal, Soundararajan and Bovik, 2013, "Making a 'completely blind' image quality analyzer". The method is the published
one; given the authors' prior, it returns the authors' values. Their prior states no license, so ours (`prior.npz`) was
fitted to other photographs by `python -m release.niqe_prior`. Values measured with ours rank images as theirs do, but
can't be compared with published ones.
"""

import functools
import math
from pathlib import Path

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.images import rgb_to_y, to_uint8
from wdsr_tf.images.resize import imresize

BLOCK = 96  # pixels on a side
ROUNDING = 1e-9  # gray levels; one pixel that differs by a level moves a mean by more than 1e-4
SHARP = 0.75  # a block of the prior has at least this fraction of the largest mean deviation in its photograph
SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))  # the neighbors whose products with a pixel are measured
WINDOW = np.exp(-((np.arange(7) - 3) ** 2) / (2 * (7 / 6) ** 2))
WINDOW /= WINDOW.sum()
PRIOR = Path(__file__).with_name("prior.npz")


@functools.cache
def own_prior():
    """Returns (mean, covariance) of the features of sharp blocks in our photographs: (36,) and (36, 36)."""
    with np.load(PRIOR, allow_pickle=False) as arrays:
        return arrays["mean"], arrays["covariance"]


def niqe(image, border=0, prior=None):
    """Returns the distance from the prior; lower is more natural, and NaN if fewer than two blocks fit.

    Args:
        image: RGB in 0..255, rounded first.
        border: pixels to leave out on each side.
        prior: (mean, covariance) of the 36 features; default: ours.
    """
    return distance(features(image, border)[0], *(prior or own_prior()))


def distance(measured, mean, covariance):
    """Returns the distance between the features of an image's blocks (blocks, 36) and a prior; NaN for one block."""
    usable = measured[~np.isnan(measured).any(axis=1)]
    if len(usable) < 2:
        return float("nan")
    difference = np.nanmean(measured, axis=0) - np.ravel(mean)
    inverse = np.linalg.pinv((covariance + np.cov(usable, rowvar=False)) / 2)
    return float(np.sqrt(difference @ inverse @ difference))


def fit(images):
    """Returns the prior of pristine photographs: (mean, covariance) of the features of their sharp blocks."""
    blocks = []
    for image in images:
        measured, sharpness = features(image)
        blocks.append(measured[sharpness >= SHARP * sharpness.max(initial=0.0)])
    blocks = np.concatenate([np.empty((0, 36)), *blocks])
    blocks = blocks[~np.isnan(blocks).any(axis=1)]
    if len(blocks) <= blocks.shape[1]:
        raise InputError(
            f"A prior takes more than {blocks.shape[1]} sharp blocks of {BLOCK} x {BLOCK} pixels, and there are "
            f"{len(blocks)}. Name more photographs."
        )
    return blocks.mean(axis=0), np.cov(blocks, rowvar=False)


def features(image, border=0):
    """Returns the features (blocks, 36) of an RGB image, column by column, and the mean deviation in each block."""
    inner = slice(border, -border or None)
    luma = np.round(rgb_to_y(to_uint8(image)[inner, inner]))
    rows, columns = (length // BLOCK for length in luma.shape)
    luma = luma[: rows * BLOCK, : columns * BLOCK]
    if not luma.size:
        return np.empty((0, 36)), np.empty(0)
    scales = []
    for block in (BLOCK, BLOCK // 2):
        normalized, deviation = _normalized(luma)
        scales.append(np.concatenate([*map(_column, _columns(normalized, block))]))
        if block == BLOCK:
            sharpness = np.concatenate([column.mean(axis=(1, 2)) for column in _columns(deviation, block)])
            luma = imresize(luma, 0.5)
    return np.concatenate(scales, axis=1), sharpness


def _normalized(luma):
    """The image with local mean 0 and deviation 1, and the deviation."""
    mean = _filtered(luma)
    deviation = np.sqrt(np.abs(_filtered(luma**2) - mean**2))
    difference = luma - mean
    difference[np.abs(difference) < ROUNDING] = 0  # so that what is flat has no features
    return difference / (deviation + 1), deviation


def _filtered(image):
    """The image, filtered with the Gaussian window; its edges are repeated."""
    height, width = image.shape
    padded = np.pad(image, len(WINDOW) // 2, "edge")
    rows = sum(weight * padded[tap : tap + height] for tap, weight in enumerate(WINDOW))
    return sum(weight * rows[:, tap : tap + width] for tap, weight in enumerate(WINDOW))


def _columns(image, block):
    """Each column of blocks (rows, block, block)."""
    for left in range(0, image.shape[1], block):
        yield image[:, left : left + block].reshape(-1, block, block)


def _column(blocks):
    """The 18 features of each block: of its values, and of their products with four neighbors."""
    shape, left, right = _asymmetric_gaussian(blocks)
    measured = [shape, (left + right) / 2]
    for shift in SHIFTS:
        shape, left, right = _asymmetric_gaussian(blocks * np.roll(blocks, shift, axis=(1, 2)))
        mean = (right - left) * _ratio(shape, 2, 1)
        measured += [shape, mean, left, right]
    return np.stack(measured, axis=1)


def _asymmetric_gaussian(blocks):
    """The shape, left scale and right scale of a generalized Gaussian that fits each block; NaN for a flat one."""
    values = blocks.reshape(len(blocks), -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        left, right = (_deviation(values, side) for side in (values < 0, values > 0))
        skew = left / right
        ratio = np.mean(np.abs(values), axis=1) ** 2 / np.mean(values**2, axis=1)
        ratio *= (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    shapes, expected = _shapes()
    above = np.searchsorted(expected, ratio).clip(1, len(shapes) - 1)
    shape = shapes[above - (ratio - expected[above - 1] <= expected[above] - ratio)]
    scale = np.sqrt(_ratio(shape, 1, 3))
    return shape, left * scale, right * scale


def _deviation(values, chosen):
    return np.sqrt(np.sum(np.where(chosen, values, 0) ** 2, axis=1) / np.sum(chosen, axis=1))


@functools.cache
def _shapes():
    """The shapes to choose from, and the squared mean over the mean square that each leads to, both ascending."""
    shapes = np.arange(0.2, 10.001, 0.001)
    return shapes, _ratio(shapes, 2, 1) * _ratio(shapes, 2, 3)


def _ratio(shape, above, below):
    """gamma(above / shape) / gamma(below / shape) of an array."""
    return np.array([math.exp(math.lgamma(above / each) - math.lgamma(below / each)) for each in shape])
