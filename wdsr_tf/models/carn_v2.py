"""CARN-V2: the variant of CARN for drawings in https://github.com/yu45020/Waifu2x.

CARN: Ahn et al., ECCV 2018, https://arxiv.org/abs/1803.08664. scSE: Roy et al., MICCAI 2018,
https://arxiv.org/abs/1803.02579.

    lr -> head -> body: cascade of 3 blocks -> (+ head) -> upsampler -> tail -> sr

A block is a cascade of residual units and scSE gates. Fusions are 3x3, activations are LeakyReLU(0.1), and each
doubling runs the same convolution of the upsampler. The first version of that project (v1) was CARN with another
activation:

    create_model("carn-v2", 2, activation="selu", fusion_size=1, scse=False, global_skip=False)
"""

from functools import partial

import keras
import numpy as np
from keras import layers

from wdsr_tf.errors import InputError, check_choice
from wdsr_tf.layers import LeakyReLU, PixelShuffle
from wdsr_tf.models.blocks import cascade, conv, denormalize, normalize, pytorch_init
from wdsr_tf.models.luma import PreUpscale
from wdsr_tf.models.registry import register

ACTIVATIONS = {"leaky_relu": partial(LeakyReLU, 0.1), "selu": partial(layers.Activation, "selu")}
SCSE_HIDDEN = 4


@register("carn-v2", scales=(2, 4, 8), global_mean=True)
def carn_v2(
    scale: int,
    *,
    num_filters: int = 64,
    activation: str = "leaky_relu",
    scse: bool = True,
    pairing: str = "reference",
    fusion_size: int = 3,
    fusion_groups: int = 1,
    global_skip: bool = True,
    residual_add: bool = False,
) -> keras.Model:
    """Builds CARN-V2.

    With `pairing="intended"`, a block has three stages: a residual unit and its gate in each. The published code runs
    only the first three of these six modules, each as a stage of its own: unit, gate, unit. The published weights need
    this `pairing="reference"`.

    `residual_add` adds the bilinearly upscaled input to the output, which the project reports as the most effective
    single change.
    """
    check_choice("pairing", pairing, ("reference", "intended"))
    if num_filters % fusion_groups:
        raise InputError(f"num_filters={num_filters} isn't divisible into {fusion_groups} groups.")
    activate = ACTIVATIONS[check_choice("activation", activation, ACTIVATIONS)]
    fuse = partial(fusion, size=fusion_size, groups=fusion_groups, activate=activate)

    def block(x, name):
        units = [partial(unit, activate=activate, name=f"{name}_unit_{i}") for i in range(3)]
        gates = [partial(spatial_channel_gate, name=f"{name}_scse_{i}") for i in range(3)]
        if not scse:
            stages = units
        elif pairing == "reference":
            stages = [units[0], gates[0], units[1]]
        else:
            stages = [partial(sequence, pair) for pair in zip(units, gates, strict=True)]
        return cascade(x, stages, fuse, name)

    lr = keras.Input((None, None, 3), name="lr")
    x = normalized = normalize(lr, np.zeros(3), 255.0)
    x = conv(x, num_filters, 3, name="head", init="pytorch")
    x = head = activate(name="head_activation")(x)
    x = cascade(x, [partial(block, name=f"body_{i}") for i in range(3)], fuse, name="body")
    if global_skip:
        x = layers.Add(name="body_add")([x, head])
    x = upsampler(x, scale, activate)
    # In float32: the output is the image itself, where half precision would be visible.
    x = conv(x, 3, 3, name="tail", init="pytorch", dtype="float32")
    if residual_add:
        upscaled = PreUpscale(scale, "bilinear", name="enlarged")(normalized)
        x = layers.Add(dtype="float32", name="residual_add")([x, upscaled])
    return keras.Model(lr, denormalize(x, np.zeros(3), 255.0))


def sequence(stages, x):
    for stage in stages:
        x = stage(x)
    return x


def unit(x, activate, name):
    """a(x + conv(a(conv(x))))."""
    branch = conv(x, x.shape[-1], 3, name=f"{name}_conv_1", init="pytorch")
    branch = activate(name=f"{name}_activation_1")(branch)
    branch = conv(branch, x.shape[-1], 3, name=f"{name}_conv_2", init="pytorch")
    x = layers.Add(name=f"{name}_add")([x, branch])
    return activate(name=f"{name}_activation_2")(x)


def spatial_channel_gate(x, name):
    """scSE: x times a gate per channel, plus x times a gate per pixel.

    The mean over the image is computed in float32, because its sum overflows in half precision.
    """
    filters = x.shape[-1]
    squeezed = layers.GlobalAveragePooling2D(keepdims=True, dtype="float32", name=f"{name}_mean")(x)
    channel = layers.Dense(SCSE_HIDDEN, "relu", name=f"{name}_squeeze", **pytorch_init(squeezed, 1))(squeezed)
    channel = layers.Dense(filters, "sigmoid", name=f"{name}_excite", **pytorch_init(channel, 1))(channel)
    kwargs = {"use_bias": False, "kernel_initializer": pytorch_init(x, 1)["kernel_initializer"]}
    pixel = layers.Conv2D(1, 1, activation="sigmoid", name=f"{name}_pixel", **kwargs)(x)
    by_channel = layers.Multiply(name=f"{name}_by_channel")([x, channel])
    by_pixel = layers.Multiply(name=f"{name}_by_pixel")([x, pixel])
    return layers.Add(name=f"{name}_add")([by_channel, by_pixel])


def fusion(x, filters, name, size, groups, activate):
    """Convolution and activation."""
    x = conv(x, filters, size, groups=groups, name=name, init="pytorch")
    return activate(name=f"{name}_activation")(x)


def upsampler(x, scale, activate):
    """Convolution, activation and pixel shuffle by 2, the same layers for each doubling."""
    filters = 4 * x.shape[-1]
    shared = [
        layers.Conv2D(filters, 3, padding="same", name="upsampler_x2", **pytorch_init(x, 3)),
        activate(name="upsampler_activation"),
        PixelShuffle(2, name="upsampler_shuffle"),
    ]
    for _ in range(scale.bit_length() - 1):
        x = sequence(shared, x)
    return x
