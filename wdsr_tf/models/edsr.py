"""EDSR: Enhanced Deep Residual Networks for Single Image Super-Resolution.

Lim et al., CVPRW 2017, https://arxiv.org/abs/1707.02921.

    lr -> normalize -> head -> body: n residual blocks + conv -> (+ head) -> upsampler -> tail -> denormalize -> sr
"""

from functools import partial

import keras
from keras import layers

from wdsr_tf.errors import check_choice
from wdsr_tf.models import blocks
from wdsr_tf.models.blocks import denormalize, normalize, tanh_output, upsampler
from wdsr_tf.models.registry import register

# krasserm/wdsr divides by 127.5 and initializes as Keras does. The authors only subtract the mean and
# initialize as PyTorch does.
VARIANTS = {"krasserm": (127.5, "keras"), "official": (1.0, "pytorch")}


@register("edsr", scales=(2, 3, 4))
def edsr(
    scale: int,
    *,
    num_filters: int = 64,
    num_res_blocks: int = 16,
    res_scaling: float | None = None,
    weight_norm: bool = False,
    variant: str = "krasserm",
    scale_identity: bool = False,
    tanh: bool = False,
    mean: list[float] | None = None,
) -> keras.Model:
    """Builds EDSR. The defaults are the paper's baseline; the full model is 256 / 32 / 0.1.

    `scale_identity` scales after the addition, as krasserm's code did before July 2019. `tanh` ends the network like
    the generators of krasserm's GANs (profile edsr-gen). `mean` is the RGB color that the network subtracts and adds,
    in 0..255; by default DIV2K's.
    """
    std, init = VARIANTS[check_choice("EDSR variant", variant, VARIANTS)]
    conv = partial(blocks.conv, weight_norm=weight_norm, init=init)

    lr = keras.Input((None, None, 3), name="lr")
    x = head = conv(normalize(lr, mean, std), num_filters, 3, name="head")
    for i in range(num_res_blocks):
        x = res_block(x, conv, res_scaling, scale_identity, name=f"body_{i}")
    x = conv(x, num_filters, 3, name="body_out")
    x = layers.Add(name="body_add")([x, head])

    x = upsampler(x, scale, num_filters, weight_norm=weight_norm, init=init)
    x = conv(x, 3, 3, name="tail")
    return keras.Model(lr, tanh_output(x) if tanh else denormalize(x, mean, std))


def res_block(x, conv, res_scaling, scale_identity, name):
    """conv -> ReLU -> conv, scaled, added to x."""
    branch = conv(x, x.shape[-1], 3, name=f"{name}_conv_1")
    branch = layers.ReLU(name=f"{name}_relu")(branch)
    branch = conv(branch, x.shape[-1], 3, name=f"{name}_conv_2")
    add = layers.Add(name=f"{name}_add")
    if res_scaling is None:
        return add([x, branch])
    scale = layers.Rescaling(res_scaling, name=f"{name}_scale")
    return scale(add([x, branch])) if scale_identity else add([x, scale(branch)])
