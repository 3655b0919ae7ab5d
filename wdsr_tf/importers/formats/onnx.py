"""ONNX: the initializers of a graph, named after the layers that use them. Read by the package `onnx`."""

import re

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats.limits import MAX_BYTES, Budget, shown
from wdsr_tf.system import extras

NAME = "ONNX file"
LAYERS = ("Conv", "ConvTranspose", "Gemm")
PARTS = ("weight", "bias")  # a layer's second and third input


def matches(path, head):
    """Whether the file is called .onnx, or begins as exporters write it: a format version, then the producer."""
    return path.suffix == ".onnx" or (head[:1] == b"\x08" and head[2:3] == b"\x12" and 3 <= head[1] < 32)


def read(path):
    """Returns the floating-point initializers, in PyTorch's layout if PyTorch wrote the file.

    Exporters that rewrite weights name them by a number; such a name is replaced by the layer's.
    """
    try:
        import onnx
    except ImportError as error:
        raise extras.missing("onnx", "train", "Reading ONNX files") from error
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"the file is larger than {MAX_BYTES >> 20} MiB")
    graph = onnx.load(path, load_external_data=False).graph
    floats = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE}
    budget = Budget()
    arrays = {}
    for tensor in graph.initializer:
        if tensor.data_type not in floats:
            continue
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise InputError(f"{shown(tensor.name)} is stored in another file; save the model with its weights inside")
        if tensor.name in arrays:
            raise InputError(f"two tensors are called {shown(tensor.name)}")
        budget.take(tensor.name, tuple(tensor.dims))
        arrays[tensor.name] = onnx.numpy_helper.to_array(tensor).astype("float32", copy=False)
    return _renamed(arrays, graph.node)


def _renamed(arrays, nodes):
    """Returns the arrays under the names of their layers, in the file's order.

    Weights that two layers share are stored once, and an Identity node passes them to the second.
    """
    for node in nodes:
        if node.op_type == "Identity" and node.input[0] in arrays:
            arrays[node.output[0]] = arrays[node.input[0]]
    names = {}
    for node in nodes:
        layer = ".".join(node.name.strip("/").split("/")[:-1])
        for part, name in zip(PARTS, node.input[1:], strict=False):
            if layer and node.op_type in LAYERS and re.fullmatch(r"(onnx::\w+_)?\d+", name):
                names[name] = f"{layer}.{part}"
    renamed = {names.get(name, name): array for name, array in arrays.items()}
    if len(renamed) != len(arrays):
        raise InputError("two layers have the same name")
    return renamed
