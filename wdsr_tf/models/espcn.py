"""ESPCN: Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network.

Shi et al., CVPR 2016, https://arxiv.org/abs/1609.05158.

    lr -> luma -> head (5x5) -> body (3x3) -> tail (3x3) -> pixel shuffle -> sr

ESPCN-7 is the deeper variant on RGB in https://github.com/yu45020/Waifu2x:

    lr -> clip -> body: 6 x (conv -> SELU, optionally a selection unit) -> tail -> pixel shuffle -> clip -> sr
"""

import keras
import numpy as np
from keras import layers

from wdsr_tf.errors import check_choice
from wdsr_tf.layers import PixelShuffle
from wdsr_tf.models.blocks import conv, denormalize, normalize, pytorch_init
from wdsr_tf.models.luma import Luma, PreUpscale, ReplaceLuma
from wdsr_tf.models.registry import register


@register("espcn", scales=(2, 3, 4), luma=True)
def espcn(scale: int, *, num_filters: int = 64) -> keras.Model:
    """Builds the paper's ESPCN 5-3-3. The colors are those of the bicubically upscaled input."""
    lr = keras.Input((None, None, 3), name="lr")
    x = Luma(name="luma")(lr)
    x = conv(x, num_filters, 5, name="head")
    x = layers.Activation("tanh", name="head_tanh")(x)
    x = conv(x, num_filters // 2, 3, name="body")
    x = layers.Activation("tanh", name="body_tanh")(x)
    y = tail(x, scale, channels=1)
    return keras.Model(lr, ReplaceLuma(name="sr")([PreUpscale(scale, name="enlarged")(lr), y]))


@register("espcn-7", scales=(2, 3, 4))
def espcn_7(scale: int, *, num_filters: int = 64, selection_unit: str | None = None) -> keras.Model:
    """Builds ESPCN-7, whose six layers have 1, 1, 2, 2, 4 and 4 times `num_filters` filters.

    `selection_unit="gate"` multiplies the features by a gate (Choi and Kim, 2017). `"replace"` replaces them by it, as
    in the code of yu45020/Waifu2x.
    """
    check_choice("selection unit", selection_unit, (None, "gate", "replace"))
    lr = keras.Input((None, None, 3), name="lr")
    x = clip(normalize(lr, np.zeros(3), 255.0), name="lr_clip")
    for i, factor in enumerate((1, 1, 2, 2, 4, 4)):
        x = conv(x, factor * num_filters, 3, name=f"body_{i}", init="pytorch")
        x = layers.Activation("selu", name=f"body_{i}_selu")(x)
        if selection_unit:
            x = select(x, selection_unit, name=f"body_{i}_select")
    # With zero bias, half of the outputs would start below the clip and stay there without a gradient.
    init = pytorch_init(x, 3) | {"bias_initializer": keras.initializers.Constant(0.5)}
    x = clip(tail(x, scale, channels=3, init=init), name="sr_clip")
    return keras.Model(lr, denormalize(x, np.zeros(3), 255.0))


def select(x, selection_unit, name):
    """sigmoid(conv(x)) ("replace") or x * sigmoid(conv(ReLU(x))) ("gate")."""
    gated = layers.ReLU(name=f"{name}_relu")(x) if selection_unit == "gate" else x
    gate = layers.Conv2D(x.shape[-1], 1, activation="sigmoid", name=name, **pytorch_init(gated, 1))(gated)
    return layers.Multiply(name=f"{name}_multiply")([x, gate]) if selection_unit == "gate" else gate


def tail(x, scale, channels, init=None):
    """Convolution and pixel shuffle in float32: the output is the image, where half precision would be visible."""
    kwargs = {"padding": "same", "dtype": "float32", **(init or {})}
    x = layers.Conv2D(channels * scale**2, 3, name=f"tail_x{scale}", **kwargs)(x)
    return PixelShuffle(scale, dtype="float32", name="tail_shuffle")(x)


def clip(x, name):
    """Clips to 0..1."""
    return layers.ReLU(max_value=1.0, dtype="float32", name=name)(x)
