"""EDSR: Enhanced Deep Residual Networks for Single Image Super-Resolution.

Lim et al., CVPRW 2017, https://arxiv.org/abs/1707.02921.

    lr -> normalize -> head -> n residual blocks -> conv -> (+ head) -> upsampler -> tail -> denormalize -> sr
"""

import keras
from keras import layers

from wdsr_tf.errors import InputError
from wdsr_tf.models.blocks import conv, denormalize, normalize, tanh_output, upsampler
from wdsr_tf.models.registry import register

# krasserm divides by 127.5 and starts as Keras does; the authors only subtract the mean and start as PyTorch does.
VARIANTS = {"krasserm": (127.5, "keras"), "official": (1.0, "pytorch")}


@register("edsr", scales=(2, 3, 4))
def edsr(
    scale,
    *,
    num_filters=64,
    num_res_blocks=16,
    res_scaling=None,
    weight_norm=False,
    variant="krasserm",
    scale_identity=False,
    tanh=False,
):
    """Builds EDSR. The defaults are the paper's baseline; the full model is 256 / 32 / 0.1.

    `scale_identity` multiplies after the addition, as krasserm's code did before July 2019. `tanh` ends the network
    as krasserm's generators for a GAN end (profile edsr-gen).
    """
    if variant not in VARIANTS:
        raise InputError(f"there is no EDSR variant {variant!r}; known are {', '.join(VARIANTS)}")
    std, init = VARIANTS[variant]
    kind = {"weight_norm": weight_norm, "init": init}

    lr = keras.Input((None, None, 3), name="lr")
    x = head = conv(normalize(lr, std=std), num_filters, 3, name="head", **kind)
    for i in range(num_res_blocks):
        x = res_block(x, num_filters, res_scaling, scale_identity, kind, name=f"body_{i}")
    x = conv(x, num_filters, 3, name="body_out", **kind)
    x = layers.Add(name="body_add")([x, head])

    x = upsampler(x, scale, num_filters, **kind)
    x = conv(x, 3, 3, name="tail", **kind)
    return keras.Model(lr, tanh_output(x) if tanh else denormalize(x, std=std))


def res_block(x, num_filters, res_scaling, scale_identity, kind, name):
    """conv -> ReLU -> conv, scaled, added to x."""
    branch = conv(x, num_filters, 3, name=f"{name}_conv_1", **kind)
    branch = layers.ReLU(name=f"{name}_relu")(branch)
    branch = conv(branch, num_filters, 3, name=f"{name}_conv_2", **kind)
    add = layers.Add(name=f"{name}_add")
    if res_scaling is None:
        return add([x, branch])
    scale = layers.Rescaling(res_scaling, name=f"{name}_scale")
    return scale(add([x, branch])) if scale_identity else add([x, scale(branch)])
