"""Blocks that several networks share."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import layers, ops

from wdsr_tf.div2k import DIV2K_MEAN
from wdsr_tf.errors import InputError, check_choice
from wdsr_tf.layers import REPARAMETERIZED, GroupedConv2D, PixelShuffle, WeightNormConv2D

STAGES = {2: [2], 3: [3], 4: [2, 2], 8: [2, 2, 2]}  # scale -> factors of its pixel shuffles


def normalize(lr, mean: Sequence[float] | None = None, std: float = 127.5):
    """Returns `(lr - mean) / std` in float32, whatever the dtype policy; the default mean is DIV2K's."""
    mean = _mean(mean)
    return layers.Rescaling(1 / std, offset=(-mean / std).tolist(), dtype="float32", name="normalize")(lr)


def denormalize(x, mean: Sequence[float] | None = None, std: float = 127.5):
    """Returns `x * std + mean` in float32, whatever the dtype policy: the last step of a network."""
    return layers.Rescaling(std, offset=_mean(mean).tolist(), dtype="float32", name="sr")(x)


def _mean(mean):
    """The color as an array, DIV2K's for None."""
    if mean is None:
        return DIV2K_MEAN
    try:
        color = np.array(mean, "float64")
    except (TypeError, ValueError):
        color = np.array(np.nan)
    if color.shape != (3,) or not np.isfinite(color).all():
        raise InputError(f"mean must be three numbers in 0..255, red, green and blue; it is {mean!r}.")
    return color


def tanh_output(x):
    """Returns tanh(x), mapped from [-1, 1] to [0, 255], in float32: the last step of a GAN's generator."""
    x = layers.Activation("tanh", dtype="float32", name="tanh")(x)
    return denormalize(x, np.full(3, 127.5), 127.5)


def conv(
    x,
    filters: int,
    kernel_size: int,
    *,
    name: str,
    padding: str = "same",
    groups: int = 1,
    weight_norm: bool = False,
    init: str = "keras",
    gain: float | None = None,
    reparameterize: str | None = None,
    dtype: str | None = None,
):
    """A convolution with bias and without activation.

    Args:
        x: the input (N, H, W, C).
        filters: number of output channels.
        kernel_size: side of the square kernel.
        name: name of the layer.
        padding: "same" (zeros) or "valid".
        groups: number of groups of a plain convolution.
        weight_norm: whether the convolution is weight-normalized.
        init: "keras" (Glorot uniform, zero bias), "pytorch" (kernel and bias uniform in +-1/sqrt(fan_in)) or
            "zero-bias" (PyTorch's kernel, zero bias).
        gain: norm that each output channel's kernel starts with, instead of the one that `init` gives it. Not with
            "keras".
        reparameterize: the branches that a 3x3 convolution is trained as, one of `REPARAMETERIZED`, with their own
            initial weights; None for none.
        dtype: dtype policy of the layer; the global one if None.
    """
    kwargs = {"padding": padding, "name": name, "dtype": dtype}
    if reparameterize and kernel_size == 3:
        return REPARAMETERIZED[check_choice("reparameterize", reparameterize, REPARAMETERIZED)](filters, **kwargs)(x)
    if init != "keras":
        kwargs |= pytorch_init(x, kernel_size, groups)
    if init == "zero-bias":
        kwargs["bias_initializer"] = "zeros"
    if weight_norm:
        g = None if gain is None else keras.initializers.Constant(gain)
        return WeightNormConv2D(filters, kernel_size, g_initializer=g, **kwargs)(x)
    if gain is not None:
        kwargs["kernel_initializer"] = with_norm(gain, kwargs["kernel_initializer"])
    layer = layers.Conv2D if groups == 1 else GroupedConv2D
    return layer(filters, kernel_size, groups=groups, **kwargs)(x)


def with_norm(gain: float, initializer: Callable) -> Callable:
    """Returns `initializer` with the kernel of each output channel scaled to the norm `gain`."""

    def initialize(shape, dtype=None):
        kernel = initializer(shape, dtype)
        return kernel * (gain / ops.sqrt(ops.sum(ops.square(kernel), axis=(0, 1, 2))))

    return initialize


def pytorch_init(x, kernel_size: int, groups: int = 1) -> dict:
    """Returns PyTorch's default initializers as Keras arguments: kernel and bias uniform in +-1/sqrt(fan_in)."""
    limit = (kernel_size**2 * x.shape[-1] // groups) ** -0.5
    return {
        "kernel_initializer": keras.initializers.RandomUniform(-limit, limit),
        "bias_initializer": keras.initializers.RandomUniform(-limit, limit),
    }


def upsampler(x, scale: int, num_filters: int, **conv_kwargs):
    """EDSR's upsampler: convolution and pixel shuffle, twice at x4, without activation.

    Layers are named after their factor and stage, so that a x4 network can take the first stage of a x2 network by
    name.
    """
    for i, factor in enumerate(STAGES[scale], start=1):
        x = conv(x, num_filters * factor**2, 3, name=f"upsampler_x{factor}_{i}", **conv_kwargs)
        x = PixelShuffle(factor, name=f"upsampler_x{factor}_{i}_shuffle")(x)
    return x


def cascade(x, stages: list[Callable], fuse: Callable, name: str):
    """CARN's cascade: each stage sees a fusion of the input and the outputs of all earlier stages.

    Args:
        x: the input (N, H, W, C).
        stages: functions of a tensor.
        fuse: `fuse(x, filters, name)` reduces the concatenated features to the input's width.
        name: prefix of the layers' names.
    """
    filters = x.shape[-1]
    features = [x]
    for i, stage in enumerate(stages):
        features = [*features, stage(x)]
        x = fuse(layers.Concatenate(name=f"{name}_concat_{i}")(features), filters, name=f"{name}_fuse_{i}")
    return x
