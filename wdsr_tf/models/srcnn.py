"""SRCNN: Image Super-Resolution Using Deep Convolutional Networks.

Dong et al., ECCV 2014 and TPAMI 2016, https://arxiv.org/abs/1501.00092.

    lr -> bicubic -> luma -> head (9x9) -> body (1x1 or 5x5) -> tail (5x5) -> sr

The network processes luma and takes the colors from the interpolated image. One set of weights fits every scale.
"""

import keras
from keras import layers

from wdsr_tf.errors import check_choice
from wdsr_tf.layers import InferencePad
from wdsr_tf.models.blocks import pytorch_init
from wdsr_tf.models.luma import Luma, PreUpscale, ReplaceLuma
from wdsr_tf.models.registry import register


@register("srcnn", scales=(2, 3, 4), luma=True)
def srcnn(
    scale: int,
    *,
    num_filters: int = 64,
    body_size: int = 1,
    padding: str = "valid",
    colors: str = "bt601",
    pre_upscaling: str = "bicubic",
) -> keras.Model:
    """Builds SRCNN 9-1-5 as in the paper; `body_size=5` is 9-5-5.

    `padding="valid"` pads nothing in training, and repeats the border pixels before each layer at inference. The
    weights of Scthe/SRCNN-PyTorch need `padding="same"`, `colors="full-range"` and `pre_upscaling="bilinear"`. For the
    values of `colors` and `pre_upscaling`, see `luma.Luma` and `luma.PreUpscale`.
    """
    check_choice("padding", padding, ("valid", "same"))
    lr = keras.Input((None, None, 3), name="lr")
    upscaled = PreUpscale(scale, pre_upscaling, name="enlarged")(lr)
    x = Luma(colors, name="luma")(upscaled)
    x = conv(x, num_filters, 9, padding, name="head")
    x = layers.ReLU(name="head_relu")(x)
    x = conv(x, num_filters // 2, body_size, padding, name="body")
    x = layers.ReLU(name="body_relu")(x)
    x = conv(x, 1, 5, padding, name="tail", dtype="float32")  # luma, not a residual: half precision would be visible
    return keras.Model(lr, ReplaceLuma(colors, name="sr")([upscaled, x]))


def conv(x, filters, size, padding, name, dtype=None):
    """A convolution initialized as in the paper ("valid") or as in PyTorch ("same")."""
    if padding == "valid":
        init = {"kernel_initializer": keras.initializers.RandomNormal(stddev=0.001)}
        if size > 1:
            x = InferencePad(size // 2, "edge", name=f"{name}_pad")(x)
    else:
        init = pytorch_init(x, size)
    return layers.Conv2D(filters, size, padding=padding, name=name, dtype=dtype, **init)(x)
