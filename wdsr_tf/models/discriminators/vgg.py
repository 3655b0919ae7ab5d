"""ESRGAN's discriminator, "VGG style": Enhanced Super-Resolution Generative Adversarial Networks.

Wang et al., ECCVW 2018, https://arxiv.org/abs/1809.00219, as in BasicSR.

    image in [0, 1] -> stages of (3x3 conv, 4x4 conv of stride 2), with batch norm, down to 4 x 4 -> dense -> logit

All sides are even, where "same" pads a 4x4 convolution of stride 2 by one pixel on each side, as BasicSR does.
"""

import keras
from keras import layers

from wdsr_tf.layers import LeakyReLU, TorchBatchNormalization
from wdsr_tf.models.blocks import pytorch_init
from wdsr_tf.models.discriminators.registry import register

NUM_UNITS = 100


@register("vgg-128", exact=128)
def vgg_128(*, num_filters: int = 64) -> keras.Model:
    """Builds the discriminator of ESRGAN, for patches of 128 x 128."""
    return _vgg(128, num_filters, (1, 2, 4, 8, 8))


@register("vgg-256", exact=256)
def vgg_256(*, num_filters: int = 64) -> keras.Model:
    """Builds BasicSR's discriminator for patches of 256 x 256: one more stage."""
    return _vgg(256, num_filters, (1, 2, 4, 8, 8, 8))


def _vgg(side, num_filters, widths):
    image = keras.Input((side, side, 3), name="image")
    x = layers.Rescaling(1 / 255, dtype="float32", name="normalize")(image)
    for i, width in enumerate(widths):
        for j in (0, 1):
            x = conv(x, num_filters * width, f"{i}_{j}", strides=j + 1, is_first=i == j == 0)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(NUM_UNITS, name="dense", **pytorch_init(x, 1))(x)
    x = LeakyReLU(0.2, name="dense_relu")(x)
    return keras.Model(image, layers.Dense(1, dtype="float32", name="logits", **pytorch_init(x, 1))(x))


def conv(x, filters, name, strides, is_first):
    """conv -> batch norm -> LeakyReLU; the first has a bias in place of batch norm."""
    size = 3 if strides == 1 else 4
    init = pytorch_init(x, size)
    if not is_first:
        del init["bias_initializer"]
    x = layers.Conv2D(filters, size, strides, padding="same", use_bias=is_first, name=f"conv_{name}", **init)(x)
    if not is_first:
        x = TorchBatchNormalization(name=f"norm_{name}")(x)
    return LeakyReLU(0.2, name=f"relu_{name}")(x)
