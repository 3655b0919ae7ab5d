"""Pixel shuffles in the order that every runtime knows: CRD, that of PyTorch, instead of DCR, that of TensorFlow.

The two differ in the order of the channels before the shuffle. The kernel of the convolution that computes them is
permuted instead, which changes no value.
"""

import numpy as np
from onnx import numpy_helper

from wdsr_tf.export.graph import Graph

CONVOLUTIONS = {"Conv": 0, "ConvTranspose": 1}  # with the kernel's axis of output channels
PER_VALUE = ("Cast", "Clip", "LeakyRelu", "Relu", "Selu", "Sigmoid", "Tanh")


def reorder(graph: Graph) -> None:
    """Turns the shuffles in DCR order into CRD order. A shuffle that follows no convolution stays as it is."""
    producers = {node.output[0]: node for node in graph.nodes}
    uses = [name for node in graph.nodes for name in node.input]
    for node in graph.nodes:
        mode = next((a for a in node.attribute if a.name == "mode"), None)
        if node.op_type != "DepthToSpace" or mode.s != b"DCR":
            continue
        path = _path(graph, producers, uses, node.input[0])
        if path and not (path[-1].op_type == "ConvTranspose" and _groups(path[-1]) > 1):
            blocks = next(a.i for a in node.attribute if a.name == "blocksize") ** 2
            for each in path:
                _permute(graph, uses, each, blocks)
            mode.s = b"CRD"


def _path(graph, producers, uses, x):
    """The nodes from `x` back to its convolution, if nothing else reads what they compute; else None."""
    path = []
    while x in producers and uses.count(x) == 1:
        path.append(producers[x])
        if path[-1].op_type in CONVOLUTIONS:
            return path
        if path[-1].op_type not in (*PER_VALUE, "PRelu") and not _is_crop(graph, path[-1]):
            return None
        x = path[-1].input[0]
    return None


def _permute(graph, uses, node, blocks):
    """Permutes the constants of a node with one value, or one kernel, per channel."""
    if node.op_type in (*PER_VALUE, "Slice"):
        return
    axis = CONVOLUTIONS.get(node.op_type, 0)
    for i, name in enumerate(node.input[1:], 1):
        array = numpy_helper.to_array(graph.constants[name])
        along = axis if i == 1 else 0
        if array.shape[along] > 1:  # else one slope for all channels
            array = np.take(array, order(array.shape[along], blocks), axis=along)
        if uses.count(name) > 1:  # by another call of the layer, whose order may be another
            node.input[i] = name = f"{node.name}/{i}"
        graph.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)


def _is_crop(graph, node):
    """Whether a node slices height and width only."""
    return node.op_type == "Slice" and 1 not in numpy_helper.to_array(graph.constants[node.input[3]])


def _groups(node):
    return next((a.i for a in node.attribute if a.name == "group"), 1)


def order(channels: int, blocks: int) -> np.ndarray:
    """Returns which channel in DCR order comes at each place in CRD order."""
    return np.arange(channels).reshape(blocks, -1).T.ravel()
