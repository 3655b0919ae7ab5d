"""MSRN: Multi-scale Residual Network for Image Super-Resolution.

Li et al., ECCV 2018, https://github.com/MIVRC/MSRN-PyTorch.

    lr -> subtract mean -> head -> n blocks -> fusion of the head's and all blocks' outputs -> upsampler -> tail -> sr

A block looks twice with 3x3 and 5x5 convolutions side by side; both of the second look see both of the first.
"""

import dataclasses

import keras
from keras import layers

from wdsr_tf.errors import InputError
from wdsr_tf.layers import PixelShuffle
from wdsr_tf.models.blocks import conv, denormalize, normalize, upsampler
from wdsr_tf.models.luma import Luma, PreUpscale, ReplaceLuma
from wdsr_tf.models.registry import register


@dataclasses.dataclass(frozen=True)
class Variant:
    """In what the published implementations differ."""

    luma: bool = False  # on luma in 0..1 alone; the colors are those of the bicubic enlargement
    sizes: tuple = (3, 5)  # the order in which a block joins its features
    head_first: bool = True  # whether the head's output is joined before the blocks' outputs or behind them
    relu: bool = False  # behind head, fusion and upsampler
    edsr: bool = False  # a convolution behind the fusion, and EDSR's upsampler (twice by 2 at x4)


VARIANTS = {
    "official": Variant(head_first=False, edsr=True),  # the authors' second release, in EDSR's framework
    "paper": Variant(luma=True),  # their first
    "seed": Variant(sizes=(5, 3), relu=True),  # an unofficial one
}


@register("msrn", scales=(2, 3, 4, 8))
def msrn(scale, *, num_filters=64, num_res_blocks=8, variant="official", last_relu=False):
    """Builds MSRN.

    The code of the variant "seed" has a ReLU behind the tail, so that it cannot go below the mean color:
    `last_relu=True` is that defect, for its weights. It works on BGR; here as everywhere channels are RGB, and its
    importer turns the first and the last kernel.
    """
    if variant not in VARIANTS:
        raise InputError(f"there is no MSRN variant {variant!r}; known are {', '.join(VARIANTS)}")
    if last_relu and variant != "seed":
        raise InputError("last_relu=True belongs to the variant 'seed' alone")
    how = VARIANTS[variant]

    lr = keras.Input((None, None, 3), name="lr")
    x = Luma(name="luma")(lr) if how.luma else normalize(lr, std=1.0)
    x = conv(x, num_filters, 3, name="head", init="pytorch")
    x = head = layers.ReLU(name="head_relu")(x) if how.relu else x
    blocks = []
    for i in range(num_res_blocks):
        x = block(x, how.sizes, name=f"body_{i}")
        blocks.append(x)
    x = layers.Concatenate(name="fusion_concat")([head, *blocks] if how.head_first else [*blocks, head])
    x = conv(x, num_filters, 1, name="fusion", init="pytorch")
    x = layers.ReLU(name="fusion_relu")(x) if how.relu else x

    if how.edsr:
        x = conv(x, num_filters, 3, name="body_out", init="pytorch")
        x = upsampler(x, scale, num_filters, init="pytorch")
    else:
        x = conv(x, num_filters * scale**2, 3, name=f"upsampler_x{scale}", init="pytorch")
        x = layers.ReLU(name="upsampler_relu")(x) if how.relu else x
        x = PixelShuffle(scale, name="upsampler_shuffle")(x)
    # In full precision: what comes out is the picture itself, on which half would show.
    x = conv(x, 1 if how.luma else 3, 3, name="tail", init="pytorch", dtype="float32")
    x = layers.ReLU(dtype="float32", name="tail_relu")(x) if last_relu else x
    if how.luma:
        return keras.Model(lr, ReplaceLuma(name="sr")([PreUpscale(scale, name="enlarged")(lr), x]))
    return keras.Model(lr, denormalize(x, std=1.0))


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
