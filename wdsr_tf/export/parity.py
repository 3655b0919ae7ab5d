"""Proof that an exported network computes what Keras does: three pictures through the format's own runtime.

A difference is that between the values, neither clipped nor rounded, in gray levels of 255 (`image` networks: between
bytes). The difference in PSNR is that of the two results, rounded, to the picture that the drawn one was shrunk from:
RGB, the whole picture.
"""

import dataclasses
import time

import keras
import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.evaluation.metrics import psnr
from wdsr_tf.images import to_uint8
from wdsr_tf.images.resize import imresize

LIMITS = {"float32": 1e-2, "float16": 0.5}  # gray levels
IMAGE_LIMIT = 1  # gray levels: on either side of a half, a rounding error decides
TINY, DRAWN, NOISE = (7, 5), (64, 96), (48, 40)  # height, width
ENOUGH = 0.5  # seconds that are measured, or TIMES runs
TIMES = 5


@dataclasses.dataclass(frozen=True)
class Sample:
    """A picture `lr` (1, H, W, 3), uint8, what Keras makes of it, and what it was shrunk from, where it was."""

    name: str
    lr: np.ndarray
    sr: np.ndarray
    hr: np.ndarray | None = None


def samples(model, tile=None):
    """The three `Sample`s; with `tile` all of that size, the tiny one continued by its last row and column."""
    random = np.random.default_rng(0)
    tiny = random.integers(0, 256, (*TINY, 3), dtype="uint8")
    noise = random.integers(0, 256, (tile or NOISE[0], tile or NOISE[1], 3), dtype="uint8")
    if tile:
        tiny = np.pad(tiny, [(0, tile - TINY[0]), (0, tile - TINY[1]), (0, 0)], mode="edge")
    height, width = (tile, tile) if tile else DRAWN
    hr = draw(height * model.scale, width * model.scale)
    lr = imresize(hr, 1 / model.scale)
    if model.scale == 1:  # such networks take noise away
        lr = np.clip(lr + random.normal(0, 5, lr.shape), 0, 255).astype("uint8")
    pictures = [("tiny", tiny, None), ("drawn", lr, hr), ("noise", noise, None)]
    return [Sample(name, lr[None], _keras(model, lr[None]), hr) for name, lr, hr in pictures]


def draw(height, width):
    """A picture as photographs are: shades, detail that falls with its frequency as in nature, and edges; uint8."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[:height, :width] / max(height, width)
    frequencies = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)) + 1 / max(height, width)
    detail = np.fft.irfft2(np.fft.rfft2(random.normal(size=(height, width))) / frequencies, s=(height, width))
    picture = (128 + 35 * detail / detail.std())[..., None] + 30 * np.stack([x - 0.5, y - 0.5, 0.5 - x], axis=-1)
    for _ in range(12):
        (cx, cy, radius), color = random.uniform((0, 0, 0.02), (1, 1, 0.15)), random.uniform(-70, 70, 3)
        picture[np.hypot(x - cx, y - cy) < radius] += color
    return np.clip(picture, 0, 255).astype("uint8")


def measure(run, given, precision, image):
    """The report on `run`, a dictionary for JSON; InputError where it differs too much from what was `given`."""
    limit = IMAGE_LIMIT if image else LIMITS[precision]
    report = {"limit": limit, "pictures": {}}
    for sample in given:
        lr = sample.lr if image else sample.lr.astype("float32")
        sr = np.asarray(run(lr))
        report["pictures"][sample.name] = figures = _compared(sample, sr, image)
        if not figures["maximum"] <= limit:  # NaN is no less
            raise InputError(
                f"differs from Keras by {figures['maximum']:.3g} of 255 on the picture {sample.name}, and {limit:g} is "
                "allowed"
            )
        if sample.hr is not None:
            report["seconds_per_megapixel"] = _seconds(run, lr) / (lr.shape[1] * lr.shape[2] / 1e6)
    return report


def _compared(sample, sr, image):
    expected = to_uint8(sample.sr) if image else sample.sr
    if sr.shape != expected.shape or sr.dtype != expected.dtype:
        raise InputError(f"returns {sr.dtype} {sr.shape} where {expected.dtype} {expected.shape} was due")
    difference = np.abs(sr.astype("float64") - expected)
    figures = {
        "height": sample.lr.shape[1],
        "width": sample.lr.shape[2],
        "maximum": float(difference.max()),
        "mean": float(difference.mean()),
    }
    if sample.hr is not None and np.isfinite(sr).all():
        ours, theirs = (psnr(to_uint8(picture)[0], sample.hr) for picture in (sr, expected))
        figures["psnr_difference"] = ours - theirs if ours != theirs else 0.0
    return figures


def _seconds(run, lr):
    """Of the fastest run, behind one that was not measured."""
    times = []
    while len(times) < TIMES and sum(times) < ENOUGH:
        started = time.perf_counter()
        run(lr)
        times.append(time.perf_counter() - started)
    return min(times)


def _keras(model, lr):
    return keras.ops.convert_to_numpy(model(lr.astype("float32"), training=False))
