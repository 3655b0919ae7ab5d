"""DRRN: Image Super-Resolution via Deep Recursive Residual Network.

Tai et al., CVPR 2017, https://doi.org/10.1109/CVPR.2017.298.

    lr -> bicubic -> luma -> body: n recursive blocks -> tail -> (+ luma) -> sr

A block is an entry convolution and several residual units, which share two convolutions and all add to the output of
the entry. BnUm has n blocks of m units. The network processes luma and takes the colors from the interpolated image.
One set of weights fits every scale.
"""

import keras
from keras import layers

from wdsr_tf.errors import InputError
from wdsr_tf.models.luma import Luma, PreUpscale, ReplaceLuma
from wdsr_tf.models.registry import register


@register("drrn", scales=(2, 3, 4), luma=True)
def drrn(
    scale: int,
    *,
    num_filters: int = 128,
    num_res_blocks: int = 1,
    num_units: int = 25,
    batch_norm: bool = False,
    inplace: bool = False,
) -> keras.Model:
    """Builds DRRN B1U25, without biases.

    `batch_norm` puts a batch normalization of its own in front of every ReLU, as in the paper; the PyTorch ports don't
    have any. In these ports, an in-place ReLU also overwrites the entry's output, which the units add to: `inplace`
    reproduces this for their weights.
    """
    if inplace and batch_norm:
        raise InputError("inplace=True is for networks without batch normalization. Leave batch_norm out.")
    lr = keras.Input((None, None, 3), name="lr")
    upscaled = PreUpscale(scale, name="enlarged")(lr)
    x = luma = Luma(name="luma")(upscaled)
    if inplace:
        x = luma = layers.ReLU(dtype="float32", name="inplace_relu")(luma)
    for i in range(num_res_blocks):
        x = block(x, num_filters, num_units, batch_norm, inplace, name=f"body_{i}")
    x = conv(1, name="tail")(activate(x, batch_norm, name="tail"))
    x = layers.Add(dtype="float32", name="luma_add")([luma, x])
    return keras.Model(lr, ReplaceLuma(name="sr")([upscaled, x]))


def block(x, num_filters, num_units, batch_norm, inplace, name):
    """entry -> `num_units` times: entry + conv_2(activate(conv_1(activate(x))))."""
    conv_1, conv_2 = (conv(num_filters, name=f"{name}_conv_{k}") for k in (1, 2))
    x = entry = conv(num_filters, name=f"{name}_entry")(activate(x, batch_norm, name=f"{name}_entry"))
    if inplace:
        x = entry = layers.ReLU(name=f"{name}_inplace_relu")(entry)
    for i in range(num_units):
        branch = conv_1(activate(x, batch_norm, name=f"{name}_unit_{i}_1"))
        branch = conv_2(activate(branch, batch_norm, name=f"{name}_unit_{i}_2"))
        x = layers.Add(name=f"{name}_unit_{i}_add")([entry, branch])
    return x


def activate(x, batch_norm, name):
    """Optional batch normalization, then ReLU."""
    if batch_norm:
        x = layers.BatchNormalization(epsilon=1e-5, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def conv(filters, name):
    """A 3x3 convolution without bias, as a layer that may be called several times."""
    he = keras.initializers.VarianceScaling(2.0, mode="fan_out", distribution="untruncated_normal")
    return layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer=he, name=name)
