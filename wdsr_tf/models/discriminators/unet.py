"""Real-ESRGAN's discriminator: a U-Net with spectral normalization, which judges every pixel.

Wang et al., ICCVW 2021, https://arxiv.org/abs/2107.10833.

    image in [0, 1] -> conv_0 -> conv_1..3, each of stride 2 -> 3 times (bilinear x2 -> conv, + skip) -> 3 convs -> map

A skip is added after the activation.
"""

import keras
from keras import layers

from wdsr_tf.layers import BilinearUpSampling2D, LeakyReLU, SpectralNormConv2D
from wdsr_tf.models.blocks import conv, pytorch_init
from wdsr_tf.models.discriminators.registry import register


@register("unet-sn", multiple=8)
def unet_sn(*, num_filters: int = 64) -> keras.Model:
    """Builds the discriminator; the default width is Real-ESRGAN's."""
    image = keras.Input((None, None, 3), name="image")
    x = layers.Rescaling(1 / 255, dtype="float32", name="normalize")(image)
    x = conv(x, num_filters, 3, init="pytorch", name="conv_0")
    x = LeakyReLU(0.2, name="relu_0")(x)
    skips = []
    for i in (1, 2, 3):
        skips.append(x)
        x = spectral_conv(x, num_filters * 2**i, 4, 2, i)
    for i in (4, 5, 6):
        x = BilinearUpSampling2D(name=f"up_{i}")(x)
        x = spectral_conv(x, num_filters * 2 ** (6 - i), 3, 1, i)
        x = layers.Add(name=f"add_{i}")([x, skips.pop()])
    for i in (7, 8):
        x = spectral_conv(x, num_filters, 3, 1, i)
    return keras.Model(image, conv(x, 1, 3, init="pytorch", dtype="float32", name="logits"))


def spectral_conv(x, filters, size, strides, number):
    """Spectrally normalized convolution without bias -> LeakyReLU."""
    init = pytorch_init(x, size)["kernel_initializer"]
    x = SpectralNormConv2D(filters, size, strides, use_bias=False, kernel_initializer=init, name=f"conv_{number}")(x)
    return LeakyReLU(0.2, name=f"relu_{number}")(x)
