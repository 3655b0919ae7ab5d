"""An ONNX graph while it grows: tensors are known by their names, as in ONNX itself."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}


class Graph:
    """Nodes and constants, in NCHW.

    Attributes:
        scope: what the names of new nodes begin with: the layer at work.
        dtype: of new floating-point constants: that of the layer at work.
        nodes: in the order in which they were made, which is a topological one.
        constants: {name: TensorProto}.
    """

    def __init__(self):
        self.scope = ""
        self.dtype = "float32"
        self.nodes = []
        self.constants = {}
        self._taken = set()

    def op(self, kind, *inputs, **attributes):
        """Adds a node of one output and returns that output; inputs are names, or arrays, which become constants."""
        name = self._unused(f"{self.scope}/{kind}")
        inputs = [x if isinstance(x, str) else self.constant(f"{name}/{i}", x) for i, x in enumerate(inputs)]
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name, array, dtype=None):
        """A constant of that name, which a layer's second call finds again. Floats get `dtype`, or the layer's."""
        if name not in self.constants:
            array = np.asarray(array)
            if array.dtype.kind == "f":
                array = array.astype(dtype or self.dtype)
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def cast(self, x, dtype):
        return self.op("Cast", x, to=TYPES[dtype])

    def length(self, x, axis):
        """The size of `x` along `axis`, as a tensor of one element."""
        return self.op("Shape", x, start=axis, end=axis + 1)

    def _unused(self, name):
        candidate, count = name, 1
        while candidate in self._taken:
            count += 1
            candidate = f"{name}_{count}"
        self._taken.add(candidate)
        return candidate


def int64(*values):
    """The integers that ONNX takes as inputs: shapes, axes, bounds."""
    return np.array(values, "int64")
