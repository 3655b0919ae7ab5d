"""SRGAN's discriminator: Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network.

Ledig et al., CVPR 2017, https://arxiv.org/abs/1609.04802, as in krasserm/super-resolution.

    image in [-1, 1] -> conv -> 7 convs with batch norm, every other one of stride 2 -> dense -> dense -> logit

Where its stride is 2, a convolution is padded as TensorFlow's "same" does it, at the bottom and right alone. Ports to
PyTorch pad all sides, and so see other pixels.
"""

import keras
from keras import layers

from wdsr_tf.layers import LeakyReLU
from wdsr_tf.models.discriminators.registry import register

SIDE = 96


@register("srgan", exact=SIDE)
def srgan(*, num_filters: int = 64, num_units: int = 1024) -> keras.Model:
    """Builds the discriminator; the defaults are the paper's, without the sigmoid. `num_units` is the dense width."""
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32", name="normalize")(image)
    x = layers.Conv2D(num_filters, 3, padding="same", name="conv_0")(x)
    x = LeakyReLU(0.2, name="relu_0")(x)
    for i in range(1, 8):
        strides, filters = 1 + i % 2, num_filters * 2 ** (i // 2)
        x = layers.Conv2D(filters, 3, strides, padding="same", name=f"conv_{i}")(x)
        x = layers.BatchNormalization(momentum=0.8, name=f"norm_{i}")(x)
        x = LeakyReLU(0.2, name=f"relu_{i}")(x)
    x = layers.Dense(num_units, name="dense_0")(layers.Flatten(name="flatten")(x))
    x = LeakyReLU(0.2, name="relu_8")(x)
    return keras.Model(image, layers.Dense(1, dtype="float32", name="logits")(x))
