"""WDSR: Wide Activation for Efficient and Accurate Image Super-Resolution.

Yu et al., 2018, https://arxiv.org/abs/1808.08718.

    lr -> normalize -> head -> body: n residual blocks -> tail -> shuffle -> add -> denormalize -> sr
                   \\-> skip (5x5) -------------------------> shuffle -/

WDSR-A widens the features before the ReLU with a 3x3 convolution; WDSR-B widens them more with a 1x1 convolution and
narrows them with a low-rank pair of convolutions.
"""

import dataclasses
from functools import partial

import keras
import numpy as np
from keras import layers

from wdsr_tf.div2k import DIV2K_MEAN
from wdsr_tf.errors import InputError, check_choice
from wdsr_tf.layers import InferencePad, PixelShuffle
from wdsr_tf.models.blocks import conv, denormalize, normalize
from wdsr_tf.models.registry import register


@dataclasses.dataclass(frozen=True)
class Variant:
    """How the published implementations differ: borders, input range and initial weights."""

    unpadded: bool = False  # head, tail and skip see no zeros: no padding in training, mirrored borders at inference
    mean: tuple = tuple(DIV2K_MEAN)
    std: float = 127.5
    init: str = "keras"
    gains: bool = False  # kernels start with fixed norms, which are g under weight normalization


VARIANTS = {
    "krasserm": Variant(unpadded=True),  # krasserm/wdsr
    "official": Variant(init="pytorch"),  # the authors' release for NTIRE 2018
    "reloaded": Variant(mean=(127.5,) * 3, std=255.0, init="zero-bias", gains=True),  # the authors' release of 2020
}


@register("wdsr-a", scales=(2, 3, 4))
def wdsr_a(
    scale: int,
    *,
    num_filters: int = 32,
    num_res_blocks: int = 8,
    res_expansion: int = 4,
    res_scaling: float | None = None,
    weight_norm: bool = False,
    variant: str = "krasserm",
    reparameterize: str | None = None,
) -> keras.Model:
    """Builds WDSR-A. The published baseline has 16 blocks.

    `reparameterize` trains the 3x3 convolutions as branches: "ecb" (ECBSR's), "sesr" (SESR's) or "span" (SPAN's).
    """
    if reparameterize and (weight_norm or variant == "reloaded"):
        other = "weight_norm" if weight_norm else "the variant 'reloaded', whose kernels start with fixed norms"
        raise InputError(f"reparameterize can't be combined with {other}. Leave one of them out.")
    options = [num_filters, num_res_blocks, res_expansion, res_scaling, weight_norm, variant]
    return wdsr(block_a, scale, *options, reparameterize)


@register("wdsr-b", scales=(2, 3, 4))
def wdsr_b(
    scale: int,
    *,
    num_filters: int = 32,
    num_res_blocks: int = 8,
    res_expansion: int = 6,
    res_scaling: float | None = None,
    weight_norm: bool = False,
    variant: str = "krasserm",
) -> keras.Model:
    """Builds WDSR-B."""
    if variant == "reloaded":
        raise InputError("The variant 'reloaded' has WDSR-A only. WDSR-B has the variants krasserm and official.")
    block = block_b
    return wdsr(block, scale, num_filters, num_res_blocks, res_expansion, res_scaling, weight_norm, variant)


def wdsr(
    block,
    scale,
    num_filters,
    num_res_blocks,
    res_expansion,
    res_scaling,
    weight_norm,
    variant,
    reparameterize=None,
):
    options = VARIANTS[check_choice("WDSR variant", variant, VARIANTS)]
    mean, std = np.array(options.mean), options.std
    body_conv = partial(conv, weight_norm=weight_norm, init=options.init, reparameterize=reparameterize)
    end_conv = partial(body_conv, padding="valid" if options.unpadded else "same", gain=1.0 if options.gains else None)
    block_gains = (2.0, num_res_blocks**-0.5) if options.gains else (None, None)

    lr = keras.Input((None, None, 3), name="lr")
    x = normalize(lr, mean, std)
    if options.unpadded:
        x = InferencePad(2, "symmetric", name="pad")(x)

    skip = end_conv(x, 3 * scale**2, 5, name=f"skip_x{scale}")
    skip = PixelShuffle(scale, name="skip_shuffle")(skip)

    x = end_conv(x, num_filters, 3, name="head")
    for i in range(num_res_blocks):
        branch = block(x, res_expansion, body_conv, block_gains, name=f"body_{i}")
        if res_scaling is not None:
            branch = layers.Rescaling(res_scaling, name=f"body_{i}_scale")(branch)
        x = layers.Add(name=f"body_{i}_add")([x, branch])
    x = end_conv(x, 3 * scale**2, 3, name=f"tail_x{scale}")
    x = PixelShuffle(scale, name="tail_shuffle")(x)

    x = layers.Add(name="skip_add", dtype="float32")([x, skip])
    return keras.Model(lr, denormalize(x, mean, std))


def block_a(x, res_expansion, conv, gains, name):
    """Widening 3x3 -> ReLU -> 3x3."""
    num_filters = x.shape[-1]
    x = conv(x, num_filters * res_expansion, 3, gain=gains[0], name=f"{name}_expand")
    x = layers.ReLU(name=f"{name}_relu")(x)
    return conv(x, num_filters, 3, gain=gains[1], name=f"{name}_project")


def block_b(x, res_expansion, conv, gains, name):
    """Widening 1x1 -> ReLU -> 1x1 to 0.8 of the filters -> 3x3. No variant of WDSR-B has gains."""
    num_filters = x.shape[-1]
    x = conv(x, num_filters * res_expansion, 1, name=f"{name}_expand")
    x = layers.ReLU(name=f"{name}_relu")(x)
    x = conv(x, int(num_filters * 0.8), 1, name=f"{name}_low_rank")
    return conv(x, num_filters, 3, name=f"{name}_project")
