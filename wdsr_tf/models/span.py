"""SPAN: Swift Parameter-free Attention Network for Efficient Super-Resolution.

Wan et al., CVPRW 2024, https://arxiv.org/abs/2311.12770, https://github.com/hongyuanyu/SPAN.

    lr -> normalize -> head -> 6 attention blocks -> concat(head, conv(6th), 1st, inside of 6th) -> 1x1 -> pixel shuffle

In training every 3x3 convolution is three branches; `fold` makes one convolution of them with the same output.
"""

import keras
import numpy as np
from keras import layers

from wdsr_tf.div2k import DIV2K_MEAN
from wdsr_tf.errors import InputError
from wdsr_tf.layers import BranchedConv2D, PixelShuffle
from wdsr_tf.models import blocks
from wdsr_tf.models.registry import register

BLOCKS = 6
NORMALIZATIONS = {  # name -> (mean, factor) of RGB in 0..1; published files don't record it
    "div2k": (DIV2K_MEAN / 255, 255.0),
    "imagenet": (np.array([0.485, 0.456, 0.406]), 1.0),
    "none": (np.zeros(3), 1.0),
}


@register("span", scales=(1, 2, 3, 4))
def span(scale, *, num_filters=48, branches=False, normalization="div2k"):
    """Builds SPAN with 48 filters (published networks also have 52).

    `branches` is the form that trains best; without, each convolution is the plain one that they fold into.
    `normalization` is "div2k" (mean of DIV2K, range 255), "imagenet" (mean of ImageNet, range 1) or "none".
    """
    if normalization not in NORMALIZATIONS:
        raise InputError(f"Unknown normalization {normalization!r} of SPAN. Choose one of {', '.join(NORMALIZATIONS)}.")
    mean, factor = NORMALIZATIONS[normalization]
    lr = keras.Input((None, None, 3), name="lr")
    offset = (-mean * factor).tolist()
    x = layers.Rescaling(factor / 255, offset=offset, dtype="float32", name="normalize")(lr)
    x = head = conv(x, num_filters, branches, name="head")
    for i in range(1, BLOCKS + 1):
        x, inside = attention_block(x, branches, name=f"body_{i}")
        if i == 1:
            first = x
    x = conv(x, num_filters, branches, name="body_out")
    x = layers.Concatenate(name="fusion_concat")([head, x, first, inside])
    x = blocks.conv(x, num_filters, 1, name="fusion", init="pytorch")
    x = blocks.conv(x, 3 * scale**2, 3, name=f"tail_x{scale}", init="pytorch", dtype="float32")
    if scale > 1:
        x = PixelShuffle(scale, dtype="float32", name="tail_shuffle")(x)
    return keras.Model(lr, layers.Rescaling(255.0, dtype="float32", name="sr")(x))


def attention_block(x, branches, name):
    """Three convolutions, whose result is also its own attention; returns the output and the first activation."""
    filters = x.shape[-1]
    inside = layers.Activation("silu", name=f"{name}_silu_1")(conv(x, filters, branches, name=f"{name}_conv_1"))
    y = layers.Activation("silu", name=f"{name}_silu_2")(conv(inside, filters, branches, name=f"{name}_conv_2"))
    y = conv(y, filters, branches, name=f"{name}_conv_3")
    attention = layers.Activation("sigmoid", name=f"{name}_sigmoid")(y)
    attention = layers.Rescaling(1.0, offset=-0.5, name=f"{name}_attention")(attention)
    return layers.Multiply(name=f"{name}_mul")([layers.Add(name=f"{name}_add")([y, x]), attention]), inside


def conv(x, filters, branches, name):
    """A 3x3 convolution, in three branches if `branches`."""
    if branches:
        return BranchedConv2D(filters, name=name)(x)
    return blocks.conv(x, filters, 3, name=name, init="pytorch")
