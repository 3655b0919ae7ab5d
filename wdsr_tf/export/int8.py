"""int8 exports: what they are calibrated on, and what they cost in dB.

Calibration images and the measurement are those of the engine 'openvino', see `inference/engines/quantize.py`.
"""

import functools
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from wdsr_tf.export.form import Form
from wdsr_tf.inference.engines import quantize
from wdsr_tf.models import SRModel


class Calibration:
    """Samples of images for one model.

    Args:
        model: in float32.
        images: image or folder of images; None is this project's demo images.
    """

    def __init__(self, model: SRModel, images: str | Path | None = None):
        self.model = model
        self.pictures = quantize.find_pictures(images)

    @functools.cached_property
    def samples(self):
        """The patches and the pairs of `quantize.samples`."""
        return quantize.samples(self.pictures, self.model.scale)

    def patches(self, form: Form) -> list[np.ndarray]:
        """Returns inputs of the form to measure ranges on."""
        return [form.fed(fitted(patch, form.tile)) for patch in self.samples[0]]

    def report(self, run: Callable, form: Form) -> dict:
        """Returns the `int8` entry of a card: the `loss` in dB of `run`, a function on the form's inputs."""
        scale = self.model.scale

        def exact(lr):
            return keras.ops.convert_to_numpy(self.model(fitted(lr, form.tile), training=False))

        def int8(lr):
            return form.returned(run(form.fed(fitted(lr, form.tile))))

        def cut(upscale):
            return lambda lr: upscale(lr)[:, : lr.shape[1] * scale, : lr.shape[2] * scale]

        pairs = self.samples[1]
        if form.tile:
            height, width = form.tile
            pairs = [(lr[:height, :width], hr[: height * scale, : width * scale]) for lr, hr in pairs]
        loss = quantize.loss(cut(exact), cut(int8), pairs, scale)
        return {"loss": loss, "limit": quantize.LIMIT, "calibration": quantize.described(self.pictures)}


def fitted(lr: np.ndarray, tile: tuple[int, int] | None) -> np.ndarray:
    """Returns images (N, H, W, 3) cut, or continued by their mirror image, to the size of the tile."""
    if tile is None:
        return lr
    lr = lr[:, : tile[0], : tile[1]]
    missing = [(0, side - length) for side, length in zip(tile, lr.shape[1:3], strict=True)]
    return np.pad(lr, [(0, 0), *missing, (0, 0)], mode="symmetric")
