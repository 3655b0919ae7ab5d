"""MSRN: Multi-scale Residual Network for Image Super-Resolution.

Li et al., ECCV 2018, https://github.com/MIVRC/MSRN-PyTorch.

    lr -> subtract mean -> head -> body: n blocks -> fusion of the outputs of head and all blocks -> upsampler -> tail
       -> add mean -> sr

A block runs 3x3 and 5x5 convolutions side by side, twice; both convolutions of the second step see both outputs of the
first.
"""

import dataclasses

import keras
from keras import layers

from wdsr_tf.errors import InputError, check_choice
from wdsr_tf.layers import PixelShuffle
from wdsr_tf.models.blocks import conv, denormalize, normalize, upsampler
from wdsr_tf.models.luma import Luma, PreUpscale, ReplaceLuma
from wdsr_tf.models.registry import register


@dataclasses.dataclass(frozen=True)
class Variant:
    """How the published implementations differ."""

    luma: bool = False  # on luma in 0..1 alone; the colors are those of the bicubically upscaled input
    sizes: tuple = (3, 5)  # kernel sizes, in the order in which a block concatenates their features
    head_first: bool = True  # whether the fusion gets the head's output before or after those of the blocks
    relu: bool = False  # after head, fusion and upsampler
    edsr: bool = False  # a convolution after the fusion, and EDSR's upsampler (twice by 2 at x4)


VARIANTS = {
    "official": Variant(head_first=False, edsr=True),  # the authors' second release, based on EDSR's code
    "paper": Variant(luma=True),  # their first release
    "harish-vnkt": Variant(sizes=(5, 3), relu=True),  # harish-vnkt/multiscale-residual-network-pytorch
}


@register("msrn", scales=(2, 3, 4, 8))
def msrn(
    scale: int,
    *,
    num_filters: int = 64,
    num_res_blocks: int = 8,
    variant: str = "official",
    last_relu: bool = False,
    mean: list[float] | None = None,
) -> keras.Model:
    """Builds MSRN.

    The code of harish-vnkt has a ReLU after the tail, so its output can't go below the mean color. `last_relu=True`
    reproduces this defect for its weights. That network takes BGR; ours takes RGB, and the importer swaps the channels
    of the first and the last kernel. `mean` is the RGB color that the network subtracts and adds, in 0..255; by default
    DIV2K's.
    """
    options = VARIANTS[check_choice("MSRN variant", variant, VARIANTS)]
    if last_relu and variant != "harish-vnkt":
        raise InputError("last_relu=True is for the variant 'harish-vnkt' only.")
    if mean is not None and options.luma:
        raise InputError(f"The variant {variant!r} is a network on luma, which has no mean.")

    lr = keras.Input((None, None, 3), name="lr")
    x = Luma(name="luma")(lr) if options.luma else normalize(lr, mean, 1.0)
    x = conv(x, num_filters, 3, name="head", init="pytorch")
    x = head = layers.ReLU(name="head_relu")(x) if options.relu else x
    blocks = []
    for i in range(num_res_blocks):
        x = block(x, options.sizes, name=f"body_{i}")
        blocks.append(x)
    x = layers.Concatenate(name="fusion_concat")([head, *blocks] if options.head_first else [*blocks, head])
    x = conv(x, num_filters, 1, name="fusion", init="pytorch")
    x = layers.ReLU(name="fusion_relu")(x) if options.relu else x

    if options.edsr:
        x = conv(x, num_filters, 3, name="body_out", init="pytorch")
        x = upsampler(x, scale, num_filters, init="pytorch")
    else:
        x = conv(x, num_filters * scale**2, 3, name=f"upsampler_x{scale}", init="pytorch")
        x = layers.ReLU(name="upsampler_relu")(x) if options.relu else x
        x = PixelShuffle(scale, name="upsampler_shuffle")(x)
    # In float32: the output is the image itself, where half precision would be visible.
    x = conv(x, 1 if options.luma else 3, 3, name="tail", init="pytorch", dtype="float32")
    x = layers.ReLU(dtype="float32", name="tail_relu")(x) if last_relu else x
    if options.luma:
        return keras.Model(lr, ReplaceLuma(name="sr")([PreUpscale(scale, name="enlarged")(lr), x]))
    return keras.Model(lr, denormalize(x, mean, 1.0))


def block(x, sizes, name):
    """MSRB: two steps of parallel convolutions with ReLU, concatenated in the order of `sizes`; 1x1; added to x."""
    branch = x
    for step in (1, 2):
        filters = step * x.shape[-1]
        scales = [conv(branch, filters, size, name=f"{name}_conv{size}_{step}", init="pytorch") for size in sizes]
        scales = [layers.ReLU(name=f"{name}_relu{s}_{step}")(y) for s, y in zip(sizes, scales, strict=True)]
        branch = layers.Concatenate(name=f"{name}_concat_{step}")(scales)
    branch = conv(branch, x.shape[-1], 1, name=f"{name}_project", init="pytorch")
    return layers.Add(name=f"{name}_add")([x, branch])
