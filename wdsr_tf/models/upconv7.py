"""UpConv7: waifu2x's first network that upscales by itself.

nagadomi, 2016, https://github.com/nagadomi/waifu2x.

    lr -> six 3x3 convolutions without padding -> transposed 4x4 convolution -> clip -> sr
"""

import keras

from wdsr_tf.models.registry import register
from wdsr_tf.models.waifu2x import conv, output, pad_borders, tail, unit_range

WIDTHS = (16, 32, 64, 128, 128, 256)
WIDE = (16, 32, 64, 128, 256, 256)


@register("upconv7", scales=(2,))
def upconv7(scale: int, *, luma: bool = False, pad: str = "edge", wide: bool = False) -> keras.Model:
    """Builds UpConv7 on RGB or on luma.

    `pad` is as in VGG7. `wide` is the network of tsurumeso, whose fifth convolution has 256 filters.
    """
    lr = keras.Input((None, None, 3), name="lr")
    x = pad_borders(unit_range(lr, luma), 7, pad)
    for i, filters in enumerate(WIDE if wide else WIDTHS, start=1):
        x = conv(x, filters, 3, name=f"conv_{i}")
    x = tail(x, 1 if luma else 3, scale, name="tail", use_bias=False)
    return keras.Model(lr, output(x, lr, scale, clip=pad == "edge"))
