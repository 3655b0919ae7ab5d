"""Builds ONNX graphs. Tensors are referred to by their names, as in ONNX itself."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}


class Graph:
    """The nodes and constants of a growing graph, in NCHW.

    Attributes:
        scope: prefix of the names of new nodes: the layer that is being written.
        dtype: of new floating-point constants: that of the layer that is being written.
        nodes: in topological order.
        constants: TensorProtos by name.
    """

    def __init__(self):
        self.scope = ""
        self.dtype = "float32"
        self.nodes = []
        self.constants = {}
        self._taken = set()

    def op(self, kind: str, *inputs: str | np.ndarray | np.number, **attributes) -> str:
        """Adds a node with one output and returns the output's name. Input arrays become constants."""
        name = self._unused(f"{self.scope}/{kind}")
        inputs = [x if isinstance(x, str) else self.constant(f"{name}/{i}", x) for i, x in enumerate(inputs)]
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, array, dtype: str | None = None) -> str:
        """Adds a constant unless its name exists, so that a layer that is called twice is stored once.

        Floating-point arrays are cast to `dtype`, by default the layer's.
        """
        if name not in self.constants:
            array = np.asarray(array)
            if array.dtype.kind == "f":
                array = array.astype(dtype or self.dtype)
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def cast(self, x: str, dtype: str) -> str:
        return self.op("Cast", x, to=TYPES[dtype])

    def length(self, x: str, axis: int) -> str:
        """Returns the size of `x` along `axis`, as a tensor with one element."""
        return self.op("Shape", x, start=axis, end=axis + 1)

    def _unused(self, name):
        candidate, count = name, 1
        while candidate in self._taken:
            count += 1
            candidate = f"{name}_{count}"
        self._taken.add(candidate)
        return candidate


def int64(*values: int) -> np.ndarray:
    """Returns shapes, axes or bounds as ONNX takes them."""
    return np.array(values, "int64")
