"""CUNet and UpCUNet: waifu2x's cascades of two U-Nets with squeeze and excitation, for denoising (x1) and for x2.

nagadomi, 2018, https://github.com/nagadomi/waifu2x. Squeeze and excitation: Hu et al., CVPR 2018,
https://arxiv.org/abs/1709.01507.

    lr -> U-Net with two levels (x2) -> U-Net with three levels -> (+) -> clip -> sr
                                     \\---------------------------/

No convolution is padded, so skip connections are cropped. The gates of squeeze and excitation depend on means over the
whole input, and so does every output pixel.
"""

import keras
from keras import layers

from wdsr_tf.layers import CropToMatch, InferencePad, PadToMultiple
from wdsr_tf.models.registry import register
from wdsr_tf.models.waifu2x import conv, deconv, initializer, output, tail, unit_range

REDUCTION = 8  # of channels inside squeeze and excitation


@register("cunet", scales=(1,), global_mean=True)
def cunet(scale: int, *, luma: bool = False, auxiliary: bool = False) -> keras.Model:
    """Builds CUNet on RGB or on luma. `auxiliary` trains the output of the first U-Net too."""
    return cascade(scale, luma, auxiliary, border=28, multiple=4)


@register("upcunet", scales=(2,), global_mean=True)
def upcunet(scale: int, *, luma: bool = False, auxiliary: bool = False) -> keras.Model:
    """Builds UpCUNet; `luma` and `auxiliary` are as in CUNet."""
    return cascade(scale, luma, auxiliary, border=18, multiple=2)


def cascade(scale, luma, auxiliary, border, multiple):
    """Both U-Nets: they crop `border` LR pixels from each side and need input sizes that `multiple` divides."""
    lr = keras.Input((None, None, 3), name="lr")
    padded = InferencePad(border, "edge", name="pad")(unit_range(lr, luma))
    first = unet_1(PadToMultiple(multiple, name="fit")(padded), scale, name="unet_1")
    second = unet_2(first, name="unet_2")
    first = layers.Cropping2D(20, dtype="float32", name="unet_1_crop")(first)
    both = layers.Add(dtype="float32", name="add")([second, first])

    crop = CropToMatch(scale, border, dtype="float32", name="unfit")
    sr = output(crop([both, padded]), lr, scale)
    return keras.Model(lr, [sr, output(crop([first, padded]), lr, scale, name="auxiliary")] if auxiliary else sr)


def unet_1(x, scale, name):
    """Two levels. The tail doubles the size if `scale` is 2."""
    channels = x.shape[-1]
    skip = two_convs(x, 32, 64, name=f"{name}_encode")
    x = conv(skip, 64, 2, strides=2, name=f"{name}_down")
    x = squeeze_excite(two_convs(x, 128, 64, name=f"{name}_bottom"), name=f"{name}_bottom")
    x = deconv(x, 64, 2, name=f"{name}_up")
    x = add(x, skip, 4, name=f"{name}_add")
    x = conv(x, 64, 3, name=f"{name}_fuse")
    return tail(x, channels, scale, name=f"{name}_tail")


def unet_2(x, name):
    """Three levels."""
    channels = x.shape[-1]
    skip_1 = two_convs(x, 32, 64, name=f"{name}_encode_1")
    x = conv(skip_1, 64, 2, strides=2, name=f"{name}_down_1")
    skip_2 = squeeze_excite(two_convs(x, 64, 128, name=f"{name}_encode_2"), name=f"{name}_encode_2")
    x = conv(skip_2, 128, 2, strides=2, name=f"{name}_down_2")
    x = squeeze_excite(two_convs(x, 256, 128, name=f"{name}_bottom"), name=f"{name}_bottom")
    x = deconv(x, 128, 2, name=f"{name}_up_2")
    x = add(x, skip_2, 4, name=f"{name}_add_2")
    x = squeeze_excite(two_convs(x, 64, 64, name=f"{name}_decode_2"), name=f"{name}_decode_2")
    x = deconv(x, 64, 2, name=f"{name}_up_1")
    x = add(x, skip_1, 16, name=f"{name}_add_1")
    x = conv(x, 64, 3, name=f"{name}_fuse")
    return tail(x, channels, 1, name=f"{name}_tail")


def two_convs(x, inner, outer, name):
    return conv(conv(x, inner, 3, name=f"{name}_conv_1"), outer, 3, name=f"{name}_conv_2")


def squeeze_excite(x, name):
    """Multiplies each channel by a gate in 0..1 that depends on the means of all channels.

    The means are computed in float32, because their sums overflow in half precision.
    """
    filters = x.shape[-1]
    gate = layers.GlobalAveragePooling2D(keepdims=True, dtype="float32", name=f"{name}_mean")(x)
    for units, activation, part in [(filters // REDUCTION, "relu", "squeeze"), (filters, "sigmoid", "excite")]:
        gate = layers.Dense(units, activation, kernel_initializer=initializer(), name=f"{name}_{part}")(gate)
    return layers.Multiply(name=f"{name}_gate")([x, gate])


def add(x, skip, border, name):
    """Adds `skip`, cropped by `border` pixels on each side, to x."""
    return layers.Add(name=name)([layers.Cropping2D(border, name=f"{name}_crop")(skip), x])
