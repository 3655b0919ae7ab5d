"""The graph of an ncnn `.param`: its layers, and what it computes that no weight tells.

Names and shapes of weights aren't enough: realesr-animevideov3-x2 has the weights of the x4 model, byte for byte, and
resizes their result by half.
"""

import dataclasses
from fractions import Fraction

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats.limits import shown

MAGIC = "7767517"
ADD, SUBTRACT, MULTIPLY = 0, 1, 2  # BinaryOp's parameter 0
LIST = -23300  # an array of values has the number of its parameter below this
MAX_SCALE = 64
BICUBIC = 3  # Interp's parameter 0


@dataclasses.dataclass(frozen=True)
class Layer:
    """A line of a `.param`: `TYPE NAME INPUTS OUTPUTS BLOBS... NUMBER=VALUE...`; arrays of values are lists."""

    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    values: dict[int, int | float | list[float]]


@dataclasses.dataclass(frozen=True)
class _Blob:
    """What a tensor of the graph is, relative to the input.

    Args:
        scale: Its size in relation to the input's.
        is_image: Whether it is the input itself, normalized or resized, which no convolution has seen.
        mean: What was subtracted from the input, per channel.
        factor: What the result was multiplied by.
        resize: The factor of a bicubic resize after the convolutions.
        skip: Whether the input was added to the convolutions' result.
    """

    scale: Fraction = Fraction(1)
    is_image: bool = True
    mean: tuple = (0.0,)
    factor: float = 1.0
    resize: Fraction = Fraction(1)
    skip: bool = False


def parse(text: str) -> list[Layer]:
    """Returns the layers in their order; raises InputError if this isn't a `.param`."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if len(lines) < 2 or lines[0] != [MAGIC] or len(lines[1]) != 2 or len(lines) - 2 != int(lines[1][0]):
        raise InputError(f"the .param must begin with {MAGIC} and the number of its layers")
    layers = []
    for kind, name, inputs, outputs, *rest in lines[2:]:
        first, last = int(inputs), int(inputs) + int(outputs)
        values = dict(_value(*word.split("=", 1)) for word in rest[last:] if "=" in word)
        layers.append(Layer(kind, name, rest[:first], rest[first:last], values))
    return layers


def _value(key, text):
    number = int(key)
    if number <= LIST:
        return LIST - number, [float(value) for value in text.split(",")[1:]]
    try:
        return number, int(text) if text.lstrip("-").isdigit() else float(text)
    except ValueError:  # not a number: as if it weren't there
        return number, 0


def facts(layers: list[Layer], constants: dict[str, list[float]]) -> dict:
    """Returns what the graph says about the model.

    Args:
        layers: All layers.
        constants: The values of the `MemoryData` layers, by name.

    Returns:
        scale: the size of the output in relation to the input. mean, factor: the input is (rgb - mean) * factor, for
        rgb in 0..1. resize: the factor of a bicubic resize at the end, 1 if there is none. skip: whether the input is
        added to the output.
    """
    blobs: dict[str, _Blob | list] = {}
    result = _Blob()
    for layer in layers:
        inputs = [blobs[name] for name in layer.inputs]
        result = constants[layer.name] if layer.kind == "MemoryData" else _after(layer, inputs)
        blobs |= dict.fromkeys(layer.outputs, result)
    if not isinstance(result, _Blob):
        raise InputError("the last layer of the .param isn't computed from the input")
    scale = result.scale
    if not 1 / MAX_SCALE <= scale <= MAX_SCALE:
        raise InputError(f"the graph scales by more than {MAX_SCALE}, which no supported model does")
    return {
        "scale": int(scale) if scale.denominator == 1 else float(scale),
        "mean": list(result.mean),
        "factor": result.factor,
        "resize": float(result.resize),
        "skip": result.skip,
    }


def _after(layer, inputs):
    """The output of a layer; a constant is a list."""
    if not inputs:
        return _Blob()
    first = inputs[0]
    if not isinstance(first, _Blob):
        return first
    values, kind = layer.values, layer.kind
    if kind == "BinaryOp":
        return _combined(layer, inputs)
    if kind in ("Convolution", "ConvolutionDepthWise"):
        return dataclasses.replace(first, scale=first.scale / _positive(layer, 3, 1), is_image=False)
    if kind == "Deconvolution":
        return dataclasses.replace(first, scale=first.scale * _positive(layer, 3, 1), is_image=False)
    if kind == "PixelShuffle":
        return dataclasses.replace(first, scale=first.scale * _positive(layer, 0, 1))
    if kind == "Interp":
        factor = Fraction(_positive(layer, 1, 1.0)).limit_denominator(64)
        resize = first.resize * factor if values.get(0) == BICUBIC and not first.is_image else first.resize
        return dataclasses.replace(first, scale=first.scale * factor, resize=resize)
    if kind in ("Concat", "Eltwise"):
        processed = next((blob for blob in inputs if isinstance(blob, _Blob) and not blob.is_image), first)
        return dataclasses.replace(processed, skip=processed.skip or (kind == "Eltwise" and _adds_input(inputs)))
    return first


def _combined(layer, inputs):
    """A BinaryOp: an operation on the input itself is its normalization; a sum with the input is a skip."""
    operation, (first, *others) = layer.values.get(0, ADD), inputs
    if not others or not isinstance(others[0], _Blob):
        if not first.is_image:
            return first
        value = others[0] if others else [layer.values.get(2, 0.0)]
        if operation in (ADD, SUBTRACT):
            sign = 1 if operation == SUBTRACT else -1
            return dataclasses.replace(first, mean=tuple(sign * v / first.factor for v in value))
        if operation == MULTIPLY and len(value) == 1:
            return dataclasses.replace(first, factor=first.factor * value[0])
        raise InputError(f"layer {shown(layer.name)} normalizes the input in an unsupported way")
    processed = next((blob for blob in inputs if not blob.is_image), first)
    skip = processed.skip or (operation == ADD and _adds_input(inputs))
    return dataclasses.replace(processed, skip=skip)


def _adds_input(inputs):
    return len({blob.is_image for blob in inputs if isinstance(blob, _Blob)}) == 2


def _positive(layer, number, default):
    value = layer.values.get(number, default)
    if not isinstance(value, int | float) or not 0 < value <= 64:
        raise InputError(f"layer {shown(layer.name)} has an impossible factor or stride: {shown(str(value))}")
    return Fraction(value).limit_denominator(64)
