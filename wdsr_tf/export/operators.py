"""Writes layers as ONNX nodes: one function per layer class, from the names of NCHW inputs to the name of the output.

`WRITERS` is the table of these functions. What a layer does in training only, such as dropout, isn't exported.
"""

import math

import numpy as np
from keras import layers, ops

from wdsr_tf import layers as own
from wdsr_tf.errors import InputError
from wdsr_tf.export import PICTURE
from wdsr_tf.export.borders import HEIGHT, WIDTH, crop_to_match, inference_pad, mirrored, pad_to_multiple, padded
from wdsr_tf.export.graph import int64, refuse
from wdsr_tf.models import carn, luma
from wdsr_tf.models.blocks import STAGES

LAST = np.iinfo("int64").max


def conv(graph, layer, x, name=None):
    """`name` names layers inside a layer, for which Keras makes up names."""
    kernel, bias = _weights(layer)
    groups = getattr(layer, "groups", 1)
    strides, dilations = (getattr(layer, key, (1, 1)) for key in ("strides", "dilation_rate"))
    pads = _same_padding(layer, kernel.shape[:2], strides, dilations)
    attributes = {"group": groups, "strides": strides, "dilations": dilations, "pads": pads}
    x = _convolve(graph, name or layer.name, x, kernel.transpose(3, 2, 0, 1), bias, **attributes)
    return activate(graph, getattr(layer, "activation", None), x)


def separable_conv(graph, layer, x):
    depthwise, pointwise, bias = (*map(ops.convert_to_numpy, layer.get_weights()), None)[:3]
    pads = _same_padding(layer, depthwise.shape[:2], layer.strides, layer.dilation_rate)
    height, width, channels, multiplier = depthwise.shape
    kernel = depthwise.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
    attributes = {"group": channels, "strides": layer.strides, "dilations": layer.dilation_rate, "pads": pads}
    x = _convolve(graph, f"{layer.name}/depthwise", x, kernel, None, **attributes)
    x = _convolve(graph, f"{layer.name}/pointwise", x, pointwise.transpose(3, 2, 0, 1), bias)
    return activate(graph, layer.activation, x)


def transposed_conv(graph, layer, x):
    kernel, bias = _weights(layer)
    # "same" crops the output to stride times the input, an odd pixel at the end.
    surplus = [k - s for k, s in zip(kernel.shape[:2], layer.strides, strict=True)]
    if min(surplus) < 0:
        refuse(layer, "has a stride greater than its kernel")
    surplus = surplus if layer.padding == "same" else [0, 0]
    pads = [s // 2 for s in surplus] + [s - s // 2 for s in surplus]
    attributes = {"strides": layer.strides, "pads": pads}
    kernel = kernel.transpose(3, 2, 0, 1)
    x = _convolve(graph, layer.name, x, kernel, bias, kind="ConvTranspose", **attributes)
    return activate(graph, layer.activation, x)


def dense(graph, layer, x):
    kernel, bias = _weights(layer)
    x = _convolve(graph, layer.name, x, kernel.T[..., None, None], bias)
    return activate(graph, layer.activation, x)


def upsampler(graph, layer, x):
    """CARN's upsampler: convolution, ReLU and pixel shuffle, with the convolutions of its scale only."""
    for i, factor in enumerate(STAGES[layer.scale]):
        x = conv(graph, layer.active[i], x, name=f"{layer.name}/x{factor}_{i + 1}")
        x = _shuffled(graph, graph.op("Relu", x), factor, layer.order)
    return x


def pixel_shuffle(graph, layer, x):
    return _shuffled(graph, x, layer.scale, layer.order)


def pixel_unshuffle(graph, layer, x):
    return graph.op("SpaceToDepth", x, blocksize=layer.factor)


def channels(graph, layer, x):
    return graph.op("Slice", x, int64(layer.start), int64(layer.stop), int64(1))


def contrast(graph, layer, x):
    mean = graph.op("GlobalAveragePool", x)
    difference = graph.op("Sub", x, mean)
    variance = graph.op("GlobalAveragePool", graph.op("Mul", difference, difference))
    return graph.op("Add", mean, graph.op("Sqrt", graph.op("Max", variance, np.float32(1e-12))))


def reparameterized_conv(graph, layer, x):
    kernel, bias = (ops.convert_to_numpy(part) for part in layer.fused())
    pads = [1 if layer.padding == "same" else 0] * 4
    return _convolve(graph, layer.name, x, kernel.transpose(3, 2, 0, 1), bias, pads=pads)


def bicubic_shrink(graph, layer, x):
    """A convolution with strides per channel and a pixel shuffle: few runtimes resize with a cubic filter."""
    graph.scope += PICTURE
    channels, common = layer.input.shape[-1], math.gcd(layer.scale, layer.inner)
    phases, stride = layer.scale // common, layer.inner // common
    places = [layer.taps(i) for i in range(phases)]
    low, high = min(first for first, _ in places), max(first for first, _ in places) + 4
    rows = np.zeros((phases, high - low))
    for row, (first, taps) in zip(rows, places, strict=True):
        row[first - low : first - low + 4] = taps
    kernel = np.einsum("pi,qj->pqij", rows, rows).reshape(-1, 1, high - low, high - low)
    x = padded(graph, x, -low, (high - stride, high - stride), mode="edge")
    kernel = np.tile(kernel, (channels, 1, 1, 1))
    x = _convolve(graph, layer.name, x, kernel, None, group=channels, strides=[stride, stride])
    return _shuffled(graph, x, phases, "pytorch") if phases > 1 else x


def batch_norm(graph, layer, x):
    channels = layer.moving_mean.shape
    gamma = layer.gamma if layer.scale else np.ones(channels, "float32")
    beta = layer.beta if layer.center else np.zeros(channels, "float32")
    parts = {"gamma": gamma, "beta": beta, "mean": layer.moving_mean, "variance": layer.moving_variance}
    constants = [graph.constant(f"{layer.name}/{k}", ops.convert_to_numpy(w)) for k, w in parts.items()]
    return graph.op("BatchNormalization", x, *constants, epsilon=layer.epsilon)


def rescaling(graph, layer, x):
    scale, offset = (_per_channel(value) for value in (layer.scale, layer.offset))
    x = graph.op("Mul", x, scale) if np.any(scale != 1) else x
    return graph.op("Add", x, offset) if np.any(offset) else x


def relu(graph, layer, x):
    if layer.negative_slope or layer.threshold:
        refuse(layer, "has a slope or a threshold")
    if layer.max_value is None:
        return graph.op("Relu", x)
    return graph.op("Clip", x, np.float32(0), np.float32(layer.max_value))


def leaky_relu(graph, layer, x):
    return graph.op("LeakyRelu", x, alpha=float(layer.negative_slope))


def prelu(graph, layer, x):
    slope = ops.convert_to_numpy(layer.alpha)
    if slope.shape[:2] != (1, 1):
        refuse(layer, "has a slope of its own for each pixel")
    return graph.op("PRelu", x, graph.constant(f"{layer.name}/slope", slope.transpose(2, 0, 1)))


def activation(graph, layer, x):
    return activate(graph, layer.activation, x)


def activate(graph, function, x):
    """Applies a layer's `activation` argument."""
    name = getattr(function, "__name__", "linear")
    if name == "silu":
        return graph.op("Mul", x, graph.op("Sigmoid", x))
    kinds = {"relu": "Relu", "selu": "Selu", "sigmoid": "Sigmoid", "tanh": "Tanh"}
    if name == "linear":
        return x
    if name not in kinds:
        raise InputError(f"The activation {name} can't be exported to ONNX. Supported: {', '.join(kinds)}, silu.")
    return graph.op(kinds[name], x)


def add(graph, layer, *inputs):
    return _joined(graph, "Add", inputs)


def multiply(graph, layer, *inputs):
    return _joined(graph, "Mul", inputs)


def concatenate(graph, layer, *inputs):
    if layer.axis not in (-1, 3):
        refuse(layer, "joins along another axis than the channels")
    return graph.op("Concat", *inputs, axis=1)


def mean(graph, layer, x):
    if not layer.keepdims:
        refuse(layer, "drops the height and width axes")
    return graph.op("GlobalAveragePool", x)


def nearest(graph, layer, x):
    if layer.interpolation != "nearest":
        refuse(layer, "interpolates")
    scales = graph.constant(f"{layer.name}/scales", np.array([1, 1, *layer.size], "float32"), dtype="float32")
    attributes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return graph.op("Resize", x, "", scales, **attributes)


def cropping(graph, layer, x):
    (top, bottom), (left, right) = layer.cropping
    ends = [-side if side else LAST for side in (bottom, right)]
    return graph.op("Slice", x, int64(top, left), int64(*ends), int64(HEIGHT, WIDTH))


def zero_padding(graph, layer, x):
    (top, bottom), (left, right) = layer.padding
    return graph.op("Pad", x, int64(0, 0, top, left, 0, 0, bottom, right))


def clip_through(graph, layer, x):
    clipped = graph.op("Clip", x, np.float32(layer.low), np.float32(layer.high))
    # x - x is 0, or NaN where x isn't finite: a broken output must not look like white or black.
    return graph.op("Add", clipped, graph.op("Sub", x, x))


def to_luma(graph, layer, x):
    graph.scope += PICTURE
    colors = luma.COLORS[layer.colors]
    factor = layer.peak / 255
    kernel = factor * colors.luma.reshape(1, 3, 1, 1)
    return _convolve(graph, layer.name, x, kernel, np.array([factor * colors.offset]))


def replace_luma(graph, layer, rgb, y):
    """At inference, RGB and luma have the same size, so there is nothing to crop."""
    graph.scope += PICTURE
    colors = luma.COLORS[layer.colors]
    offset = np.full(3, -colors.gain * colors.offset)
    rgb = _convolve(graph, layer.name, rgb, colors.chroma[..., None, None], offset)
    return graph.op("Add", rgb, graph.op("Mul", y, np.float32(colors.gain * 255 / layer.peak)))


def pre_upscale(graph, layer, x):
    """A 5x5 convolution per channel that computes all output pixels of an input pixel, and a pixel shuffle."""
    graph.scope += PICTURE
    channels = 1 if layer.input.shape[-1] == 1 else 3
    taps = luma.filter_weights(layer.scale, layer.filter)
    kernel = np.einsum("pi,qj->pqij", taps, taps).reshape(-1, 1, 5, 5)
    renormalize = layer.filter == "pillow-bicubic"
    wide = padded(graph, x, 2) if renormalize else mirrored(graph, x, 2)
    phases = _convolve(graph, layer.name, wide, np.tile(kernel, (channels, 1, 1, 1)), None, group=channels)
    large = _shuffled(graph, phases, layer.scale, "pytorch")
    if not renormalize:
        return large
    # Divide by the sum of the weights inside the image, which is the same convolution of ones.
    if graph.size(x):
        ones = graph.constant(f"{layer.name}/ones", np.ones((1, 1, *graph.size(x)), "float32"))
    else:
        ones = graph.op("Expand", np.float32(1), graph.op("Concat", int64(1, 1), graph.lengths(x), axis=0))
    inside = _convolve(graph, f"{layer.name}/inside", padded(graph, ones, 2), kernel, None)
    return graph.op("Div", large, _shuffled(graph, inside, layer.scale, "pytorch"))


def dropout(graph, layer, x):
    return x


def _shuffled(graph, x, scale, order):
    return graph.op("DepthToSpace", x, blocksize=scale, mode="DCR" if order == "keras" else "CRD")


def _convolve(graph, name, x, kernel, bias, kind="Conv", **attributes):
    constants = [graph.constant(f"{name}/kernel", kernel)]
    if bias is not None:
        constants.append(graph.constant(f"{name}/bias", bias))
    return graph.op(kind, x, *constants, kernel_shape=kernel.shape[2:], **attributes)


def _weights(layer):
    """Returns the effective kernel, and the bias or None."""
    bias = getattr(layer, "bias", None)
    return ops.convert_to_numpy(layer.kernel), None if bias is None else ops.convert_to_numpy(bias)


def _same_padding(layer, kernel, strides, dilations):
    """ONNX's [top, left, bottom, right]. For an even kernel, Keras puts the odd pixel at the bottom and right."""
    if layer.padding == "valid":
        return [0, 0, 0, 0]
    if max(strides) > 1:
        refuse(layer, "has strides and 'same' padding, which depends on the image size")
    total = [dilation * (size - 1) for dilation, size in zip(dilations, kernel, strict=True)]
    return [t // 2 for t in total] + [t - t // 2 for t in total]


def _joined(graph, kind, inputs):
    x, *others = inputs
    for other in others:
        x = graph.op(kind, x, other)
    return x


def _per_channel(value):
    value = np.asarray(value, "float32")
    return value.reshape(1, -1, 1, 1) if value.ndim else value


WRITERS = {
    layers.Activation: activation,
    layers.Add: add,
    layers.BatchNormalization: batch_norm,
    layers.Concatenate: concatenate,
    layers.Conv2D: conv,
    layers.Conv2DTranspose: transposed_conv,
    layers.Cropping2D: cropping,
    layers.Dense: dense,
    layers.Dropout: dropout,
    layers.GlobalAveragePooling2D: mean,
    layers.LeakyReLU: leaky_relu,
    layers.Multiply: multiply,
    layers.PReLU: prelu,
    layers.ReLU: relu,
    layers.Rescaling: rescaling,
    layers.SeparableConv2D: separable_conv,
    layers.UpSampling2D: nearest,
    layers.ZeroPadding2D: zero_padding,
    own.BicubicShrink: bicubic_shrink,
    own.Channels: channels,
    own.ClipThrough: clip_through,
    own.ContrastPooling2D: contrast,
    own.CropToMatch: crop_to_match,
    own.GroupedConv2D: conv,
    own.InferencePad: inference_pad,
    own.LeakyReLU: leaky_relu,
    own.PadToMultiple: pad_to_multiple,
    own.PixelShuffle: pixel_shuffle,
    own.PixelUnshuffle: pixel_unshuffle,
    own.WeightNormConv2D: conv,
    **dict.fromkeys(own.REPARAMETERIZED.values(), reparameterized_conv),
    carn.Upsampler: upsampler,
    luma.PreUpscale: pre_upscale,
    luma.Luma: to_luma,
    luma.ReplaceLuma: replace_luma,
}
