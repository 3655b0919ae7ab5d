"""Builds ONNX graphs. Tensors are referred to by their names, as in ONNX itself."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from wdsr_tf.errors import InputError

TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}


class Graph:
    """The nodes and constants of a growing graph, in NCHW.

    Attributes:
        scope: prefix of the names of new nodes: the layer that is being written.
        dtype: of new floating-point constants: that of the layer that is being written.
        nodes: in topological order.
        constants: TensorProtos by name.
        sizes: (height, width) by name, of the layers' inputs and outputs, for images of a fixed size.
    """

    def __init__(self):
        self.scope = ""
        self.dtype = "float32"
        self.nodes = []
        self.constants = {}
        self.sizes = {}
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

    def size(self, x: str) -> tuple[int, int] | None:
        """Returns the height and width of `x` if they are fixed."""
        return self.sizes.get(x)

    def lengths(self, x: str, start: int = 2, end: int = 4) -> str:
        """Returns the sizes of `x` along the axes from `start` to `end`, by default height and width, as a tensor."""
        return self.op("Slice", self.op("Shape", x), int64(start), int64(end), int64(0))

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


def refuse(layer, why: str) -> None:
    """Raises InputError for a layer that has no nodes."""
    raise InputError(f"The layer {layer.name} ({type(layer).__name__}) {why}, which can't be exported to ONNX.")
