"""Computes a network's receptive field from its graph.

For every tensor and either axis, we track which LR pixels each index depends on. Every layer class has a rule for how
it changes them. A layer without a rule is an error, because a wrong guess would show as seams between tiles.
"""

import dataclasses
import math
from collections.abc import Callable
from fractions import Fraction

from keras import layers

from wdsr_tf import layers as own
from wdsr_tf.errors import InputError
from wdsr_tf.models import activation_memory
from wdsr_tf.models.blocks import STAGES
from wdsr_tf.models.carn import Upsampler
from wdsr_tf.models.graph import graph_nodes
from wdsr_tf.models.luma import Luma, PreUpscale, ReplaceLuma
from wdsr_tf.models.registry import SRModel
from wdsr_tf.receptive_field import ReceptiveField


def of_graph(model: SRModel) -> ReceptiveField:
    """Returns the receptive field of a network.

    Raises:
        InputError: a layer has no rule in this module, or its windows depend on the image size.
    """
    nodes = graph_nodes(model)
    axes_of = {id(model.inputs[0]): (Axis(1, (0,), (0,)),) * 2}  # per tensor: height and width, or None for a mean
    multiple, global_mean = 1, False
    for node in nodes:
        axes = _output_axes(node.operation, [axes_of[id(tensor)] for tensor in node.input_tensors])
        axes_of |= {id(tensor): axes for tensor in node.outputs}
        global_mean |= axes is None
        multiple = math.lcm(multiple, *_steps(node.operation, axes))
    radius = max(_radius(axis, model.scale, model.name) for axis in axes_of[id(model.outputs[0])])
    density = {key: 0 if axes is None else 1 / math.prod(axis.pitch for axis in axes) for key, axes in axes_of.items()}
    return ReceptiveField(radius, multiple, global_mean, activation_memory.bytes_per_pixel(nodes, density, model.scale))


def _radius(axis, scale, name):
    if axis.pitch != Fraction(1, scale):
        raise InputError(f"{name} returns one pixel for {axis.pitch} LR pixels, but its scale is {scale}.")
    windows = [(index // scale, *axis.at(index)) for index in range(math.lcm(len(axis.low), scale))]
    return max(max(place - low, high - place) for place, low, high in windows)


def _steps(layer, axes):
    """LR pixels by which a tile may move so that the layer's windows move with it: multiples of each of these."""
    pitches = [axis.pitch for axis in axes or ()]
    if isinstance(layer, own.PadToMultiple):
        pitches = [pitch * layer.multiple for pitch in pitches]
    return [pitch.numerator for pitch in pitches]


@dataclasses.dataclass(frozen=True)
class Axis:
    """The LR pixels that each index of an axis depends on, exactly.

    The pattern is periodic: index `q * period + p` depends on the LR pixels from `q * step + low[p]` to
    `q * step + high[p]`. The period is the length of `low` and of `high`.
    """

    step: int
    low: tuple[int, ...]
    high: tuple[int, ...]

    @property
    def pitch(self) -> Fraction:
        """LR pixels per index."""
        return Fraction(self.step, len(self.low))

    def at(self, index: int) -> tuple[int, int]:
        """Returns the first and the last LR pixel that `index` depends on."""
        turns, phase = divmod(index, len(self.low))
        return turns * self.step + self.low[phase], turns * self.step + self.high[phase]

    def after(self, window: Callable[[int], tuple[int, int]], up: int = 1, down: int = 1) -> "Axis":
        """Returns the axis after a layer that makes it `up / down` times as long.

        Args:
            window: a function from an output index to the first and the last input index that it depends on.
            up: upsampling factor.
            down: stride.
        """
        period = math.lcm(len(self.low) * up, down) // down
        step = self.step * period * down // (len(self.low) * up)
        ends = [[self.at(index) for index in window(i)] for i in range(period)]
        return Axis(step, tuple(first[0] for first, _ in ends), tuple(last[1] for _, last in ends))

    def joined(self, other: "Axis") -> "Axis":
        """Returns the axis of a tensor that depends on both, index by index."""
        period = math.lcm(len(self.low), len(other.low))
        pairs = [(self.at(i), other.at(i)) for i in range(period)]
        low = tuple(min(a[0], b[0]) for a, b in pairs)
        return Axis(self.step * period // len(self.low), low, tuple(max(a[1], b[1]) for a, b in pairs))


def _output_axes(layer, inputs):
    """The axes of the layer's output, or None if it is a mean over the image."""
    kind = type(layer)
    if kind in (layers.GlobalAveragePooling2D, own.ContrastPooling2D):
        return None
    if kind is own.CropToMatch:
        return inputs[0]
    if kind in MERGING:
        return _merged(layer, [axes for axes in inputs if axes is not None])
    if kind not in RULES:
        raise InputError(
            f"The layer {layer.name} is a {kind.__name__}, which has no receptive field rule. Add one to "
            "wdsr_tf/models/receptive_field.py."
        )
    axes = inputs[0]
    return axes and tuple(RULES[kind](layer, axis, i) for i, axis in enumerate(axes))


def _merged(layer, inputs):
    if getattr(layer, "axis", -1) not in (-1, 3):
        raise InputError(f"The layer {layer.name} joins along axis {layer.axis}. Only channels, the last axis, work.")
    if not inputs:
        return None
    merged = inputs[0]
    for axes in inputs[1:]:
        if [axis.pitch for axis in axes] != [axis.pitch for axis in merged]:
            raise InputError(f"The layer {layer.name} joins tensors of different scales.")
        merged = tuple(a.joined(b) for a, b in zip(merged, axes, strict=True))
    return merged


def _pointwise(layer, axis, i):
    return axis


def _convolution(layer, axis, i):
    stride, dilation = _each(layer.strides, i), _each(layer.dilation_rate, i)
    return _window(layer, axis, dilation * (_each(layer.kernel_size, i) - 1) + 1, stride)


def _weight_norm_convolution(layer, axis, i):
    return _window(layer, axis, layer.kernel_size, 1)


def _reparameterized_convolution(layer, axis, i):
    return _window(layer, axis, 3, 1)


def _pooling(layer, axis, i):
    return _window(layer, axis, layer.pool_size[i], layer.strides[i])


def _window(layer, axis, size, stride):
    if layer.padding == "same" and stride > 1:
        # The position of its first window depends on the image size.
        raise InputError(f"The layer {layer.name} has strides and 'same' padding, so tiles can't be exact.")
    before = (size - 1) // 2 if layer.padding == "same" else 0
    return axis.after(lambda index: (stride * index - before, stride * index - before + size - 1), down=stride)


def _transposed(layer, axis, i):
    size, stride = layer.kernel_size[i], layer.strides[i]
    if size < stride or _each(layer.dilation_rate, i) != 1:
        raise InputError(f"The layer {layer.name} leaves gaps between its windows, which has no rule.")
    cropped = (size - stride) // 2 if layer.padding == "same" else 0
    return axis.after(lambda index: (-((size - 1 - index - cropped) // stride), (index + cropped) // stride), up=stride)


def _pixel_shuffle(layer, axis, i):
    return _upscaled(axis, layer.scale)


def _pixel_unshuffle(layer, axis, i):
    return axis.after(lambda index: (layer.factor * index, layer.factor * (index + 1) - 1), down=layer.factor)


def _shrunk(layer, axis, i):
    def window(index):
        first, _ = layer.taps(index)
        return first, first + 3

    return axis.after(window, up=layer.scale, down=layer.inner)


def _upscaled(axis, factor):
    return axis.after(lambda index: (index // factor,) * 2, up=factor)


def _nearest(layer, axis, i):
    if layer.interpolation != "nearest":
        raise InputError(f"The layer {layer.name} interpolates by {layer.interpolation}. Only 'nearest' has a rule.")
    return _upscaled(axis, layer.size[i])


def _interpolated(layer, axis, i):
    scale, half = layer.scale, 1 if layer.filter == "bilinear" else 2

    def window(index):
        """All input pixels within half of the filter's width."""
        center = Fraction(2 * index + 1 - scale, 2 * scale)
        return math.floor(center - half) + 1, math.ceil(center + half) - 1

    return axis.after(window, up=scale)


def _upsampler(layer, axis, i):
    for factor in STAGES[layer.scale]:
        axis = _upscaled(axis.after(lambda index: (index - 1, index + 1)), factor)
    return axis


def _padded(layer, axis, i):
    return _shifted(axis, -layer.size)


def _zero_padded(layer, axis, i):
    return _shifted(axis, -layer.padding[i][0])


def _cropped(layer, axis, i):
    return _shifted(axis, layer.cropping[i][0])


def _shifted(axis, by):
    return axis.after(lambda index: (index + by,) * 2)


def _each(value, i):
    return value[i] if isinstance(value, (tuple, list)) else value


# Their outputs depend on the same position in all inputs. ReplaceLuma crops only in training.
MERGING = (layers.Add, layers.Subtract, layers.Multiply, layers.Concatenate, ReplaceLuma)

RULES = {
    **dict.fromkeys(
        (layers.Activation, layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.Rescaling, layers.Dropout), _pointwise
    ),
    # Padding only shifts positions: a repeated pixel is never farther away than the position that it fills.
    **dict.fromkeys(
        (
            layers.BatchNormalization,
            layers.Dense,
            Luma,
            own.Channels,
            own.ClipThrough,
            own.LeakyReLU,
            own.PadToMultiple,
        ),
        _pointwise,
    ),
    **dict.fromkeys((layers.Conv2D, layers.SeparableConv2D, layers.DepthwiseConv2D, own.GroupedConv2D), _convolution),
    **dict.fromkeys((layers.MaxPooling2D, layers.AveragePooling2D), _pooling),
    **dict.fromkeys(own.REPARAMETERIZED.values(), _reparameterized_convolution),
    own.WeightNormConv2D: _weight_norm_convolution,
    own.PixelUnshuffle: _pixel_unshuffle,
    own.BicubicShrink: _shrunk,
    layers.Conv2DTranspose: _transposed,
    own.PixelShuffle: _pixel_shuffle,
    layers.UpSampling2D: _nearest,
    PreUpscale: _interpolated,
    Upsampler: _upsampler,
    own.InferencePad: _padded,
    layers.ZeroPadding2D: _zero_padded,
    layers.Cropping2D: _cropped,
}
