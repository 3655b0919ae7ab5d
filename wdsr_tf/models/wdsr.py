"""WDSR: Wide Activation for Efficient and Accurate Image Super-Resolution.

Yu et al., 2018, https://arxiv.org/abs/1808.08718.

    lr -> normalize -> head -> n residual blocks -> tail -> shuffle -> add -> denormalize -> sr
                   \\-> skip (5x5) -------------------> shuffle -/

WDSR-A widens before the ReLU with a 3x3 convolution, WDSR-B more, with 1x1 convolutions and a low-rank step behind it.
"""

import dataclasses

import keras
import numpy as np
from keras import layers

from wdsr_tf.errors import InputError
from wdsr_tf.layers import InferencePad, PixelShuffle
from wdsr_tf.models.blocks import DIV2K_MEAN, conv, denormalize, normalize
from wdsr_tf.models.registry import register


@dataclasses.dataclass(frozen=True)
class Variant:
    """In what the published implementations differ: borders, ranges and how weights start."""

    unpadded: bool = False  # head, tail and skip see no zeros: nothing is padded in training, mirrored at inference
    mean: tuple = tuple(DIV2K_MEAN)
    std: float = 127.5
    init: str = "keras"
    gains: bool = False  # kernels start with fixed norms (g, where weight-normalized) instead of those that init gives


VARIANTS = {
    "krasserm": Variant(unpadded=True),
    "official": Variant(init="pytorch"),  # the NTIRE 2018 release
    "reloaded": Variant(mean=(127.5,) * 3, std=255.0, init="zero-bias", gains=True),  # the authors' release of 2020
}


@register("wdsr-a", scales=(2, 3, 4))
def wdsr_a(
    scale,
    *,
    num_filters=32,
    num_res_blocks=8,
    res_expansion=4,
    res_scaling=None,
    weight_norm=False,
    variant="krasserm",
):
    """Builds WDSR-A. The published baseline has 16 blocks."""
    block = block_a
    return wdsr(block, scale, num_filters, num_res_blocks, res_expansion, res_scaling, weight_norm, variant)


@register("wdsr-b", scales=(2, 3, 4))
def wdsr_b(
    scale,
    *,
    num_filters=32,
    num_res_blocks=8,
    res_expansion=6,
    res_scaling=None,
    weight_norm=False,
    variant="krasserm",
):
    """Builds WDSR-B."""
    if variant == "reloaded":
        raise InputError("the reloaded release has WDSR-A only; WDSR-B has the variants krasserm and official")
    block = block_b
    return wdsr(block, scale, num_filters, num_res_blocks, res_expansion, res_scaling, weight_norm, variant)


def wdsr(block, scale, num_filters, num_res_blocks, res_expansion, res_scaling, weight_norm, variant):
    if variant not in VARIANTS:
        raise InputError(f"there is no WDSR variant {variant!r}; known are {', '.join(VARIANTS)}")
    how = VARIANTS[variant]
    edge = {"padding": "valid" if how.unpadded else "same", "weight_norm": weight_norm, "init": how.init}
    gain = 1.0 if how.gains else None

    lr = keras.Input((None, None, 3), name="lr")
    x = normalize(lr, np.array(how.mean), how.std)
    if how.unpadded:
        x = InferencePad(2, "symmetric", name="pad")(x)

    skip = conv(x, 3 * scale**2, 5, name=f"skip_x{scale}", gain=gain, **edge)
    skip = PixelShuffle(scale, name="skip_shuffle")(skip)

    x = conv(x, num_filters, 3, name="head", gain=gain, **edge)
    for i in range(num_res_blocks):
        branch = block(x, num_filters, res_expansion, weight_norm, how, num_res_blocks, name=f"body_{i}")
        if res_scaling is not None:
            branch = layers.Rescaling(res_scaling, name=f"body_{i}_scale")(branch)
        x = layers.Add(name=f"body_{i}_add")([x, branch])
    x = conv(x, 3 * scale**2, 3, name=f"tail_x{scale}", gain=gain, **edge)
    x = PixelShuffle(scale, name="tail_shuffle")(x)

    x = layers.Add(name="skip_add", dtype="float32")([x, skip])
    return keras.Model(lr, denormalize(x, np.array(how.mean), how.std))


def block_a(x, num_filters, res_expansion, weight_norm, how, num_res_blocks, name):
    """3x3 wide -> ReLU -> 3x3."""
    kind = {"weight_norm": weight_norm, "init": how.init}
    wide = num_filters * res_expansion
    x = conv(x, wide, 3, name=f"{name}_expand", gain=2.0 if how.gains else None, **kind)
    x = layers.ReLU(name=f"{name}_relu")(x)
    gain = num_res_blocks**-0.5 if how.gains else None
    return conv(x, num_filters, 3, name=f"{name}_project", gain=gain, **kind)


def block_b(x, num_filters, res_expansion, weight_norm, how, num_res_blocks, name):
    """1x1 wider -> ReLU -> 1x1 to 0.8 of the width -> 3x3."""
    kind = {"weight_norm": weight_norm, "init": how.init}
    x = conv(x, num_filters * res_expansion, 1, name=f"{name}_expand", **kind)
    x = layers.ReLU(name=f"{name}_relu")(x)
    x = conv(x, int(num_filters * 0.8), 1, name=f"{name}_low_rank", **kind)
    return conv(x, num_filters, 3, name=f"{name}_project", **kind)
