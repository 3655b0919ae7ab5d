"""Counts the multiply-adds of a network in its graph."""

import math

import keras
from keras import layers

from wdsr_tf.models.blocks import STAGES
from wdsr_tf.models.carn import Upsampler
from wdsr_tf.models.graph import graph_nodes
from wdsr_tf.models.registry import SRModel

SIDE = 240  # pixels: a multiple of every network's factors, and more than their borders take


def multiply_adds(model: SRModel) -> int:
    """Returns the multiply-adds of all convolutions and dense layers per LR pixel, far from the borders."""
    small, middle, large = (_multiply_adds(model, k * SIDE) for k in (1, 2, 3))
    # Borders cost the b*n + c of a*n^2 + b*n + c. The second difference leaves a alone.
    return (large - 2 * middle + small) // (2 * SIDE**2)


def _multiply_adds(model, side):
    """For an image of `side` x `side` pixels."""
    shapes, total = {id(model.inputs[0]): (1, side, side, 3)}, 0
    for node in graph_nodes(model):
        inputs = [shapes[id(tensor)] for tensor in node.input_tensors]
        tensors = [keras.KerasTensor(shape) for shape in inputs]
        merges = isinstance(node.arguments.args[0], (list, tuple))
        output = node.operation.compute_output_spec(tensors if merges else tensors[0]).shape
        shapes[id(node.outputs[0])] = output
        total += _of_layer(node.operation, inputs[0], output)
    return total


def _of_layer(layer, input_shape, output_shape):
    positions_in, positions_out = (math.prod(shape[1:-1]) for shape in (input_shape, output_shape))
    if isinstance(layer, Upsampler):
        total = 0
        for conv, factor in zip(layer.active, STAGES[layer.scale], strict=True):
            total += positions_in * math.prod(conv.kernel.shape)
            positions_in *= factor**2
        return total
    if isinstance(layer, layers.SeparableConv2D):
        return positions_out * sum(math.prod(kernel.shape) for kernel in layer.get_weights()[:2])
    kernel = getattr(layer, "kernel", None)
    if kernel is None:
        return 0
    return math.prod(kernel.shape) * (positions_in if isinstance(layer, layers.Conv2DTranspose) else positions_out)
