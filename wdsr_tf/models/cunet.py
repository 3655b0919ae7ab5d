"""CUNet and UpCUNet: waifu2x's cascade of two U-nets with squeeze and excitation, against noise (x1) and for x2.

nagadomi, 2018, https://github.com/nagadomi/waifu2x; squeeze and excitation: Hu et al., CVPR 2018,
https://arxiv.org/abs/1709.01507.

    lr -> U-net of two levels (x2) -> U-net of three levels -> (+) -> clip -> sr
                                   \\-------------------------/

No convolution is padded: what a skip connection adds is cut to the size of what it is added to. The gates of squeeze
and excitation depend on means over the whole input, and so does every pixel of the output.
"""

import keras
from keras import layers

from wdsr_tf.errors import InputError
from wdsr_tf.layers import CropToMatch, InferencePad, PadToMultiple, PixelShuffle
from wdsr_tf.models.registry import register
from wdsr_tf.models.waifu2x import conv, deconv, initializer, output, tail, unit_range

REDUCTION = 8  # of the channels inside squeeze and excitation
PRO = (0.7, 0.15)  # Real-CUGAN's "pro" networks compute on 0.7 * x + 0.15


@register("cunet", scales=(1,), global_mean=True)
def cunet(scale, *, luma=False, auxiliary=False):
    """Builds CUNet, on RGB or on luma; with `auxiliary` the first U-net's output is trained beside that of both."""
    lr = keras.Input((None, None, 3), name="lr")
    x = unit_range(lr, luma)
    sr, first, _ = cascade(x, x.shape[-1], stride=1, border=28, multiple=4, pad="edge", gates=True)
    return finished(lr, sr, first if auxiliary else None, scale, clip=True)


@register("upcunet", scales=(2, 3, 4), global_mean=True)
def upcunet(scale, *, luma=False, auxiliary=False, pad="edge", clip=True, pro=False, gates=True):
    """Builds UpCUNet: waifu2x's at x2, and Real-CUGAN's at x2, x3 and x4, https://github.com/bilibili/ailab.

    `luma` and `auxiliary` as in CUNet. Real-CUGAN has `clip=False`, and `pad="reflect"` in its PyTorch program ("edge"
    in its ncnn program). `pro` are its networks on a reduced range, `gates=False` those without squeeze and excitation.
    """
    lr = keras.Input((None, None, 3), name="lr")
    x = unit_range(lr, luma)
    if pro:
        x = layers.Rescaling(PRO[0], offset=PRO[1], dtype="float32", name="pro")(x)
    if scale < 4:
        border, multiple = {2: (18, 2), 3: (14, 4)}[scale]
        kind = {"border": border, "multiple": multiple, "pad": pad, "gates": gates}
        sr, first, _ = cascade(x, x.shape[-1], stride=scale, **kind)
    elif luma or auxiliary:
        raise InputError("UpCUNet at x4 is Real-CUGAN's: it has neither luma nor auxiliary.")
    else:
        sr, first = twice_as_large(x, pad, gates), None
    if pro:
        sr = layers.Rescaling(1 / PRO[0], offset=-PRO[1] / PRO[0], dtype="float32", name="unpro")(sr)
    return finished(lr, sr, first if auxiliary else None, scale, clip)


def twice_as_large(x, pad, gates):
    """Real-CUGAN's x4: U-nets of 64 channels at x2, a convolution, pixel shuffle, added to the nearest upscaling."""
    border = 19
    y, _, whole = cascade(x, 64, stride=2, border=border, multiple=2, pad=pad, gates=gates, keep=4)
    nearest = layers.Cropping2D(border, dtype="float32", name="nearest_crop")(whole)  # x, or less of it in training
    nearest = layers.UpSampling2D(4, dtype="float32", name="nearest")(nearest)
    y = layers.Conv2D(12, 3, kernel_initializer=initializer(), dtype="float32", name="tail")(y)
    y = PixelShuffle(2, dtype="float32", name="tail_shuffle")(
        layers.Cropping2D(1, dtype="float32", name="tail_crop")(y)
    )
    return layers.Add(dtype="float32", name="nearest_add")([y, nearest])


def cascade(x, channels, *, stride, border, multiple, pad, gates, keep=0):
    """Returns (the outputs of both U-nets added, the first's, x padded).

    The first two are `stride` times as large as x, with `keep` more rows and columns. The U-nets lose `border` pixels
    of x on each side and can halve sizes that are multiples of `multiple`.
    """
    whole = InferencePad(border, pad, name="pad")(x)
    # A reflection goes on where the border ends: the border and the rest up to a multiple are one padding.
    x = whole if pad == "edge" else InferencePad(border, pad, multiple, name="pad_to_multiple")(x)
    first = unet_1(PadToMultiple(multiple, name="fit")(x), channels, stride, gates, name="unet_1")
    second = unet_2(first, gates, name="unet_2")
    first = layers.Cropping2D(20, dtype="float32", name="unet_1_crop")(first)
    both = layers.Add(dtype="float32", name="add")([second, first])
    fit = CropToMatch(stride, border, keep, dtype="float32", name="unfit")
    return fit([both, whole]), fit([first, whole]), whole


def finished(lr, sr, first, scale, clip):
    """The network from `lr` to the image `sr`, and to `first` in training, where that isn't None."""
    outputs = output(sr, lr, scale, clip=clip)
    if first is not None:
        outputs = [outputs, output(first, lr, scale, clip=clip, name="auxiliary")]
    return keras.Model(lr, outputs)


def unet_1(x, channels, stride, gates, name):
    """Two levels; its tail makes `channels` of an image `stride` times as large."""
    skip = two_convs(x, 32, 64, name=f"{name}_encode")
    x = conv(skip, 64, 2, strides=2, name=f"{name}_down")
    x = squeeze_excite(two_convs(x, 128, 64, name=f"{name}_bottom"), gates, name=f"{name}_bottom")
    x = deconv(x, 64, 2, name=f"{name}_up")
    x = add(x, skip, 4, name=f"{name}_add")
    x = conv(x, 64, 3, name=f"{name}_fuse")
    return tail(x, channels, stride, name=f"{name}_tail")


def unet_2(x, gates, name):
    """Three levels."""
    channels = x.shape[-1]
    skip_1 = two_convs(x, 32, 64, name=f"{name}_encode_1")
    x = conv(skip_1, 64, 2, strides=2, name=f"{name}_down_1")
    skip_2 = squeeze_excite(two_convs(x, 64, 128, name=f"{name}_encode_2"), gates, name=f"{name}_encode_2")
    x = conv(skip_2, 128, 2, strides=2, name=f"{name}_down_2")
    x = squeeze_excite(two_convs(x, 256, 128, name=f"{name}_bottom"), gates, name=f"{name}_bottom")
    x = deconv(x, 128, 2, name=f"{name}_up_2")
    x = add(x, skip_2, 4, name=f"{name}_add_2")
    x = squeeze_excite(two_convs(x, 64, 64, name=f"{name}_decode_2"), gates, name=f"{name}_decode_2")
    x = deconv(x, 64, 2, name=f"{name}_up_1")
    x = add(x, skip_1, 16, name=f"{name}_add_1")
    x = conv(x, 64, 3, name=f"{name}_fuse")
    return tail(x, channels, 1, name=f"{name}_tail")


def two_convs(x, inner, outer, name):
    return conv(conv(x, inner, 3, name=f"{name}_conv_1"), outer, 3, name=f"{name}_conv_2")


def squeeze_excite(x, gates, name):
    """Each channel times a gate in 0..1 that depends on the means of all channels; x itself without `gates`.

    The means are taken in float32: half precision would overflow on the sums.
    """
    if not gates:
        return x
    filters = x.shape[-1]
    gate = layers.GlobalAveragePooling2D(keepdims=True, dtype="float32", name=f"{name}_mean")(x)
    for units, activation, part in [(filters // REDUCTION, "relu", "squeeze"), (filters, "sigmoid", "excite")]:
        gate = layers.Dense(units, activation, kernel_initializer=initializer(), name=f"{name}_{part}")(gate)
    return layers.Multiply(name=f"{name}_gate")([x, gate])


def add(x, skip, border, name):
    """x plus `skip` without `border` pixels on each side."""
    return layers.Add(name=name)([layers.Cropping2D(border, name=f"{name}_crop")(skip), x])
