"""MSRN: Multi-scale Residual Network for Image Super-Resolution.

Li et al., ECCV 2018, https://github.com/MIVRC/MSRN-PyTorch.

    lr -> subtract mean -> head -> n blocks -> fusion of the head's and all blocks' outputs -> upsampler -> tail -> sr

A block looks twice with 3x3 and 5x5 convolutions side by side; both of the second look see both of the first.
"""

import keras
from keras import layers

from wdsr_tf.errors import InputError
from wdsr_tf.layers import PixelShuffle
from wdsr_tf.models.blocks import conv, denormalise, normalise, upsampler
from wdsr_tf.models.registry import register

FLAVOURS = ("official", "seed")


@register("msrn", scales=(2, 3, 4, 8))
def msrn(scale, *, num_filters=64, num_res_blocks=8, flavour="official", last_relu=False):
    """Builds MSRN.

    The flavour "official" is the authors' release in EDSR's framework. "seed" is an unofficial one that differs in
    the order of joined features, has ReLUs behind head, fusion and upsampler, and shuffles once at every scale. Its
    code also has a ReLU behind the tail, so that it cannot go below the mean colour: `last_relu=True`, for its weights.
    It works on BGR; here as everywhere channels are RGB, and its importer turns the first and last kernels.
    """
    if flavour not in FLAVOURS:
        raise InputError(f"there is no MSRN flavour {flavour!r}; known are {', '.join(FLAVOURS)}")
    if last_relu and flavour != "seed":
        raise InputError("last_relu=True belongs to the flavour 'seed' alone")
    seed = flavour == "seed"
    sizes = (5, 3) if seed else (3, 5)

    lr = keras.Input((None, None, 3), name="lr")
    x = conv(normalise(lr, std=1.0), num_filters, 3, name="head", init="pytorch")
    x = head = layers.ReLU(name="head_relu")(x) if seed else x
    blocks = []
    for i in range(num_res_blocks):
        x = block(x, sizes, name=f"body_{i}")
        blocks.append(x)
    x = layers.Concatenate(name="fusion_concat")([head, *blocks] if seed else [*blocks, head])
    x = conv(x, num_filters, 1, name="fusion", init="pytorch")

    if seed:
        x = layers.ReLU(name="fusion_relu")(x)
        x = conv(x, num_filters * scale**2, 3, name=f"upsampler_x{scale}", init="pytorch")
        x = layers.ReLU(name="upsampler_relu")(x)
        x = PixelShuffle(scale, name="upsampler_shuffle")(x)
    else:
        x = conv(x, num_filters, 3, name="body_out", init="pytorch")
        x = upsampler(x, scale, num_filters, init="pytorch")
    x = conv(x, 3, 3, name="tail", init="pytorch")
    x = layers.ReLU(name="tail_relu")(x) if last_relu else x
    return keras.Model(lr, denormalise(x, std=1.0))


def block(x, sizes, name):
    """MSRB: twice convolutions of both `sizes` side by side with ReLU, joined in this order; 1x1; added to x."""
    branch = x
    for step in (1, 2):
        filters = step * x.shape[-1]
        looks = [conv(branch, filters, size, name=f"{name}_conv{size}_{step}", init="pytorch") for size in sizes]
        looks = [layers.ReLU(name=f"{name}_relu{s}_{step}")(look) for s, look in zip(sizes, looks, strict=True)]
        branch = layers.Concatenate(name=f"{name}_concat_{step}")(looks)
    branch = conv(branch, x.shape[-1], 1, name=f"{name}_project", init="pytorch")
    return layers.Add(name=f"{name}_add")([x, branch])
