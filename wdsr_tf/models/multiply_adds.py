"""How much work a network is, counted in its graph."""

import math

import keras
from keras import layers

from wdsr_tf.models.blocks import STAGES
from wdsr_tf.models.carn import Upsampler
from wdsr_tf.models.graph import graph_nodes

SIDE = 240  # pixels: of it no factor of a network leaves a rest, and it is more than their borders take


def multiply_adds(model):
    """Of all convolutions and dense layers, for one LR pixel far from the borders."""
    small, middle, large = (_multiply_adds(model, k * SIDE) for k in (1, 2, 3))
    # Of a*n^2 + b*n + c, where b and c are what the borders cost, only a is left in the second difference.
    return (large - 2 * middle + small) // (2 * SIDE**2)


def _multiply_adds(model, side):
    """For a picture of `side` x `side` pixels."""
    shapes, total = {id(model.inputs[0]): (1, side, side, 3)}, 0
    for node in graph_nodes(model):
        given = [shapes[id(tensor)] for tensor in node.input_tensors]
        tensors = [keras.KerasTensor(shape) for shape in given]
        merges = isinstance(node.arguments.args[0], (list, tuple))
        made = node.operation.compute_output_spec(tensors if merges else tensors[0]).shape
        shapes[id(node.outputs[0])] = made
        total += _of_layer(node.operation, given[0], made)
    return total


def _of_layer(layer, given, made):
    positions_in, positions_out = (math.prod(shape[1:-1]) for shape in (given, made))
    if isinstance(layer, Upsampler):
        first = sum(len(STAGES[scale]) for scale in layer.held[: layer.held.index(layer.scale)])
        total = 0
        for conv, factor in zip(layer.convs[first:], STAGES[layer.scale], strict=False):
            total += positions_in * math.prod(conv.kernel.shape)
            positions_in *= factor**2
        return total
    if isinstance(layer, layers.SeparableConv2D):
        return positions_out * sum(math.prod(kernel.shape) for kernel in layer.get_weights()[:2])
    kernel = getattr(layer, "kernel", None)
    if kernel is None:
        return 0
    return math.prod(kernel.shape) * (positions_in if isinstance(layer, layers.Conv2DTranspose) else positions_out)
