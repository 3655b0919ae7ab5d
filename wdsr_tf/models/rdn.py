"""RDN and RRDN as idealo's ISR has them; UpscalerJS's "ESRGAN" networks are these.

Zhang et al., CVPR 2018, https://arxiv.org/abs/1802.08797; https://github.com/idealo/image-super-resolution.

    rdn:   lr -> two convs -> d dense blocks -> fusion of all outputs -> (+ first conv) -> upsampler -> tail -> sr
    rrdn:  lr -> conv -> t times (d dense blocks, with residual scaling) -> conv -> (+ conv) -> upsampler -> tail -> sr
"""

import keras
from keras import layers

from wdsr_tf.errors import InputError
from wdsr_tf.layers import PixelShuffle
from wdsr_tf.models.registry import register

RES_SCALING = 0.2  # of RRDN
RANGES = (1, 255)


@register("rdn", scales=(2, 3, 4, 8))
def rdn(scale, *, num_filters=64, num_res_blocks=20, num_layers=6, growth=64, upsampler="nearest", value_range=1):
    """Builds ISR's RDN; the defaults are its "psnr-large" (its "psnr-small": 10 blocks, 3 layers).

    `num_layers` counts the convolutions of a dense block. `upsampler` is "nearest", which all published weights have,
    or "shuffle". `value_range` is what the network computes in: 1, or 255 as UpscalerJS trained it.
    """
    if upsampler not in ("nearest", "shuffle"):
        raise InputError(f"Unknown upsampler {upsampler!r} of RDN. Choose nearest or shuffle.")
    lr, x = scaled_input(value_range)
    first = conv(x, num_filters, 3, name="head_1")
    x = conv(first, num_filters, 3, name="head_2")
    blocks = []
    for i in range(1, num_res_blocks + 1):
        branch = dense(x, growth, num_layers, name=f"body_{i}")
        x = layers.Add(name=f"body_{i}_add")([conv(branch, num_filters, 1, name=f"body_{i}_fuse"), x])
        blocks.append(x)
    x = layers.Concatenate(name="fusion_concat")(blocks) if len(blocks) > 1 else x
    x = conv(conv(x, num_filters, 1, name="fusion_1"), num_filters, 3, name="fusion_2")
    x = layers.Add(name="body_add")([x, first])
    x = layers.ReLU(name="upsampler_relu_1")(conv(x, 64, 5, name="upsampler_1"))
    x = layers.ReLU(name="upsampler_relu_2")(conv(x, 32, 3, name="upsampler_2"))
    x = conv(x, 3 * scale**2, 3, name=f"upsampler_x{scale}")
    if upsampler == "nearest":
        x = layers.UpSampling2D(scale, name="upsampler_nearest")(x)
    else:
        x = PixelShuffle(scale, name="upsampler_shuffle")(x)
    return scaled_output(lr, conv(x, 3, 3, name="tail", dtype="float32"), value_range)


@register("rrdn", scales=(2, 3, 4, 8))
def rrdn(scale, *, num_filters=64, num_groups=10, num_res_blocks=3, num_layers=4, growth=32, value_range=1):
    """Builds ISR's RRDN: `num_groups` groups of `num_res_blocks` dense blocks; the defaults are its "gans" network."""
    lr, x = scaled_input(value_range)
    x = first = conv(x, num_filters, 3, name="head")
    for t in range(1, num_groups + 1):
        group = x
        for i in range(1, num_res_blocks + 1):
            branch = dense(x, growth, num_layers, name=f"body_{t}_{i}")
            x = add_scaled(x, conv(branch, num_filters, 3, name=f"body_{t}_{i}_fuse"), name=f"body_{t}_{i}")
        x = add_scaled(group, x, name=f"body_{t}")
    x = layers.Add(name="body_add")([conv(x, num_filters, 3, name="body_out"), first])
    x = PixelShuffle(scale, name="upsampler_shuffle")(conv(x, 3 * scale**2, 3, name=f"upsampler_x{scale}"))
    return scaled_output(lr, conv(x, 3, 3, name="tail", dtype="float32"), value_range)


def scaled_input(value_range):
    """(the input, its values in 0..`value_range`)."""
    if value_range not in RANGES:
        raise InputError(f"value_range={value_range!r} is neither 1 nor 255.")
    lr = keras.Input((None, None, 3), name="lr")
    return lr, layers.Rescaling(value_range / 255, dtype="float32", name="normalize")(lr)


def scaled_output(lr, x, value_range):
    return keras.Model(lr, layers.Rescaling(255 / value_range, dtype="float32", name="sr")(x))


def dense(x, growth, num_layers, name):
    """x and the outputs of `num_layers` convolutions, each of which sees all before it."""
    for i in range(1, num_layers + 1):
        y = layers.ReLU(name=f"{name}_relu_{i}")(conv(x, growth, 3, name=f"{name}_conv_{i}"))
        x = layers.Concatenate(name=f"{name}_concat_{i}")([x, y])
    return x


def add_scaled(x, branch, name):
    branch = layers.Rescaling(RES_SCALING, name=f"{name}_scale")(branch)
    return layers.Add(name=f"{name}_add")([x, branch])


def conv(x, filters, kernel_size, *, name, dtype=None):
    """A convolution with ISR's start, uniform in +-0.05."""
    uniform = keras.initializers.RandomUniform(-0.05, 0.05)
    kind = {"padding": "same", "kernel_initializer": uniform, "dtype": dtype, "name": name}
    return layers.Conv2D(filters, kernel_size, **kind)(x)
