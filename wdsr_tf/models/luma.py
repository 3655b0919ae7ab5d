"""For networks that see luma alone, or a picture enlarged beforehand: enlargement, luma, and the way back to RGB.

These layers compute in float32 whatever the dtype policy, and by sums of products: accelerators round the factors of
matrix products and convolutions to fewer digits. The sums are reductions, because TensorFlow reorders chains of
additions, differently in every process, and the last bits would differ from run to run.
"""

import dataclasses

import keras
import numpy as np
from keras import layers, ops

from wdsr_tf.errors import InputError
from wdsr_tf.images.resize import imresize
from wdsr_tf.models.registry import center_crop


@dataclasses.dataclass(frozen=True)
class Colors:
    """How luma is taken from RGB and put back, everything in 0..255.

    `Y = luma . RGB + offset`, and back `RGB = gain * (Y - offset) + chroma @ RGB`: a pixel's chroma and a new luma.
    """

    luma: np.ndarray
    offset: float
    gain: float
    chroma: np.ndarray


def _bt601():
    """MATLAB's rgb2ycbcr: studio swing, 16..235. Keeping Cb and Cr moves R, G and B by the same amount."""
    luma, gain = np.array([65.481, 128.553, 24.966]) / 255, 255 / 219
    return Colors(luma, 16.0, gain, np.eye(3) - gain * luma)


def _full_range():
    """Seed 002's matrices with their three decimals, 0..255: https://github.com/Scthe/SRCNN-PyTorch."""
    pr, pb = np.array([0.5, -0.419, -0.081]), np.array([-0.169, -0.331, 0.5])
    chroma = np.stack([1.402 * pr, -0.344 * pb - 0.714 * pr, 1.772 * pb])
    return Colors(np.array([0.2989, 0.587, 0.114]), 0.0, 1.0, chroma)


def _yuv():
    """Analogue YUV, 0..255, as waifu2x takes it. Keeping U and V moves R, G and B by the same amount."""
    luma = np.array([0.299, 0.587, 0.114])
    return Colors(luma, 0.0, 1.0, np.eye(3) - luma)


COLORS = {"bt601": _bt601(), "full-range": _full_range(), "yuv": _yuv()}
FILTERS = ("bicubic", "pillow-bicubic", "bilinear")


@keras.saving.register_keras_serializable("wdsr_tf")
class Luma(layers.Layer):
    """RGB in 0..255 to luma as the `colors` "bt601", "full-range" or "yuv" define it, times `peak` / 255."""

    def __init__(self, colors="bt601", peak=1.0, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.colors = _known("colors", colors, COLORS)
        self.peak = peak

    def call(self, rgb):
        how = COLORS[self.colors]
        return _weighted(rgb, how.luma * self.peak / 255) + how.offset * self.peak / 255

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 1)

    def get_config(self):
        return super().get_config() | {"colors": self.colors, "peak": self.peak}


@keras.saving.register_keras_serializable("wdsr_tf")
class ReplaceLuma(layers.Layer):
    """[RGB in 0..255, luma in the units of `Luma`] to RGB in 0..255 with that luma and the picture's own chroma.

    RGB is cropped at its center to the size of the luma.
    """

    def __init__(self, colors="bt601", peak=1.0, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.colors = _known("colors", colors, COLORS)
        self.peak = peak

    def call(self, inputs):
        rgb, y = inputs
        how = COLORS[self.colors]
        rgb = center_crop(rgb, like=y)
        chroma = ops.concatenate([_weighted(rgb, row) for row in how.chroma], axis=-1)
        return chroma + (how.gain * 255 / self.peak) * y - how.gain * how.offset

    def compute_output_shape(self, input_shape):
        return (*input_shape[1][:-1], 3)

    def get_config(self):
        return super().get_config() | {"colors": self.colors, "peak": self.peak}


@keras.saving.register_keras_serializable("wdsr_tf")
class PreUpscale(layers.Layer):
    """Enlarges pictures of any size by the whole number `scale`, with one of three filters:

    bicubic         MATLAB's imresize (a = -0.5), which mirrors the picture at its borders
    pillow-bicubic  the same inside; at the borders what lies outside is left out, and the other weights grow
    bilinear        Pillow's, which is MATLAB's and PyTorch's too
    """

    def __init__(self, scale, filter="bicubic", dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.scale = scale
        self.filter = _known("filter", filter, FILTERS)

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

        cut = self.filter == "pillow-bicubic"
        phases = []
        for weights in filter_weights(self.scale, self.filter).tolist():
            terms = [(w * inside[k] if cut else w, taps[k]) for k, w in enumerate(weights) if w]
            phase = ops.sum(ops.stack([w * tap for w, tap in terms]), axis=0)
            phases.append(phase / sum(w for w, _ in terms) if cut else phase)
        shape = list(ops.shape(x))
        shape[axis] = length * self.scale
        return ops.reshape(ops.stack(phases, axis=axis + 1), shape)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (batch, height and height * self.scale, width and width * self.scale, channels)

    def get_config(self):
        return super().get_config() | {"scale": self.scale, "filter": self.filter}


def filter_weights(scale, filter):
    """Row p, column k: how much output pixel p of `scale` takes from the input pixel at the offset k - 2."""
    if filter == "bilinear":
        center = (np.arange(scale) + 0.5) / scale - 0.5
        return np.maximum(0, 1 - np.abs(center[:, None] - np.arange(-2, 3)))
    return imresize(np.eye(5), size=(5 * scale, 5))[2 * scale : 3 * scale]


def _weighted(rgb, weights):
    return ops.sum(rgb * ops.convert_to_tensor(weights, rgb.dtype), axis=-1, keepdims=True)


def _known(what, given, known):
    if given not in known:
        raise InputError(f"{what} is {given!r}; it can be {', '.join(known)}")
    return given
