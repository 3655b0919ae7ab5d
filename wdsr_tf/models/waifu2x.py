"""Blocks of waifu2x's networks, https://github.com/nagadomi/waifu2x: unpadded convolutions, LeakyReLU, a clip."""

import keras
from keras import layers

from wdsr_tf.errors import check_choice
from wdsr_tf.layers import ClipThrough, InferencePad
from wdsr_tf.models.luma import Luma, PreUpscale, ReplaceLuma

SLOPE = 0.1  # of LeakyReLU below zero


def unit_range(lr, luma):
    """RGB or luma in 0..1."""
    if luma:
        return Luma("yuv", name="luma")(lr)
    return layers.Rescaling(1 / 255, dtype="float32", name="normalize")(lr)


def pad_borders(x, size, pad):
    """Adds `size` pixels: repeated border pixels at inference only ("edge"), or zeros in training too ("zeros")."""
    if check_choice("pad", pad, ("edge", "zeros")) == "edge":
        return InferencePad(size, "edge", name="pad")(x)
    return layers.ZeroPadding2D(size, name="pad")(x)


def conv(x, filters, kernel_size, *, name, strides=1):
    """Unpadded convolution and LeakyReLU."""
    x = layers.Conv2D(filters, kernel_size, strides, kernel_initializer=initializer(), name=name)(x)
    return layers.LeakyReLU(SLOPE, name=f"{name}_relu")(x)


def deconv(x, filters, kernel_size, *, name):
    """Transposed convolution of stride 2 and LeakyReLU."""
    x = layers.Conv2DTranspose(filters, kernel_size, 2, kernel_initializer=initializer(), name=name)(x)
    return layers.LeakyReLU(SLOPE, name=f"{name}_relu")(x)


def tail(x, filters, scale, *, name, use_bias=True):
    """3x3 convolution (x1), or transposed 4x4 convolution cropped by 3 pixels (x2).

    It computes in float32, because its output is the image.
    """
    kwargs = {"kernel_initializer": initializer(), "use_bias": use_bias, "dtype": "float32"}
    if scale == 1:
        return layers.Conv2D(filters, 3, name=name, **kwargs)(x)
    x = layers.Conv2DTranspose(filters, 4, 2, name=f"{name}_x2", **kwargs)(x)
    return layers.Cropping2D(3, dtype="float32", name=f"{name}_crop")(x)


def output(x, lr, scale, *, clip=True, name="sr"):
    """RGB in 0..255 from RGB or luma in 0..1, clipped in the forward pass only. Luma gets the colors of `lr`."""
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


def initializer():
    """Normal with variance 4 / ((1 + slope^2) * (fan_in + fan_out)): He et al., 2015, averaged over both fans."""
    return keras.initializers.VarianceScaling(2 / (1 + SLOPE**2), "fan_avg", "untruncated_normal")
