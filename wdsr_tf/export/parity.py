"""Compares an exported model with Keras: runs three images through the format's own runtime.

Differences are between values that are neither clipped nor rounded, in gray levels of 255; for `image` models, between
bytes. For the drawn image, we also compare the PSNR of both results, rounded, on RGB without a border.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable

import keras
import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.export.form import Form
from wdsr_tf.images import to_uint8
from wdsr_tf.images.resize import imresize
from wdsr_tf.models import SRModel

LIMITS = {"float32": 1e-2, "float16": 0.5, "int8": 255}  # gray levels; what int8 costs is measured in dB
IMAGE_LIMIT = 1  # gray levels: a rounding error decides values near a half
TINY, DRAWN, NOISE = (7, 5), (64, 96), (48, 40)  # height, width
RUNS, SECONDS = 5, 0.5  # timing ends after this many runs or seconds


@dataclasses.dataclass(frozen=True)
class Sample:
    """An image and Keras's output for it.

    Args:
        name: of the image.
        lr: the image (1, H, W, 3), uint8.
        sr: Keras's output, float32.
        hr: the image (scale * H, scale * W, 3) that `lr` was made from, if any.
    """

    name: str
    lr: np.ndarray
    sr: np.ndarray
    hr: np.ndarray | None = None


def samples(model: SRModel, tile: tuple[int, int] | None = None) -> list[Sample]:
    """Returns a tiny image, a drawn image and noise. With `tile`, all have this height and width."""
    random = np.random.default_rng(0)
    tiny = random.integers(0, 256, (*TINY, 3), dtype="uint8")
    noise = random.integers(0, 256, (*(tile or NOISE), 3), dtype="uint8")
    if tile:
        tiny = np.pad(tiny, [(0, tile[0] - TINY[0]), (0, tile[1] - TINY[1]), (0, 0)], mode="edge")
    height, width = tile or DRAWN
    hr = draw(height * model.scale, width * model.scale)
    lr = imresize(hr, 1 / model.scale)
    if model.scale == 1:  # such networks remove noise
        lr = np.clip(lr + random.normal(0, 5, lr.shape), 0, 255).astype("uint8")
    images = [("tiny", tiny, None), ("drawn", lr, hr), ("noise", noise, None)]
    return [Sample(name, lr[None], _keras(model, lr[None]), hr) for name, lr, hr in images]


def draw(height: int, width: int) -> np.ndarray:
    """Returns a uint8 image with what photographs have: shades, detail with a natural spectrum, and edges."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[:height, :width] / max(height, width)
    frequencies = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)) + 1 / max(height, width)
    detail = np.fft.irfft2(np.fft.rfft2(random.normal(size=(height, width))) / frequencies, s=(height, width))
    image = (128 + 35 * detail / detail.std())[..., None] + 30 * np.stack([x - 0.5, y - 0.5, 0.5 - x], axis=-1)
    for _ in range(12):
        (cx, cy, radius), color = random.uniform((0, 0, 0.02), (1, 1, 0.15)), random.uniform(-70, 70, 3)
        image[np.hypot(x - cx, y - cy) < radius] += color
    return np.clip(image, 0, 255).astype("uint8")


def measure(run: Callable, samples: Iterable[Sample], form: Form = Form()) -> dict:  # noqa: B008  (it is immutable)
    """Compares an exported model with Keras.

    Args:
        run: a function from the form's inputs to its outputs.
        samples: images with Keras's outputs.
        form: of the exported model.

    Returns:
        The `parity` entry of a model card: differences for each image, and the speed.

    Raises:
        InputError: a value differs by more than the limit, or an output has another shape or dtype.
    """
    limit = max(LIMITS[form.precision], IMAGE_LIMIT if form.image else 0)
    report = {"limit": limit, "pictures": {}}
    for sample in samples:
        lr = form.fed(sample.lr)
        sr = form.returned(np.asarray(run(lr)))
        report["pictures"][sample.name] = figures = _compared(sample, sr, form.image)
        if not figures["maximum"] <= limit:  # also if it is NaN
            raise InputError(
                f"The output differs from Keras by {figures['maximum']:.3g} of 255 on the image {sample.name!r}. The "
                f"limit is {limit:g}."
            )
        if sample.hr is not None:
            report["seconds_per_megapixel"] = _seconds(run, lr) / (sample.lr.shape[1] * sample.lr.shape[2] / 1e6)
    return report


def _compared(sample, sr, image):
    expected = to_uint8(sample.sr) if image else sample.sr
    if sr.shape != expected.shape or sr.dtype != expected.dtype:
        raise InputError(f"The output is {sr.dtype} {sr.shape} instead of {expected.dtype} {expected.shape}.")
    difference = np.abs(sr.astype("float64") - expected)
    figures = {
        "height": sample.lr.shape[1],
        "width": sample.lr.shape[2],
        "maximum": float(difference.max()),
        "mean": float(difference.mean()),
    }
    if sample.hr is not None and np.isfinite(sr).all():
        ours, theirs = (_psnr(to_uint8(result)[0], sample.hr) for result in (sr, expected))
        figures["psnr_difference"] = ours - theirs if ours != theirs else 0.0
    return figures


def _psnr(sr, hr):
    error = np.mean(np.square(sr.astype("float64") - hr))
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def _seconds(run, lr):
    """The fastest run's time. The model has already run once."""
    times = []
    while len(times) < RUNS and sum(times) < SECONDS:
        started = time.perf_counter()
        run(lr)
        times.append(time.perf_counter() - started)
    return min(times)


def _keras(model, lr):
    return keras.ops.convert_to_numpy(model(lr.astype("float32"), training=False))
