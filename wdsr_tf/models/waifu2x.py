"""What waifu2x's networks share, https://github.com/nagadomi/waifu2x: layers without padding, LeakyReLU, a clip."""

import keras
from keras import layers

from wdsr_tf.errors import InputError
from wdsr_tf.layers import ClipThrough, InferencePad
from wdsr_tf.models.luma import Luma, PreUpscale, ReplaceLuma

SLOPE = 0.1  # of LeakyReLU below zero


def unit_range(lr, luma):
    """RGB or luma in 0..1."""
    if luma:
        return Luma("yuv", name="luma")(lr)
    return layers.Rescaling(1 / 255, dtype="float32", name="normalize")(lr)


def picture(x, lr, scale, *, clip=True, name="sr"):
    """RGB in 0..255 from RGB or luma in 0..1; luma gets the colors of `lr`. Clipped, but gradients pass the clip."""
    if clip:
        x = ClipThrough(0.0, 1.0, dtype="float32", name=f"{name}_clip")(x)
    if x.shape[-1] == 3:
        return layers.Rescaling(255.0, dtype="float32", name=name)(x)
    if scale > 1:
        lr = PreUpscale(scale, name=f"{name}_colors")(lr)
    if not clip:
        return ReplaceLuma("yuv", name=name)([lr, x])
    x = ReplaceLuma("yuv", name=f"{name}_rgb")([lr, x])
    return ClipThrough(0.0, 255.0, dtype="float32", name=name)(x)


def padded(x, size, pad):
    """`pad="edge"`: the edge repeated `size` times, at inference only; `pad="zeros"`: zeros, in training too."""
    if pad == "edge":
        return InferencePad(size, "edge", name="pad")(x)
    if pad == "zeros":
        return layers.ZeroPadding2D(size, name="pad")(x)
    raise InputError(f"pad is {pad!r}; it can be edge, zeros")


def conv(x, filters, kernel_size, *, name, strides=1):
    """Unpadded convolution and LeakyReLU."""
    x = layers.Conv2D(filters, kernel_size, strides, kernel_initializer=initializer(), name=name)(x)
    return layers.LeakyReLU(SLOPE, name=f"{name}_relu")(x)


def deconv(x, filters, kernel_size, *, name):
    """Transposed convolution of stride 2 and LeakyReLU."""
    x = layers.Conv2DTranspose(filters, kernel_size, 2, kernel_initializer=initializer(), name=name)(x)
    return layers.LeakyReLU(SLOPE, name=f"{name}_relu")(x)


TRANSPOSED = {2: (4, 3), 3: (5, 2)}  # stride -> side of the kernel, pixels cut from each side of its output


def tail(x, filters, scale, *, name, use_bias=True):
    """A 3x3 convolution, or a transposed one of stride 2 or 3, in float32: it makes the image."""
    kind = {"kernel_initializer": initializer(), "use_bias": use_bias, "dtype": "float32"}
    if scale == 1:
        return layers.Conv2D(filters, 3, name=name, **kind)(x)
    size, cut = TRANSPOSED[scale]
    x = layers.Conv2DTranspose(filters, size, scale, name=f"{name}_x{scale}", **kind)(x)
    return layers.Cropping2D(cut, dtype="float32", name=f"{name}_crop")(x)


def initializer():
    """Normal with deviation sqrt(4 / ((1 + slope^2) * (fan_in + fan_out))): He et al., 2015, for both fans."""
    return keras.initializers.VarianceScaling(2 / (1 + SLOPE**2), "fan_avg", "untruncated_normal")
