"""PatchGAN with spectral normalization, which judges overlapping patches of 70 x 70 pixels, as KAIR trains BSRGAN.

Isola et al., CVPR 2017, https://arxiv.org/abs/1611.07004; Zhang et al., ICCV 2021, https://arxiv.org/abs/2103.14006.

    image in [0, 1] -> 3 convs of stride 2 -> conv -> conv -> map

Every 4x4 convolution pads two zeros on each side, so that the map is a pixel larger than half of its input.
"""

import keras
from keras import layers

from wdsr_tf.layers import LeakyReLU, SpectralNormConv2D
from wdsr_tf.models.discriminators.registry import register


@register("patchgan")
def patchgan(*, num_filters: int = 64) -> keras.Model:
    """Builds the discriminator; the default width is KAIR's. Kernels start at N(0, 0.02), biases at zero."""
    image = keras.Input((None, None, 3), name="image")
    x = layers.Rescaling(1 / 255, dtype="float32", name="normalize")(image)
    for i, (width, strides) in enumerate([(1, 2), (2, 2), (4, 2), (8, 1)]):
        x = patch_conv(x, num_filters * width, strides, name=f"conv_{i}")
        x = LeakyReLU(0.2, name=f"relu_{i}")(x)
    return keras.Model(image, patch_conv(x, 1, 1, name="logits", dtype="float32"))


def patch_conv(x, filters, strides, name, dtype=None):
    """Two zeros on each side -> 4x4 convolution, spectrally normalized, with bias."""
    x = layers.ZeroPadding2D(2, dtype=dtype, name=f"{name}_pad")(x)
    init = keras.initializers.RandomNormal(stddev=0.02)
    return SpectralNormConv2D(filters, 4, strides, "valid", kernel_initializer=init, dtype=dtype, name=name)(x)
