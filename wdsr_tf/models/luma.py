"""Layers for networks that process luma alone, or that interpolate their input first.

They compute in float32 whatever the dtype policy, and as sums of products, because accelerators round the factors of
matrix products and convolutions to fewer digits. The sums are reductions, because TensorFlow reorders chains of
additions differently in every process, so that the last bits would change from run to run.
"""

import dataclasses

import keras
import numpy as np
from keras import layers, ops

from wdsr_tf.errors import check_choice
from wdsr_tf.images.resize import imresize
from wdsr_tf.models.registry import center_crop


@dataclasses.dataclass(frozen=True)
class Colors:
    """A conversion between RGB and luma, both in 0..255.

    `Y = luma @ RGB + offset`; a new Y with a pixel's old chroma is `RGB = gain * (Y - offset) + chroma @ RGB`.
    """

    luma: np.ndarray
    offset: float
    gain: float
    chroma: np.ndarray


def _bt601():
    """MATLAB's rgb2ycbcr, 16..235. With constant Cb and Cr, a change of luma moves R, G and B by the same amount."""
    luma, gain = np.array([65.481, 128.553, 24.966]) / 255, 255 / 219
    return Colors(luma, 16.0, gain, np.eye(3) - gain * luma)


def _full_range():
    """The matrices of Scthe/SRCNN-PyTorch with their three decimals, 0..255."""
    pr, pb = np.array([0.5, -0.419, -0.081]), np.array([-0.169, -0.331, 0.5])
    chroma = np.stack([1.402 * pr, -0.344 * pb - 0.714 * pr, 1.772 * pb])
    return Colors(np.array([0.2989, 0.587, 0.114]), 0.0, 1.0, chroma)


def _yuv():
    """waifu2x's YUV, 0..255. With constant U and V, a change of luma moves R, G and B by the same amount."""
    luma = np.array([0.299, 0.587, 0.114])
    return Colors(luma, 0.0, 1.0, np.eye(3) - luma)


COLORS = {"bt601": _bt601(), "full-range": _full_range(), "yuv": _yuv()}
FILTERS = ("bicubic", "pillow-bicubic", "bilinear")


@keras.saving.register_keras_serializable("wdsr_tf")
class Luma(layers.Layer):
    """Converts RGB in 0..255 to luma.

    Args:
        colors: "bt601" (MATLAB's rgb2ycbcr), "full-range" (Scthe/SRCNN-PyTorch) or "yuv" (waifu2x).
        peak: what 255 becomes.
    """

    def __init__(self, colors: str = "bt601", peak: float = 1.0, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.colors = check_choice("color conversion", colors, COLORS)
        self.peak = peak

    def call(self, rgb):
        colors = COLORS[self.colors]
        return _weighted(rgb, colors.luma * self.peak / 255) + colors.offset * self.peak / 255

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 1)

    def get_config(self):
        return super().get_config() | {"colors": self.colors, "peak": self.peak}


@keras.saving.register_keras_serializable("wdsr_tf")
class ReplaceLuma(layers.Layer):
    """Takes [RGB in 0..255, luma], crops the center of RGB to the size of the luma, and replaces its luma.

    Args:
        colors: as in `Luma`.
        peak: as in `Luma`.
    """

    def __init__(self, colors: str = "bt601", peak: float = 1.0, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.colors = check_choice("color conversion", colors, COLORS)
        self.peak = peak

    def call(self, inputs):
        rgb, y = inputs
        colors = COLORS[self.colors]
        rgb = center_crop(rgb, like=y)
        chroma = ops.concatenate([_weighted(rgb, row) for row in colors.chroma], axis=-1)
        return chroma + (colors.gain * 255 / self.peak) * y - colors.gain * colors.offset

    def compute_output_shape(self, input_shape):
        return (*input_shape[1][:-1], 3)

    def get_config(self):
        return super().get_config() | {"colors": self.colors, "peak": self.peak}


@keras.saving.register_keras_serializable("wdsr_tf")
class PreUpscale(layers.Layer):
    """Upscales images of any size by interpolation.

    Args:
        scale: upscaling factor, an integer.
        filter: "bicubic" is MATLAB's imresize (a = -0.5), which mirrors the image at its borders. "pillow-bicubic"
            is the same inside, but ignores pixels beyond the borders and renormalizes the other weights. "bilinear"
            is the same in Pillow, MATLAB and PyTorch.
    """

    def __init__(self, scale: int, filter: str = "bicubic", dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.scale = scale
        self.filter = check_choice("filter", filter, FILTERS)

    def call(self, inputs):
        return self._upscale(self._upscale(inputs, axis=1), axis=2)

    def _upscale(self, x, axis):
        length = ops.shape(x)[axis]
        taps, inside = [], []
        for offset in range(-2, 3):
            index = ops.arange(length, dtype="int32") + offset
            mirrored = index % (2 * length)
            taps.append(ops.take(x, ops.minimum(mirrored, 2 * length - 1 - mirrored), axis=axis))
            within = ops.cast(ops.logical_and(index >= 0, index < length), x.dtype)
            inside.append(ops.reshape(within, (-1, 1, 1) if axis == 1 else (-1, 1)))

        renormalize = self.filter == "pillow-bicubic"
        phases = []
        for weights in filter_weights(self.scale, self.filter).tolist():
            terms = [(w * inside[k] if renormalize else w, taps[k]) for k, w in enumerate(weights) if w]
            phase = ops.sum(ops.stack([w * tap for w, tap in terms]), axis=0)
            phases.append(phase / sum(w for w, _ in terms) if renormalize else phase)
        shape = list(ops.shape(x))
        shape[axis] = length * self.scale
        return ops.reshape(ops.stack(phases, axis=axis + 1), shape)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (batch, height and height * self.scale, width and width * self.scale, channels)

    def get_config(self):
        return super().get_config() | {"scale": self.scale, "filter": self.filter}


def filter_weights(scale: int, filter: str) -> np.ndarray:
    """Returns an array (scale, 5): the weight in output pixel p of the input pixel at the offset k - 2."""
    if filter == "bilinear":
        center = (np.arange(scale) + 0.5) / scale - 0.5
        return np.maximum(0, 1 - np.abs(center[:, None] - np.arange(-2, 3)))
    return imresize(np.eye(5), size=(5 * scale, 5))[2 * scale : 3 * scale]


def _weighted(rgb, weights):
    return ops.sum(rgb * ops.convert_to_tensor(weights, rgb.dtype), axis=-1, keepdims=True)
