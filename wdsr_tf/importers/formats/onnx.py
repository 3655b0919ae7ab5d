"""ONNX: the initializers of a graph, under the names of the layers that use them. Needs the package `onnx`."""

import re

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats.limits import MAX_BYTES, Budget, shown

NAME = "ONNX"
LAYERS = ("Conv", "ConvTranspose", "Gemm")
PARTS = ("weight", "bias")  # a layer's second and third input


def fits(path, head):
    """Whether it is called so or begins as exporters write it: the version of the format, then what wrote it."""
    return path.suffix == ".onnx" or (head[:1] == b"\x08" and head[2:3] == b"\x12" and 3 <= head[1] < 32)


def read(path):
    """The floating-point initializers, in PyTorch's layout where PyTorch wrote the file.

    A number for a name, which exporters leave where they rewrite weights, becomes the name of the layer.
    """
    onnx = _package()
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"more than {MAX_BYTES >> 20} MiB: no network here is that large")
    graph = onnx.load(path, load_external_data=False).graph
    floats = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE}
    budget = Budget()
    arrays = {}
    for tensor in graph.initializer:
        if tensor.data_type not in floats:
            continue
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise InputError(f"{shown(tensor.name)} lies in another file; save the network with its weights inside")
        if tensor.name in arrays:
            raise InputError(f"two tensors are called {shown(tensor.name)}")
        budget.take(tensor.name, tuple(tensor.dims))
        arrays[tensor.name] = onnx.numpy_helper.to_array(tensor).astype("float32", copy=False)
    return _named(arrays, graph.node)


def _package():
    try:
        import onnx
    except ImportError as error:
        raise InputError("reading ONNX needs the package onnx: pip install 'wdsr-tf[weights]'") from error
    return onnx


def _named(arrays, nodes):
    """The arrays under the names by which their layers know them, in the order of the file.

    A weight that two layers share is stored once, and an Identity hands it to the other.
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
        raise InputError("two of its layers have the same name")
    return renamed
