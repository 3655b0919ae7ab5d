"""Estimates the memory of a network's activations from its graph."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

SLACK = 1.6  # a run takes more than its tensors: workspaces of convolutions, and tensors that are made ahead of time
EXTRA = {  # bytes that a layer allocates internally, as a function of the sizes of its inputs and outputs
    "PreUpscale": lambda inputs, outputs: 3 * outputs,
    "GroupedConv2D": lambda inputs, outputs: inputs + outputs,
    "SeparableConv2D": lambda inputs, outputs: inputs,
    "Upsampler": lambda inputs, outputs: outputs,
    **dict.fromkeys(("Activation", "LeakyReLU", "PReLU"), lambda inputs, outputs: outputs),
}
IN_PLACE = ("Dropout", "ReLU", "Rescaling")  # unless something else reads their input


def bytes_per_pixel(nodes: Sequence, density: Mapping[int, float], scale: int) -> int:
    """Estimates the bytes that a network takes per LR pixel.

    This is the peak of the tensors that are alive at once when the nodes run in order, times SLACK, plus the image
    itself. A tensor lives from the node that computes it to the last node that reads it.

    Args:
        nodes: the network's nodes in execution order, see `graph_nodes`.
        density: positions per LR pixel of each tensor, by the tensor's `id`.
        scale: upscaling factor.
    """

    def size(tensor):
        return float(density[id(tensor)]) * tensor.shape[-1] * np.dtype(tensor.dtype).itemsize

    last_use = {id(tensor): i for i, node in enumerate(nodes) for tensor in node.input_tensors}
    alive, peak = {}, 0.0
    for i, node in enumerate(nodes):
        inputs, outputs = sum(map(size, node.input_tensors)), sum(map(size, node.outputs))
        ending = {id(tensor) for tensor in node.input_tensors if last_use[id(tensor)] == i}
        kind = type(node.operation).__name__
        in_place = kind in IN_PLACE and len(ending) == 1
        extra = EXTRA.get(kind, lambda inputs, outputs: 0)(inputs, outputs)
        peak = max(peak, sum(alive.values()) + outputs + extra - in_place * min(inputs, outputs))
        alive |= {id(tensor): size(tensor) for tensor in node.outputs}
        alive = {key: value for key, value in alive.items() if key not in ending}
    image = 4 * 3 * (1 + 2 * scale**2)  # float32: LR, SR, and the copy of SR that goes to its strip
    return math.ceil(SLACK * peak) + image
