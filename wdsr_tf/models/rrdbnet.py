"""RRDBNet: the generator of ESRGAN, Real-ESRGAN, BSRGAN and most community models (UltraSharp, Remacri, ...).

Wang et al., ECCVW 2018, https://arxiv.org/abs/1809.00219; Wang et al., ICCVW 2021, https://arxiv.org/abs/2107.10833;
ESRGAN+: Rakotonirina and Rasoanaivo, ICASSP 2020, https://arxiv.org/abs/2001.08073.

    lr -> [pixel unshuffle] -> head -> n RRDBs -> conv -> (+ head) -> stages of nearest x2, conv -> conv -> tail -> sr

An RRDB (residual in residual dense block) is three dense blocks of five convolutions, each added to its input with a
factor of 0.2, as is their chain.
"""

import math

import keras
from keras import layers

from wdsr_tf.layers import CropToMatch, LeakyReLU, PadToMultiple, PixelUnshuffle
from wdsr_tf.models.blocks import conv
from wdsr_tf.models.registry import register

SLOPE = 0.2  # of LeakyReLU below zero
RES_SCALING = 0.2


@register("rrdbnet", scales=(1, 2, 3, 4, 8))
def rrdbnet(scale, *, num_filters=64, num_res_blocks=23, growth=32, pixel_unshuffle=True, plus=False):
    """Builds RRDBNet. The defaults are ESRGAN and Real-ESRGAN; RealESRGAN_x4plus_anime_6B has 6 blocks.

    Scales 1 and 2 exist in two forms. With `pixel_unshuffle`, as in Real-ESRGAN, the x4 network runs on an image that
    pixel unshuffle has made smaller; without, as in ESRGAN's first release, it has fewer upsampling stages. x3 has one
    stage, by 3, and no published training code. `plus` is ESRGAN+: 1x1 shortcuts within the dense blocks.
    """
    factor = 4 // scale if pixel_unshuffle and scale < 3 else 1
    lr = keras.Input((None, None, 3), name="lr")
    x = unit = layers.Rescaling(1 / 255, dtype="float32", name="normalize")(lr)
    if factor > 1:
        x = PadToMultiple(factor, mode="reflect", name="fit")(x)
        x = PixelUnshuffle(factor, name="unshuffle")(x)
    x = head = conv(x, num_filters, 3, name="head")
    for i in range(num_res_blocks):
        x = rrdb(x, growth, plus, name=f"body_{i}")
    x = layers.Add(name="body_add")([conv(x, num_filters, 3, name="body_out"), head])

    for i, times in enumerate(stages(scale * factor), start=1):
        x = layers.UpSampling2D(times, name=f"upsampler_x{times}_{i}_nearest")(x)
        x = activate(conv(x, num_filters, 3, name=f"upsampler_x{times}_{i}"), name=f"upsampler_x{times}_{i}_relu")
    x = activate(conv(x, num_filters, 3, name="hr_conv"), name="hr_relu")
    x = conv(x, 3, 3, name="tail", dtype="float32")
    if factor > 1:
        x = CropToMatch(scale, 0, dtype="float32", name="unfit")([x, unit])
    return keras.Model(lr, layers.Rescaling(255.0, dtype="float32", name="sr")(x))


def stages(scale):
    """The factors of the upsampling stages: powers of 2 in steps of 2, 3 at once."""
    return [scale] if scale == 3 else [2] * round(math.log2(scale))


def rrdb(x, growth, plus, name):
    """x plus 0.2 times three dense blocks in a row."""
    y = x
    for i in (1, 2, 3):
        y = dense_block(y, growth, plus, name=f"{name}_rdb{i}")
    return add_scaled(x, y, name)


def dense_block(x, growth, plus, name):
    """x plus 0.2 times five convolutions, each of which sees x and the outputs of all before it."""
    features = [x]
    for i in (1, 2, 3, 4):
        y = layers.Concatenate(name=f"{name}_concat{i}")(features) if i > 1 else x
        y = activate(dense_conv(y, growth, name=f"{name}_conv{i}"), name=f"{name}_relu{i}")
        if plus and i == 2:
            shortcut = layers.Conv2D(growth, 1, use_bias=False, kernel_initializer=he(), name=f"{name}_shortcut")(x)
            y = layers.Add(name=f"{name}_add2")([y, shortcut])
        if plus and i == 4:
            y = layers.Add(name=f"{name}_add4")([y, features[2]])
        features.append(y)
    y = layers.Concatenate(name=f"{name}_concat5")(features)
    return add_scaled(x, dense_conv(y, x.shape[-1], name=f"{name}_conv5"), name)


def add_scaled(x, branch, name):
    branch = layers.Rescaling(RES_SCALING, name=f"{name}_scale")(branch)
    return layers.Add(name=f"{name}_add")([x, branch])


def dense_conv(x, filters, name):
    """A 3x3 convolution that starts at a tenth of He's deviation, as deep dense blocks need."""
    return layers.Conv2D(filters, 3, padding="same", kernel_initializer=he(), name=name)(x)


def he():
    return keras.initializers.VarianceScaling(2.0 * 0.1**2, "fan_in", "untruncated_normal")


def activate(x, name):
    return LeakyReLU(SLOPE, name=name)(x)
