"""SRResNet, the generator of SRGAN: Photo-Realistic Single Image Super-Resolution Using a GAN.

Ledig et al., CVPR 2017, https://arxiv.org/abs/1609.04802.

    lr in [0, 1] -> head (9x9) -> body: n residual blocks + conv -> (+ head) -> upsampler -> tail (9x9) -> tanh -> sr

This is the network of krasserm/super-resolution. The paper has x4 only; x2 has one upsampling stage by 2, x3 one by 3.
"""

import keras
import numpy as np
from keras import layers

from wdsr_tf.layers import PixelShuffle
from wdsr_tf.models.blocks import STAGES, conv, normalize, tanh_output
from wdsr_tf.models.registry import register


@register("sr-resnet", scales=(2, 3, 4))
def sr_resnet(scale: int, *, num_filters: int = 64, num_res_blocks: int = 16) -> keras.Model:
    """Builds SRResNet. The defaults are the paper's."""
    lr = keras.Input((None, None, 3), name="lr")
    x = conv(normalize(lr, np.zeros(3), 255.0), num_filters, 9, name="head")
    x = head = prelu(x, name="head_prelu")
    for i in range(num_res_blocks):
        x = res_block(x, name=f"body_{i}")
    x = conv(x, num_filters, 3, name="body_out")
    x = layers.BatchNormalization(name="body_out_norm")(x)
    x = layers.Add(name="body_add")([x, head])

    for i, factor in enumerate(STAGES[scale], start=1):
        x = conv(x, num_filters * factor**2, 3, name=f"upsampler_x{factor}_{i}")
        x = PixelShuffle(factor, name=f"upsampler_x{factor}_{i}_shuffle")(x)
        x = prelu(x, name=f"upsampler_x{factor}_{i}_prelu")
    return keras.Model(lr, tanh_output(conv(x, 3, 9, name="tail")))


def res_block(x, name):
    """conv -> batch norm -> PReLU -> conv -> batch norm, added to x."""
    branch = conv(x, x.shape[-1], 3, name=f"{name}_conv_1")
    branch = layers.BatchNormalization(name=f"{name}_norm_1")(branch)
    branch = prelu(branch, name=f"{name}_prelu")
    branch = conv(branch, x.shape[-1], 3, name=f"{name}_conv_2")
    branch = layers.BatchNormalization(name=f"{name}_norm_2")(branch)
    return layers.Add(name=f"{name}_add")([x, branch])


def prelu(x, name):
    """PReLU with one slope per channel, initially zero."""
    return layers.PReLU(shared_axes=[1, 2], name=name)(x)
