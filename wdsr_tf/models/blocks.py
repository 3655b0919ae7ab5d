"""What two or more networks share, and nothing else."""

import keras
import numpy as np
from keras import layers, ops

from wdsr_tf.layers import GroupedConv2D, PixelShuffle, WeightNormConv2D

STAGES = {2: [2], 3: [3], 4: [2, 2], 8: [2, 2, 2]}  # scale -> factors of the pixel shuffles, where 4 is twice 2
DIV2K_MEAN = 255 * np.array([0.4488, 0.4371, 0.4040])  # RGB, of the 800 training pictures


def normalize(lr, mean=DIV2K_MEAN, std=127.5):
    """`(lr - mean) / std` in float32, whatever the dtype policy."""
    return layers.Rescaling(1 / std, offset=(-mean / std).tolist(), dtype="float32", name="normalize")(lr)


def denormalize(x, mean=DIV2K_MEAN, std=127.5):
    """`x * std + mean` in float32, whatever the dtype policy: the last step of a network."""
    return layers.Rescaling(std, offset=mean.tolist(), dtype="float32", name="sr")(x)


def tanh_output(x):
    """tanh, brought from [-1, 1] to [0, 255], in float32: the last step of a network that generates for a GAN."""
    x = layers.Activation("tanh", dtype="float32", name="tanh")(x)
    return denormalize(x, np.full(3, 127.5), 127.5)


def conv(
    x,
    filters,
    kernel_size,
    *,
    name,
    padding="same",
    groups=1,
    weight_norm=False,
    init="keras",
    gain=None,
    dtype=None,
):
    """A convolution with bias and without activation, plain (in `groups`) or weight-normalized.

    `init` is "keras" (Glorot uniform, zero bias), "pytorch" (uniform in +-1/sqrt(fan_in), bias too) or "zero-bias"
    (PyTorch's kernel, zero bias). With the latter two each output channel's kernel may start with the norm `gain`
    instead of the one that `init` gives it.
    """
    kind = {"padding": padding, "name": name, "dtype": dtype}
    if init != "keras":
        kind |= pytorch_init(x, kernel_size, groups)
    if init == "zero-bias":
        kind["bias_initializer"] = "zeros"
    if weight_norm:
        g = None if gain is None else keras.initializers.Constant(gain)
        return WeightNormConv2D(filters, kernel_size, g_initializer=g, **kind)(x)
    if gain is not None:
        kind["kernel_initializer"] = of_norm(gain, kind["kernel_initializer"])
    layer = layers.Conv2D if groups == 1 else GroupedConv2D
    return layer(filters, kernel_size, groups=groups, **kind)(x)


def of_norm(gain, initializer):
    """`initializer`, with the kernel of each output channel brought to the norm `gain`."""

    def initialize(shape, dtype=None):
        kernel = initializer(shape, dtype)
        return kernel * (gain / ops.sqrt(ops.sum(ops.square(kernel), axis=(0, 1, 2))))

    return initialize


def pytorch_init(x, kernel_size, groups=1):
    """Keras arguments for PyTorch's default: kernel and bias uniform in +-1/sqrt(fan_in)."""
    limit = (kernel_size**2 * x.shape[-1] // groups) ** -0.5
    return {
        "kernel_initializer": keras.initializers.RandomUniform(-limit, limit),
        "bias_initializer": keras.initializers.RandomUniform(-limit, limit),
    }


def upsampler(x, scale, num_filters, **conv_arguments):
    """EDSR's upsampler: convolution and pixel shuffle, twice for x4, without activation.

    Layers are named after what they do, so that a x4 network takes the first stage of a x2 network by name.
    """
    for i, factor in enumerate(STAGES[scale], start=1):
        x = conv(x, num_filters * factor**2, 3, name=f"upsampler_x{factor}_{i}", **conv_arguments)
        x = PixelShuffle(factor, name=f"upsampler_x{factor}_{i}_shuffle")(x)
    return x


def cascade(x, stages, fuse, name):
    """CARN's cascade: each stage sees what `fuse` makes of the input and the outputs of all stages before it.

    `stages` are functions of a tensor; `fuse(x, filters, name)` brings the joined features back to the input's width.
    """
    filters = x.shape[-1]
    features = [x]
    for i, stage in enumerate(stages):
        features = [*features, stage(x)]
        x = fuse(layers.Concatenate(name=f"{name}_concat_{i}")(features), filters, name=f"{name}_fuse_{i}")
    return x
