"""waifu2x's JSON: a list with one object per convolution, in the network's order."""

import json

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats.limits import Budget, shown

NAME = "waifu2x JSON"
MAX_FILE = 64 * 2**20  # bytes; CUNet has 1.3 million weights of about 20 characters
MAX_COUNTS = {b"[": 2_500_000, b",": 5_000_000, b"{": 1_000, b'"': 100_000}  # each becomes a Python object


def matches(path, head):
    """Whether the file begins with a list of objects."""
    return b"".join(head.split()).startswith(b"[{")


def read(path):
    """Returns `0.weight`, `0.bias`, `1.weight`, ... in PyTorch's layout; the bias of a layer without one is zeros."""
    budget = Budget()
    arrays = {}
    for i, layer in enumerate(_layers(path)):
        weight, bias = _shapes(i, layer)
        for name, shape in (("weight", weight), ("bias", bias)):
            budget.take(f"{i}.{name}", shape)
            arrays[f"{i}.{name}"] = _values(f"{i}.{name}", layer[name], shape)
    return arrays


def _layers(path):
    with path.open("rb") as file:
        text = file.read(MAX_FILE + 1)
    if len(text) > MAX_FILE or any(text.count(mark) > most for mark, most in MAX_COUNTS.items()):
        raise InputError(f"the file is larger than {MAX_FILE >> 20} MiB or has more than 5 million values")
    layers = json.loads(text)
    if not isinstance(layers, list) or not layers or not all(isinstance(layer, dict) for layer in layers):
        raise InputError("expected a list of objects, one per convolution")
    return layers


def _shapes(i, layer):
    """Returns the shapes of the weights and the bias of an object."""
    keys = ("nInputPlane", "nOutputPlane", "kH", "kW", "weight", "bias")
    if missing := [key for key in keys if key not in layer]:
        raise InputError(f"object {i} has no {', '.join(missing)}")
    kind = str(layer.get("class_name", "SpatialConvolution"))  # the earliest files have none
    channels, filters, height, width = (layer[key] for key in keys[:4])
    if "Dilated" in kind or "Convolution" not in kind:
        raise InputError(f"object {i} has class {shown(kind)}; supported: SpatialConvolution, SpatialFullConvolution")
    first = (channels, filters) if "FullConvolution" in kind else (filters, channels)
    return (*first, height, width), (filters,)


def _values(name, nested, shape):
    values = np.asarray(nested)
    if values.shape != shape or values.dtype.kind not in "fi":
        raise InputError(f"{name} has shape {values.shape} and type {values.dtype}; expected numbers of shape {shape}")
    return values.astype("float32")
