"""VDSR: Accurate Image Super-Resolution Using Very Deep Convolutional Networks.

Kim et al., CVPR 2016, https://arxiv.org/abs/1511.04587.

    lr -> bicubic -> luma -> n convolutions with ReLU between them -> (+ luma) -> sr

It works on luma; the colors are those of the bicubic upscaling. One set of weights fits every scale.
"""

import keras
from keras import layers

from wdsr_tf.models.luma import Luma, PreUpscale, ReplaceLuma
from wdsr_tf.models.registry import register


@register("vdsr", scales=(2, 3, 4), luma=True)
def vdsr(scale, *, num_filters=64, num_layers=20):
    """Builds VDSR; the defaults are the paper's."""
    lr = keras.Input((None, None, 3), name="lr")
    upscaled = PreUpscale(scale, name="pre_upscale")(lr)
    x = luma = Luma(peak=1.0, name="luma")(upscaled)
    for i in range(1, num_layers):
        x = layers.Conv2D(num_filters, 3, padding="same", kernel_initializer=he(), name=f"conv_{i}")(x)
        x = layers.ReLU(name=f"relu_{i}")(x)
    x = layers.Conv2D(1, 3, padding="same", kernel_initializer=he(), dtype="float32", name=f"conv_{num_layers}")(x)
    x = layers.Add(dtype="float32", name="luma_add")([luma, x])
    return keras.Model(lr, ReplaceLuma(peak=1.0, name="sr")([upscaled, x]))


def he():
    return keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal")
