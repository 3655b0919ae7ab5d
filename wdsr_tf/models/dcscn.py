"""DCSCN: Fast and Accurate Image Super Resolution by Deep CNN with Skip Connection and Network in Network.

Yamanaka et al., ICONIP 2017, https://arxiv.org/abs/1707.05425; version 2 of
https://github.com/jiny2001/dcscn-super-resolution.

    lr -> luma -> body: chain of narrowing convolutions, all concatenated -> 1x1 (nin_a) and 1x1 -> 3x3 (nin_b),
       concatenated -> upsampler -> tail -> (+ bicubic luma) -> sr

DCSCN-12 is the variant on RGB with SELU in https://github.com/yu45020/Waifu2x.
"""

import math
from functools import partial

import keras
import numpy as np
from keras import layers

from wdsr_tf.errors import InputError, check_choice
from wdsr_tf.layers import PixelShuffle
from wdsr_tf.models.blocks import STAGES, denormalize, normalize
from wdsr_tf.models.luma import Luma, PreUpscale, ReplaceLuma
from wdsr_tf.models.registry import register


@register("dcscn", scales=(2, 3, 4), luma=True)
def dcscn(
    scale: int,
    *,
    num_filters: int = 196,
    min_filters: int = 48,
    num_layers: int = 12,
    gamma: float = 1.5,
    nin_filters: int = 64,
    nin_filters_2: int = 32,
    upsampler_filters: int = 0,
    upsampler: str = "shuffle",
    separable: bool = False,
    dropout: float = 0.2,
) -> keras.Model:
    """Builds the authors' DCSCN. The compact c-DCSCN is 32 / 8 / 7 / 1.2 / 24 / 8 / 1.

    The layers of the chain narrow from `num_filters` to `min_filters`, earlier with a greater `gamma`.
    `upsampler_filters=0` keeps the width of the upsampler's input. `upsampler="transposed"` upscales by a transposed
    convolution that starts as bilinear interpolation, rather than by pixel shuffles ("shuffle"). `separable` makes all
    convolutions depthwise separable.
    """
    check_choice("upsampler", upsampler, ("shuffle", "transposed"))
    if upsampler == "transposed" and upsampler_filters:
        raise InputError("upsampler='transposed' keeps the width of its input. Leave upsampler_filters at 0.")
    conv = partial(authors_conv, separable=separable)

    def layer(x, filters, size, name):
        x = conv(x, filters, size, name=name)
        x = layers.PReLU(keras.initializers.Constant(0.1), shared_axes=[1, 2], name=f"{name}_prelu")(x)
        return layers.Dropout(dropout, name=f"{name}_dropout")(x)

    lr = keras.Input((None, None, 3), name="lr")
    upscaled = PreUpscale(scale, "pillow-bicubic", name="enlarged")(lr)
    upscaled_luma = Luma(peak=255.0, name="enlarged_luma")(upscaled)

    x = Luma(peak=255.0, name="luma")(lr)
    x = chain(x, authors_widths(num_filters, min_filters, num_layers, gamma), layer)
    a = layer(x, nin_filters, 1, name="nin_a")
    b = layer(x, nin_filters_2, 1, name="nin_b_1")
    b = layer(b, nin_filters_2, 3, name="nin_b_2")
    x = layers.Concatenate(name="nin_concat")([b, a])

    x = transposed(x, scale) if upsampler == "transposed" else shuffle(x, scale, upsampler_filters or x.shape[-1], conv)
    x = conv(x, 1, 3, use_bias=False, name="tail")
    x = layers.Add(dtype="float32", name="luma_add")([x, upscaled_luma])
    return keras.Model(lr, ReplaceLuma(peak=255.0, name="sr")([upscaled, x]))


@register("dcscn-12", scales=(2, 3, 4))
def dcscn_12(
    scale: int,
    *,
    num_filters: int = 196,
    min_filters: int = 48,
    num_layers: int = 12,
    nin_filters: int = 128,
    upsampler_filters: int = 32,
) -> keras.Model:
    """Builds yu45020's DCSCN, whose widths fall exponentially. The published weights have `nin_filters=64`."""

    def layer(x, filters, size, name):
        x = waifu2x_conv(x, filters, size, name=name)
        return layers.Activation("selu", name=f"{name}_selu")(x)

    lr = keras.Input((None, None, 3), name="lr")
    x = normalized = normalize(lr, np.zeros(3), 255.0)
    x = chain(x, exponential_widths(num_filters, min_filters, num_layers), layer)
    a = layer(x, nin_filters, 1, name="nin_a")
    b = layer(x, nin_filters // 2, 1, name="nin_b_1")
    b = layer(b, nin_filters, 3, name="nin_b_2")
    x = layers.Concatenate(name="nin_concat")([a, b])

    x = layer(x, upsampler_filters * scale**2, 3, name=f"upsampler_x{scale}")
    x = PixelShuffle(scale, name="upsampler_shuffle")(x)
    x = waifu2x_conv(x, 3, 3, use_bias=False, name="tail")
    upscaled = PreUpscale(scale, "bilinear", name="enlarged")(normalized)
    x = layers.Add(dtype="float32", name="enlarged_add")([x, upscaled])
    return keras.Model(lr, denormalize(x, np.zeros(3), 255.0))


def authors_widths(first, last, num_layers, gamma):
    """The authors' widths: 196 166 148 133 120 108 97 86 76 66 57 48 for 196 to 48 in 12 layers with gamma 1.5."""
    falls = (1 - (i / max(1, num_layers - 1)) ** (1 / gamma) for i in range(num_layers))
    return [int((first - last) * fall + last) for fall in falls]


def exponential_widths(first, last, num_layers):
    """yu45020's widths: 196 172 152 134 118 103 91 80 70 62 55 48 for 196 to 48 in 12 layers."""
    return [round(first * math.exp(-i * math.log(first / last) / max(1, num_layers - 1))) for i in range(num_layers)]


def chain(x, widths, layer):
    """A sequence of layers; returns all of their outputs, concatenated."""
    features = []
    for i, filters in enumerate(widths):
        x = layer(x, filters, 3, name=f"body_{i}")
        features.append(x)
    return layers.Concatenate(name="body_concat")(features)


def shuffle(x, scale, filters, conv):
    """Convolution and pixel shuffle, twice at x4, without activation. Only the last convolution changes the width."""
    for i, factor in enumerate(STAGES[scale], start=1):
        width = filters if i == len(STAGES[scale]) else x.shape[-1]
        x = conv(x, width * factor**2, 3, name=f"upsampler_x{factor}_{i}")
        x = PixelShuffle(factor, name=f"upsampler_x{factor}_{i}_shuffle")(x)
    return x


def transposed(x, scale):
    """A transposed convolution that starts as bilinear interpolation of each channel."""
    kwargs = {"padding": "same", "use_bias": False, "kernel_initializer": bilinear}
    size = 2 * scale - scale % 2
    return layers.Conv2DTranspose(x.shape[-1], size, strides=scale, name=f"upsampler_x{scale}", **kwargs)(x)


def bilinear(shape, dtype=None):
    """The kernel of a transposed convolution that upscales bilinearly: a tent on the diagonal of the channels."""
    size, _, channels, _ = shape
    tent = 1 - np.abs(np.arange(size) - (size - 1) / 2) / ((size + 1) // 2)
    kernel = np.outer(tent, tent)[..., None, None] * np.eye(channels)
    return keras.ops.convert_to_tensor(kernel, dtype)


def authors_conv(x, filters, size, *, name, separable=False, use_bias=True):
    """A convolution with He initialization, truncated at two deviations as in TensorFlow 1."""
    kwargs = {"padding": "same", "use_bias": use_bias, "name": name}
    channels = x.shape[-1]
    if not separable:
        return layers.Conv2D(filters, size, kernel_initializer=he(size**2 * channels), **kwargs)(x)
    init = {"depthwise_initializer": he(size**2 * channels), "pointwise_initializer": he(channels)}
    return layers.SeparableConv2D(filters, size, **init, **kwargs)(x)


def he(fan_in):
    return keras.initializers.TruncatedNormal(stddev=math.sqrt(2 / fan_in))


def waifu2x_conv(x, filters, size, *, name, use_bias=True):
    """A convolution initialized as in yu45020/Waifu2x: the deviation is 1 / sqrt(number of weights)."""
    init = keras.initializers.RandomNormal(stddev=(size**2 * x.shape[-1] * filters) ** -0.5)
    kwargs = {"padding": "same", "use_bias": use_bias, "kernel_initializer": init}
    return layers.Conv2D(filters, size, name=name, **kwargs)(x)
