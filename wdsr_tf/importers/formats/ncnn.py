"""ncnn's `.param`, a text with one layer per line, and `.bin`, the layers' weights one after the other.

Convolution: 0=filters 1=width [11=height] 5=has a bias 6=weights
flag | weights (out, in, height, width), float16 padded to 4 bytes or float32 | bias, float32

PReLU's slopes and MemoryData's values are float32 without a flag.
"""

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats import ncnn_graph
from wdsr_tf.importers.formats.limits import MAX_BYTES, Budget, shown

NAME = "ncnn .param and .bin"
FLAGS = {0x01306B47: "<f2", 0: "<f4"}
REFUSED = {0x000D4B38: "8-bit integers", 0x0002C056: "floats for a network of 8-bit integers"}
CONVOLUTIONS = ("Convolution", "Deconvolution")
WEIGHTLESS = {
    *("Input", "Split", "Concat", "Crop", "Padding", "Reshape", "Flatten", "Permute", "Squeeze", "ExpandDims", "Noop"),
    *("BinaryOp", "UnaryOp", "Eltwise", "Pooling", "Interp", "PixelShuffle", "Dropout", "Slice", "Softmax"),
    *("ReLU", "ELU", "SELU", "Clip", "Sigmoid", "TanH", "HardSigmoid", "HardSwish", "Swish"),
}
MAX_PARAM = 2**20  # bytes of text; RRDBNet's has 100,000
MAX_CONSTANT = 64  # values: constants are colors


def matches(path, head):
    """Whether the file is the text, or a `.bin` that begins with one of ncnn's flags."""
    if path.suffix == ".bin":
        return int.from_bytes(head[:4], "little") in FLAGS | REFUSED and len(head) >= 4
    return head.lstrip().startswith(ncnn_graph.MAGIC.encode())


def files(path):
    """Returns the text and the weights; `path` is either of them."""
    pair = [path.with_suffix(".param"), path.with_suffix(".bin")]
    for file in pair:
        if not file.is_file():
            raise InputError(f"{file.name} is missing; it belongs beside {path.name}")
    return pair


def companions(path):
    """Returns the name of the other file of the pair."""
    return [path.with_suffix(".param" if path.suffix == ".bin" else ".bin").name]


def read(path):
    """Returns (arrays, facts); uses every byte.

    The arrays are `NAME.weight` and `NAME.bias` in PyTorch's layout, in the order of the layers. The facts are what the
    graph says beside them: see `ncnn_graph.facts`.
    """
    param, weights = files(path)
    for file, most in ((param, MAX_PARAM), (weights, MAX_BYTES)):
        if file.stat().st_size > most:
            raise InputError(f"{file.name} is larger than {most >> 20} MiB")
    reader = _Bin(weights.read_bytes())
    arrays, constants = {}, {}
    layers = ncnn_graph.parse(param.read_text("utf-8"))
    for layer in layers:
        kind, name, values = layer.kind, layer.name, layer.values
        if kind == "MemoryData":
            shape = (_size(values, 0) * _size(values, 1) * _size(values, 11) * _size(values, 2),)
            if shape[0] > MAX_CONSTANT:
                raise InputError(f"layer {shown(name)} has {shape[0]} constants, more than a color needs")
            constants[name] = reader.take(name, shape, "<f4").tolist()
            continue
        shape = _shape(kind, name, values)
        if shape is None:
            continue
        if f"{name}.weight" in arrays:
            raise InputError(f"two layers are called {shown(name)}")
        if kind == "PReLU":
            arrays[f"{name}.weight"] = reader.take(f"{name}.weight", shape, "<f4")
            continue
        kernel = reader.kernel(name, shape)
        arrays[f"{name}.weight"] = kernel.swapaxes(0, 1) if kind == "Deconvolution" else kernel
        if values.get(1 if kind == "InnerProduct" else 5, 0):
            arrays[f"{name}.bias"] = reader.take(f"{name}.bias", shape[:1], "<f4")
    reader.finish()
    return arrays, ncnn_graph.facts(layers, constants)


def _size(values, key):
    """A side of a constant; 0 stands for a missing axis."""
    size = values.get(key, 0)
    return max(1, size) if isinstance(size, int) else 1


def _shape(kind, name, values):
    """Returns the shape of a layer's kernel in the file, outputs first, or None if the layer has no weights."""
    if kind in WEIGHTLESS or (kind == "Scale" and values.get(0) == -233):  # one that scales by another blob
        return None
    if kind == "PReLU":
        return (_natural(name, values, 0),)
    if kind == "InnerProduct":
        filters, size, window = values.get(0, 0), values.get(2, 0), ()
    elif kind in CONVOLUTIONS:
        filters, size, width = values.get(0, 0), values.get(6, 0), values.get(1, 0)
        window = (values.get(11, width), width)
    else:
        raise InputError(f"layer {shown(name)} has the unsupported type {shown(kind)}")
    if values.get(8) or values.get(19):
        raise InputError(f"layer {shown(name)} has 8-bit or shared weights; only its own floats can be read")
    each = int(np.prod((filters, *window), dtype=object))
    if min(filters, size, *window) <= 0 or size % each:
        raise InputError(f"layer {shown(name)} has {size} weights for {filters} filters of {window or 'one value'}")
    return (filters, size // each, *window)


def _natural(name, values, key):
    value = values.get(key, 0)
    if not isinstance(value, int) or value <= 0:
        raise InputError(f"layer {shown(name)} has an impossible size: {shown(str(value))}")
    return value


class _Bin:
    """Takes the weights from the beginning to the end."""

    def __init__(self, data):
        self._data = data
        self._at = 0
        self._budget = Budget()

    def kernel(self, name, shape):
        flag = int(self.take(f"{name}'s flag", (1,), "<u4")[0])
        if flag not in FLAGS:
            what = REFUSED.get(flag, f"of an unknown kind (flag {flag:#010x}), or the .bin belongs to another .param")
            raise InputError(f"the weights of {shown(name)} are {what}; float16 and float32 can be read")
        values = self.take(f"{name}.weight", shape, FLAGS[flag])
        self._at += -self._at % 4
        return values

    def take(self, name, shape, dtype):
        count = self._budget.take(name, shape)
        end = self._at + count * np.dtype(dtype).itemsize
        if end > len(self._data):
            raise InputError(f"the .bin ends within {shown(name)} {shape}: it's truncated or belongs to another .param")
        values = np.frombuffer(self._data, dtype, count, self._at).reshape(shape)
        self._at = end
        return values

    def finish(self):
        if self._at != len(self._data):
            raise InputError(f"the .bin has {len(self._data)} bytes, but the layers of the .param use {self._at}")
