"""ESPCN: Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network.

Shi et al., CVPR 2016, https://arxiv.org/abs/1609.05158.

    lr -> luma -> head (5x5) -> body (3x3) -> tail (3x3) -> pixel shuffle -> sr

ESPCN-7 is seed 001's deeper variant on RGB, https://github.com/yu45020/Waifu2x:

    lr -> clip -> 6 x (conv -> SELU, or with a selection unit) -> tail -> pixel shuffle -> clip -> sr
"""

import keras
import numpy as np
from keras import layers

from wdsr_tf.errors import InputError
from wdsr_tf.layers import PixelShuffle
from wdsr_tf.models.blocks import conv, denormalize, normalize, pytorch_init
from wdsr_tf.models.luma import Luma, PreUpscale, ReplaceLuma
from wdsr_tf.models.registry import register

SELECTION_UNITS = (None, "seed", "gate")


@register("espcn", scales=(2, 3, 4), luma=True)
def espcn(scale, *, num_filters=64):
    """Builds the paper's ESPCN 5-3-3; the colors are those of the bicubic enlargement."""
    lr = keras.Input((None, None, 3), name="lr")
    x = Luma(name="luma")(lr)
    x = conv(x, num_filters, 5, name="head")
    x = layers.Activation("tanh", name="head_tanh")(x)
    x = conv(x, num_filters // 2, 3, name="body")
    x = layers.Activation("tanh", name="body_tanh")(x)
    y = in_full_precision(x, scale, channels=1)
    return keras.Model(lr, ReplaceLuma(name="sr")([PreUpscale(scale, name="enlarged")(lr), y]))


@register("espcn-7", scales=(2, 3, 4))
def espcn_7(scale, *, num_filters=64, selection_unit=None):
    """Builds ESPCN-7, whose six layers are 1, 1, 2, 2, 4 and 4 times `num_filters` wide.

    `selection_unit="gate"` multiplies features by a gate (Choi and Kim, 2017); "seed" replaces features by their gate,
    as seed 001's code did.
    """
    if selection_unit not in SELECTION_UNITS:
        raise InputError(f"selection_unit is {selection_unit!r}; it can be None, 'seed' or 'gate'")
    lr = keras.Input((None, None, 3), name="lr")
    x = clip(normalize(lr, np.zeros(3), 255.0), name="lr_clip")
    for i, factor in enumerate((1, 1, 2, 2, 4, 4)):
        x = conv(x, factor * num_filters, 3, name=f"body_{i}", init="pytorch")
        x = layers.Activation("selu", name=f"body_{i}_selu")(x)
        if selection_unit:
            x = select(x, selection_unit, name=f"body_{i}_select")
    # From zero, half of the outputs would begin below the clip and stay there, without a gradient.
    init = pytorch_init(x, 3) | {"bias_initializer": keras.initializers.Constant(0.5)}
    x = clip(in_full_precision(x, scale, channels=3, init=init), name="sr_clip")
    return keras.Model(lr, denormalize(x, np.zeros(3), 255.0))


def select(x, selection_unit, name):
    """The seed's sigmoid(conv(x)), or the gate x * sigmoid(conv(ReLU(x)))."""
    gated = layers.ReLU(name=f"{name}_relu")(x) if selection_unit == "gate" else x
    gate = layers.Conv2D(x.shape[-1], 1, activation="sigmoid", name=name, **pytorch_init(gated, 1))(gated)
    return layers.Multiply(name=f"{name}_multiply")([x, gate]) if selection_unit == "gate" else gate


def in_full_precision(x, scale, channels, init=None):
    """Tail and pixel shuffle in float32: they make the picture itself, on which half precision would show."""
    kind = {"padding": "same", "dtype": "float32", **(init or {})}
    x = layers.Conv2D(channels * scale**2, 3, name=f"tail_x{scale}", **kind)(x)
    return PixelShuffle(scale, dtype="float32", name="tail_shuffle")(x)


def clip(x, name):
    """Clips to 0..1."""
    return layers.ReLU(max_value=1.0, dtype="float32", name=name)(x)
