"""SRCNN: Image Super-Resolution Using Deep Convolutional Networks.

Dong et al., ECCV 2014 and TPAMI 2016, https://arxiv.org/abs/1501.00092.

    lr -> enlarged -> luma -> head (9x9) -> body (1x1 or 5x5) -> tail (5x5) -> sr

It works on luma; the colors are those of the enlarged picture. One set of weights fits every scale.
"""

import keras
from keras import layers

from wdsr_tf.errors import InputError
from wdsr_tf.layers import InferencePad
from wdsr_tf.models.blocks import pytorch_init
from wdsr_tf.models.luma import Luma, PreUpscale, ReplaceLuma
from wdsr_tf.models.registry import register

PADDINGS = ("valid", "same")


@register("srcnn", scales=(2, 3, 4), luma=True)
def srcnn(scale, *, num_filters=64, body_size=1, padding="valid", colors="bt601", pre_upscaling="bicubic"):
    """Builds SRCNN 9-1-5 as the paper has it; `body_size=5` is 9-5-5.

    With `padding` "valid" nothing is padded in training, and at inference the border pixels are repeated before each
    layer. Seed 002's weights need `padding="same"`, `colors="full-range"` and `pre_upscaling="bilinear"`.
    """
    if padding not in PADDINGS:
        raise InputError(f"padding is {padding!r}; it can be {', '.join(PADDINGS)}")
    lr = keras.Input((None, None, 3), name="lr")
    upscaled = PreUpscale(scale, pre_upscaling, name="enlarged")(lr)
    x = Luma(colors, name="luma")(upscaled)
    x = conv(x, num_filters, 9, padding, name="head")
    x = layers.ReLU(name="head_relu")(x)
    x = conv(x, num_filters // 2, body_size, padding, name="body")
    x = layers.ReLU(name="body_relu")(x)
    x = conv(x, 1, 5, padding, name="tail", dtype="float32")  # luma itself, not a residual: half precision would show
    return keras.Model(lr, ReplaceLuma(colors, name="sr")([upscaled, x]))


def conv(x, filters, size, padding, name, dtype=None):
    """A convolution that starts as the paper's ("valid") or as PyTorch's ("same")."""
    if padding == "valid":
        init = {"kernel_initializer": keras.initializers.RandomNormal(stddev=0.001)}
        if size > 1:
            x = InferencePad(size // 2, "edge", name=f"{name}_pad")(x)
    else:
        init = pytorch_init(x, size)
    return layers.Conv2D(filters, size, padding=padding, name=name, dtype=dtype, **init)(x)
