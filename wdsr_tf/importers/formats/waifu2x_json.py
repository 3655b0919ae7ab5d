"""waifu2x's JSON: a list with one object to a convolution, in the order of the network."""

import json

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats.limits import Budget, shown

NAME = "waifu2x JSON"
MAX_FILE = 64 * 2**20  # bytes; CUNet has 1.3 million weights of some 20 characters
MAX_COUNTS = {b"[": 2_500_000, b",": 5_000_000, b"{": 1_000, b'"': 100_000}  # what JSON makes Python objects of


def fits(path, head):
    """Whether it begins as a list of objects."""
    return b"".join(head.split()).startswith(b"[{")


def read(path):
    """`0.weight`, `0.bias`, `1.weight`, ... in PyTorch's layout; a layer without bias has zeros in such a file."""
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
        raise InputError(f"larger than any network of waifu2x: more than {MAX_FILE >> 20} MiB or 5 million values")
    layers = json.loads(text)
    if not isinstance(layers, list) or not layers or not all(isinstance(layer, dict) for layer in layers):
        raise InputError("no list of objects, one for each convolution")
    return layers


def _shapes(i, layer):
    """The shapes of the weights and the bias that the object names."""
    keys = ("nInputPlane", "nOutputPlane", "kH", "kW", "weight", "bias")
    if missing := [key for key in keys if key not in layer]:
        raise InputError(f"its object {i} has no {', '.join(missing)}")
    kind = str(layer.get("class_name", "SpatialConvolution"))  # the first files have none
    channels, filters, height, width = (layer[key] for key in keys[:4])
    if "Dilated" in kind or "Convolution" not in kind:
        raise InputError(f"its object {i} is of class {shown(kind)}; convolutions and full convolutions can be read")
    first = (channels, filters) if "FullConvolution" in kind else (filters, channels)
    return (*first, height, width), (filters,)


def _values(name, nested, shape):
    values = np.asarray(nested)
    if values.shape != shape or values.dtype.kind not in "fi":
        raise InputError(f"{name} has the shape {values.shape}, should have {shape}, or has more in it than numbers")
    return values.astype("float32")
