"""An estimate of the memory that a network's activations take, from its graph."""

import math

import numpy as np

SLACK = 1.6  # what a run takes beside its tensors: convolutions' own room, and tensors made before they are needed
EXTRA = {  # what a layer takes inside, of the sizes of what it is given and what it makes
    "PreUpscale": lambda given, made: 3 * made,
    "GroupedConv2D": lambda given, made: given + made,
    "SeparableConv2D": lambda given, made: given,
    "Upsampler": lambda given, made: made,
    **dict.fromkeys(("Activation", "LeakyReLU", "PReLU"), lambda given, made: made),
}
IN_PLACE = ("Dropout", "ReLU", "Rescaling")  # where nothing else reads their input


def bytes_per_pixel(nodes, density, scale):
    """An estimate of what a network takes per LR pixel, from its graph.

    It is the most that exists at once when the nodes run in order, SLACK times as large, and the picture itself. A
    tensor exists from the node that makes it to the last that reads it. `density` gives the positions of a tensor per
    LR pixel, by its id.
    """

    def size(tensor):
        return float(density[id(tensor)]) * tensor.shape[-1] * np.dtype(tensor.dtype).itemsize

    last_use = {id(tensor): i for i, node in enumerate(nodes) for tensor in node.input_tensors}
    alive, most = {}, 0.0
    for i, node in enumerate(nodes):
        given, made = sum(map(size, node.input_tensors)), sum(map(size, node.outputs))
        ending = {id(tensor) for tensor in node.input_tensors if last_use[id(tensor)] == i}
        kind = type(node.operation).__name__
        in_place = kind in IN_PLACE and len(ending) == 1
        extra = EXTRA.get(kind, lambda given, made: 0)(given, made)
        most = max(most, sum(alive.values()) + made + extra - in_place * min(given, made))
        alive |= {id(tensor): size(tensor) for tensor in node.outputs}
        alive = {key: value for key, value in alive.items() if key not in ending}
    picture = 4 * 3 * (1 + 2 * scale**2)  # float32: LR, SR, and SR on its way to the strip
    return math.ceil(SLACK * most) + picture
