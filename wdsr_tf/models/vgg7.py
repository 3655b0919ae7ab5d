"""VGG7: waifu2x's plain network, which removes noise at x1 and sharpens a nearest-neighbor upscaling at x2.

nagadomi, 2015, https://github.com/nagadomi/waifu2x.

    lr (-> nearest x2) -> seven 3x3 convolutions without padding -> clip -> sr
"""

import keras
from keras import layers

from wdsr_tf.models.registry import register
from wdsr_tf.models.waifu2x import conv, output, pad_borders, tail, unit_range

WIDTHS = (32, 32, 64, 64, 128, 128)


@register("vgg7", scales=(1, 2))
def vgg7(scale: int, *, luma: bool = False, pad: str = "edge") -> keras.Model:
    """Builds VGG7 on RGB or on luma.

    `pad="edge"` is waifu2x: no padding in training, repeated border pixels at inference, and a clipped output.
    `pad="zeros"` is yu45020/Waifu2x: zeros around the input, in training too, and no clip.
    """
    lr = keras.Input((None, None, 3), name="lr")
    x = unit_range(lr, luma)
    if scale == 2:
        x = layers.UpSampling2D(2, name="enlarged")(x)
    x = pad_borders(x, 7, pad)
    for i, filters in enumerate(WIDTHS, start=1):
        x = conv(x, filters, 3, name=f"conv_{i}")
    x = tail(x, 1 if luma else 3, 1, name="tail")
    return keras.Model(lr, output(x, lr, scale, clip=pad == "edge"))
