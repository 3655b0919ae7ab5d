"""How far a network looks, read from its graph.

Of every tensor, and on either axis, the walk knows which LR pixels an index depends on. What a layer does to that is a
rule per class; a layer without a rule is an error, because a guess would show as seams.
"""

import dataclasses
import math
from fractions import Fraction

from keras import layers

from wdsr_tf import layers as own
from wdsr_tf.errors import InputError
from wdsr_tf.models import activation_memory
from wdsr_tf.models.blocks import STAGES
from wdsr_tf.models.carn import Upsampler
from wdsr_tf.models.graph import graph_nodes
from wdsr_tf.models.luma import Luma, PreUpscale, ReplaceLuma
from wdsr_tf.receptive_field import ReceptiveField


def of_graph(model):
    """Returns the `ReceptiveField` of an `SRModel`; raises InputError for a layer that has no rule here."""
    nodes = graph_nodes(model)
    seen = {id(model.inputs[0]): (Axis(1, (0,), (0,)),) * 2}
    multiple, global_mean = 1, False
    for node in nodes:
        given = [seen[id(tensor)] for tensor in node.input_tensors]
        places = _behind(node.operation, given)
        seen |= {id(tensor): places for tensor in node.outputs}
        global_mean |= places is None
        multiple = math.lcm(multiple, *_steps(node.operation, places))
    radius = max(_radius(axis, model.scale, model.name) for axis in seen[id(model.outputs[0])])
    density = {key: 0 if places is None else 1 / math.prod(a.pitch for a in places) for key, places in seen.items()}
    return ReceptiveField(radius, multiple, global_mean, activation_memory.bytes_per_pixel(nodes, density, model.scale))


def _radius(axis, scale, name):
    if axis.pitch != Fraction(1, scale):
        raise InputError(f"{name} returns a pixel for {axis.pitch} LR pixels, and not {scale} for one")
    seen = [(index // scale, *axis.at(index)) for index in range(math.lcm(len(axis.low), scale))]
    return max(max(place - low, high - place) for place, low, high in seen)


def _steps(layer, places):
    """By how many LR pixels a tile may move so that this layer's work moves with it: multiples of each of these."""
    pitches = [axis.pitch for axis in places or ()]
    if isinstance(layer, own.PadToMultiple):
        pitches = [pitch * layer.multiple for pitch in pitches]
    return [pitch.numerator for pitch in pitches]


@dataclasses.dataclass(frozen=True)
class Axis:
    """Which LR pixels the indices of one axis depend on, exactly.

    The pattern repeats: index `q * period + p` sees the LR pixels `q * step + low[p]` to `q * step + high[p]`, where
    the period is the length of `low` and of `high`.
    """

    step: int
    low: tuple
    high: tuple

    @property
    def pitch(self):
        """LR pixels per index."""
        return Fraction(self.step, len(self.low))

    def at(self, index):
        """The first and the last LR pixel that `index` sees."""
        turns, phase = divmod(index, len(self.low))
        return turns * self.step + self.low[phase], turns * self.step + self.high[phase]

    def behind(self, window, up=1, down=1):
        """The axis behind a layer that makes it `up / down` times as long, and whose index i reads `window(i)`."""
        period = math.lcm(len(self.low) * up, down) // down
        step = self.step * period * down // (len(self.low) * up)
        ends = [[self.at(index) for index in window(i)] for i in range(period)]
        return Axis(step, tuple(first[0] for first, _ in ends), tuple(last[1] for _, last in ends))

    def joined(self, other):
        """What both see together, index by index."""
        period = math.lcm(len(self.low), len(other.low))
        ends = [(*self.at(i), *other.at(i)) for i in range(period)]
        low, high = (tuple(pick(pair) for pair in pairs) for pick, pairs in _pairs(ends))
        return Axis(self.step * period // len(self.low), low, high)


def _pairs(ends):
    return (min, [end[::2] for end in ends]), (max, [end[1::2] for end in ends])


def _behind(layer, given):
    """What the output of `layer` sees: an `Axis` for height and one for width, or None where it has no place."""
    kind = type(layer)
    if kind in (layers.GlobalAveragePooling2D, own.ContrastPooling2D):
        return None
    if kind is own.CropToMatch:
        return given[0]
    if kind in MERGING:
        return _merged(layer, [places for places in given if places is not None])
    if kind not in RULES:
        raise InputError(
            f"the layer {layer.name} is a {kind.__name__}, of which receptive_field.py does not know how far it looks: "
            "give it a rule there"
        )
    places = given[0]
    return places and tuple(RULES[kind](layer, axis, i) for i, axis in enumerate(places))


def _merged(layer, given):
    if getattr(layer, "axis", -1) not in (-1, 3):
        raise InputError(f"the layer {layer.name} joins along axis {layer.axis}; channels are the last axis")
    if not given:
        return None
    merged = given[0]
    for places in given[1:]:
        if [axis.pitch for axis in places] != [axis.pitch for axis in merged]:
            raise InputError(f"the layer {layer.name} is given tensors of different scales")
        merged = tuple(a.joined(b) for a, b in zip(merged, places, strict=True))
    return merged


def _pointwise(layer, axis, i):
    return axis


def _convolution(layer, axis, i):
    stride, dilation = _each(layer.strides, i), _each(layer.dilation_rate, i)
    return _window(layer, axis, dilation * (_each(layer.kernel_size, i) - 1) + 1, stride)


def _plain_convolution(layer, axis, i):
    return _window(layer, axis, layer.kernel_size, 1)


def _branched(layer, axis, i):
    return axis.behind(lambda index: (index - 1, index + 1))


def _pooling(layer, axis, i):
    return _window(layer, axis, layer.pool_size[i], layer.strides[i])


def _window(layer, axis, size, stride):
    if layer.padding == "same" and stride > 1:
        # Where its first window begins depends on the length of the picture.
        raise InputError(f"the layer {layer.name} has strides and 'same' padding: tiles cannot do that exactly")
    before = (size - 1) // 2 if layer.padding == "same" else 0
    return axis.behind(lambda index: (stride * index - before, stride * index - before + size - 1), down=stride)


def _transposed(layer, axis, i):
    size, stride = layer.kernel_size[i], layer.strides[i]
    if size < stride or _each(layer.dilation_rate, i) != 1:
        raise InputError(f"the layer {layer.name} leaves gaps between its windows; that is not known here")
    cut = (size - stride) // 2 if layer.padding == "same" else 0
    return axis.behind(lambda index: (-((size - 1 - index - cut) // stride), (index + cut) // stride), up=stride)


def _shuffled(layer, axis, i):
    return _upscaled(axis, layer.scale)


def _unshuffled(layer, axis, i):
    return axis.behind(lambda index: (layer.factor * index, layer.factor * (index + 1) - 1), down=layer.factor)


def _shrunk(layer, axis, i):
    def window(index):
        first, _ = layer.taps(index)
        return first, first + 3

    return axis.behind(window, up=layer.scale, down=layer.inner)


def _upscaled(axis, factor):
    return axis.behind(lambda index: (index // factor,) * 2, up=factor)


def _nearest(layer, axis, i):
    if layer.interpolation != "nearest":
        raise InputError(f"the layer {layer.name} enlarges by {layer.interpolation}; here 'nearest' is known")
    return _upscaled(axis, layer.size[i])


def _interpolated(layer, axis, i):
    scale, half = layer.scale, 1 if layer.filter == "bilinear" else 2

    def window(index):
        """All whose distance is less than half of the filter's width."""
        center = Fraction(2 * index + 1 - scale, 2 * scale)
        return math.floor(center - half) + 1, math.ceil(center + half) - 1

    return axis.behind(window, up=scale)


def _upsampler(layer, axis, i):
    for factor in STAGES[layer.scale]:
        axis = _upscaled(axis.behind(lambda index: (index - 1, index + 1)), factor)
    return axis


def _padded(layer, axis, i):
    return _shifted(axis, -layer.size)


def _zero_padded(layer, axis, i):
    return _shifted(axis, -layer.padding[i][0])


def _cropped(layer, axis, i):
    return _shifted(axis, layer.cropping[i][0])


def _shifted(axis, by):
    return axis.behind(lambda index: (index + by,) * 2)


def _each(value, i):
    return value[i] if isinstance(value, (tuple, list)) else value


# Their outputs depend on the same place of all inputs; in front of ReplaceLuma both have one size, except in training.
MERGING = (layers.Add, layers.Subtract, layers.Multiply, layers.Concatenate, ReplaceLuma)

RULES = {
    **dict.fromkeys(
        (layers.Activation, layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.Rescaling, layers.Dropout), _pointwise
    ),
    # Of the paddings only the places count: what a border repeats lies no farther away than what it stands for.
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
    own.BranchedConv2D: _branched,
    own.WeightNormConv2D: _plain_convolution,
    own.PixelUnshuffle: _unshuffled,
    own.BicubicShrink: _shrunk,
    layers.Conv2DTranspose: _transposed,
    own.PixelShuffle: _shuffled,
    layers.UpSampling2D: _nearest,
    PreUpscale: _interpolated,
    Upsampler: _upsampler,
    own.InferencePad: _padded,
    layers.ZeroPadding2D: _zero_padded,
    layers.Cropping2D: _cropped,
}
