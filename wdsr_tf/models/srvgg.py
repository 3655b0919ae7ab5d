"""SRVGGNetCompact ("Compact"): Real-ESRGAN's small networks, realesr-animevideov3 and realesr-general-x4v3.

Wang et al., 2021, https://github.com/xinntao/Real-ESRGAN.

    lr -> conv, PReLU -> n times (conv, PReLU) -> conv -> pixel shuffle -> (+ nearest) -> [bicubic resize] -> sr
"""

import keras
from keras import layers

from wdsr_tf.errors import InputError
from wdsr_tf.layers import BicubicShrink, PixelShuffle
from wdsr_tf.models.blocks import conv
from wdsr_tf.models.registry import register


@register("srvgg", scales=(1, 2, 3, 4))
def srvgg(scale, *, num_filters=64, num_res_blocks=16, inner_scale=None):
    """Builds SRVGGNetCompact; `num_res_blocks` counts the convolutions between the first and the last.

    Published networks have 16 or 32. With `inner_scale=4` the network upscales by 4 and its result is resized to
    `scale`, by a bicubic filter (a = -0.75) without antialiasing: so realesr-animevideov3 makes x2 and x3.
    """
    inner = inner_scale or scale
    if inner < scale:
        raise InputError(f"inner_scale={inner} is less than the scale {scale}.")
    lr = keras.Input((None, None, 3), name="lr")
    x = unit = layers.Rescaling(1 / 255, dtype="float32", name="normalize")(lr)
    for i in range(num_res_blocks + 1):
        name = f"body_{i - 1}" if i else "head"
        x = conv(x, num_filters, 3, name=name)
        x = layers.PReLU(keras.initializers.Constant(0.25), shared_axes=[1, 2], name=f"{name}_prelu")(x)
    x = conv(x, 3 * inner**2, 3, name=f"tail_x{inner}", dtype="float32")
    nearest = unit
    if inner > 1:
        x = PixelShuffle(inner, dtype="float32", name="tail_shuffle")(x)
        nearest = layers.UpSampling2D(inner, dtype="float32", name="nearest")(unit)
    x = layers.Add(dtype="float32", name="add")([x, nearest])
    if inner > scale:
        x = BicubicShrink(scale, inner, dtype="float32", name="resize")(x)
    return keras.Model(lr, layers.Rescaling(255.0, dtype="float32", name="sr")(x))
