"""IMDN: Lightweight Image Super-Resolution with Information Multi-distillation Network.

Hui et al., ACM MM 2019, https://arxiv.org/abs/1909.11856, https://github.com/Zheng222/IMDN.

    lr -> head -> 6 blocks -> 1x1 over all outputs -> conv -> (+ head) -> conv -> pixel shuffle -> sr

A block keeps a quarter of the channels after each of its convolutions and refines the rest.
"""

import keras
from keras import layers

from wdsr_tf.layers import Channels, ContrastPooling2D, LeakyReLU, PixelShuffle
from wdsr_tf.models.blocks import conv
from wdsr_tf.models.registry import register

SLOPE = 0.05  # of LeakyReLU below zero
REDUCTION = 16  # of the channels inside the attention


@register("imdn", scales=(2, 3, 4), global_mean=True)
def imdn(scale, *, num_filters=64, num_res_blocks=6):
    """Builds IMDN; the defaults are the paper's."""
    lr = keras.Input((None, None, 3), name="lr")
    x = layers.Rescaling(1 / 255, dtype="float32", name="normalize")(lr)
    x = head = conv(x, num_filters, 3, name="head")
    blocks = []
    for i in range(num_res_blocks):
        x = block(x, name=f"body_{i}")
        blocks.append(x)
    x = layers.Concatenate(name="fusion_concat")(blocks)
    x = LeakyReLU(SLOPE, name="fusion_relu")(conv(x, num_filters, 1, name="fusion"))
    x = layers.Add(name="body_add")([conv(x, num_filters, 3, name="body_out"), head])
    x = conv(x, 3 * scale**2, 3, name=f"tail_x{scale}", dtype="float32")
    x = PixelShuffle(scale, dtype="float32", name="tail_shuffle")(x)
    return keras.Model(lr, layers.Rescaling(255.0, dtype="float32", name="sr")(x))


def block(x, name):
    """Four convolutions that each set aside a quarter of the channels; attention, 1x1, added to x."""
    filters = x.shape[-1]
    kept, y = [], x
    for i in (1, 2, 3):
        y = LeakyReLU(SLOPE, name=f"{name}_relu_{i}")(conv(y, filters, 3, name=f"{name}_conv_{i}"))
        kept.append(Channels(0, filters // 4, name=f"{name}_keep_{i}")(y))
        y = Channels(filters // 4, filters, name=f"{name}_refine_{i}")(y)
    kept.append(conv(y, filters // 4, 3, name=f"{name}_conv_4"))
    y = attend(layers.Concatenate(name=f"{name}_concat")(kept), name=name)
    return layers.Add(name=f"{name}_add")([x, conv(y, filters, 1, name=f"{name}_project")])


def attend(x, name):
    """Contrast-aware channel attention: gates from the mean plus the deviation of each channel."""
    filters = x.shape[-1]
    gate = ContrastPooling2D(dtype="float32", name=f"{name}_contrast")(x)
    gate = layers.Dense(max(1, filters // REDUCTION), "relu", name=f"{name}_squeeze")(gate)
    gate = layers.Dense(filters, "sigmoid", name=f"{name}_excite")(gate)
    return layers.Multiply(name=f"{name}_gate")([x, gate])
