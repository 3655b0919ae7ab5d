"""Gradient checkpointing: training steps recompute most of a network's tensors instead of storing them.

Chen et al., 2016, https://arxiv.org/abs/1604.06174.

The network's graph is cut into segments. The forward pass keeps the tensors that cross a cut; the backward pass runs
each segment again, from the last to the first, when it needs the tensors inside. Gradients stay the same, memory
shrinks, and a step computes almost two forward passes. The last segment would be run again at once, so it is kept.
"""

import itertools
import math

import keras
import numpy as np
from keras import layers, ops

EXAMPLE = (48, 48)  # height and width of the LR patch for which tensors are weighed


def rematerialize(model):
    """Makes `model` recompute in training; its weights, config and checkpoints stay the same.

    Returns:
        The number of segments; 1 means that cuts would store as much as they save, so that nothing changed.
    """
    steps = _steps(model)
    segments = [_segment(nodes, given, made) for nodes, given, made in steps]
    *recomputed, kept = segments
    runs = [*map(_Recomputed, recomputed), lambda tensors: kept(tensors, training=True)]
    inputs, outputs = model.inputs, model.training_outputs

    def training_pass(lr):
        values = {id(inputs[0]): ops.cast(lr, inputs[0].dtype)}
        for run, (_, given, made) in zip(runs, steps, strict=True):
            values |= zip(map(id, made), _as_list(run([values[id(tensor)] for tensor in given])), strict=True)
        found = [values[id(tensor)] for tensor in outputs]
        return found if len(found) > 1 else found[0]

    # A function: Keras would list and save layers as the model's own.
    model.training_pass = training_pass
    return len(segments)


class _Recomputed(layers.Layer):
    """Runs `segment` in training mode, stores only its inputs and outputs, and runs it again for the gradients.

    Both runs begin with the same state (dropout seeds, batch normalization statistics), which only the first replaces.
    """

    def __init__(self, segment):
        super().__init__(autocast=False)  # neither tensors nor weights change their dtype on the way in
        self.segment = segment
        self.built = True

    def call(self, tensors):
        variables = self.segment.non_trainable_variables
        # Copies, because on TensorFlow a variable's value is the variable: the second run would read the new state.
        state = [ops.copy(variable.value) for variable in variables]

        def run(*arguments):
            given, weights = arguments[: len(tensors)], arguments[len(tensors) :]
            outputs, after = self.segment.stateless_call(weights, state, list(given), training=True)
            return [*_as_list(outputs), *after]

        weights = [ops.copy(variable.value) for variable in self.segment.trainable_variables]
        results = keras.remat(run)(*tensors, *weights)
        count = len(results) - len(variables)
        for variable, value in zip(variables, results[count:], strict=True):
            variable.assign(value)
        return results[:count]


def _segment(nodes, given, made):
    """A separate model of the layers of `nodes`, from copies of the tensors `given` to copies of the tensors `made`."""
    inputs = [keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype) for tensor in given]
    copies = dict(zip(map(id, given), inputs, strict=True))
    for node in nodes:
        args, kwargs = node.arguments.fill_in(copies)
        copies |= zip(map(id, node.outputs), _as_list(node.operation(*args, **kwargs)), strict=True)
    return keras.Model(inputs, [copies[id(tensor)] for tensor in made])


def _steps(model):
    """The segments of `model`, each as (nodes, tensors it takes, tensors it makes for later segments).

    The newest of the tensors that a segment makes comes first: TensorFlow runs a segment again as soon as it has the
    gradient of the first, which should be just before it is needed.
    """
    graph = keras.Function(model.inputs[0], model.training_outputs)
    nodes = [node for _, level in sorted(graph._nodes_by_depth.items(), reverse=True) for node in level]
    nodes = [node for node in nodes if not node.is_input]
    tensors = [tensor for node in nodes for tensor in node.outputs]

    last_use = {id(tensor): i for i, node in enumerate(nodes) for tensor in node.input_tensors}
    last_use |= {id(tensor): len(nodes) for tensor in model.training_outputs}
    weigh = keras.Function(model.inputs[0], tensors).compute_output_spec
    specs = weigh(keras.KerasTensor((1, *EXAMPLE, 3)))
    sizes = [math.prod(spec.shape) * np.dtype(spec.dtype).itemsize for spec in specs]
    sizes = dict(zip(map(id, tensors), sizes, strict=True))
    bounds = cheapest_cuts(
        [sum(sizes[id(tensor)] for tensor in node.outputs) for node in nodes],
        [max(last_use.get(id(tensor), 0) for tensor in node.outputs) for node in nodes],
    )

    steps = []
    for start, stop in itertools.pairwise(bounds):
        inside = [tensor for node in nodes[start:stop] for tensor in node.outputs]
        taken = {id(tensor): tensor for node in nodes[start:stop] for tensor in node.input_tensors}
        for tensor in inside:
            taken.pop(id(tensor), None)
        made = [tensor for tensor in reversed(inside) if last_use.get(id(tensor), 0) >= stop]
        steps.append((nodes[start:stop], list(taken.values()), made))
    return steps


def cheapest_cuts(sizes, last_use):
    """Returns where to cut for the lowest peak: [0, first index of the second segment, ..., number of nodes].

    During the backward pass through a segment, the tensors exist that cross the cuts before it, and all its own.

    Args:
        sizes: The bytes that each node makes.
        last_use: The index of the last node that reads them.
    """
    sizes, last_use = np.array(sizes, float), np.array(last_use)
    count, total = len(sizes), sizes.sum()
    inside = [np.cumsum(sizes[:stop][::-1])[::-1] for stop in range(count + 1)]
    crossing = [np.cumsum((sizes * (last_use >= stop))[:stop][::-1])[::-1] for stop in range(count + 1)]

    def within(budget):
        """Returns the cuts that store least among those whose peak is within `budget`, or None."""
        stored, before = np.zeros(count + 1), np.zeros(count + 1, int)
        for stop in range(1, count + 1):
            fits = stored[:stop] + inside[stop] <= budget
            cost = np.where(fits, stored[:stop] + crossing[stop], np.inf)
            before[stop] = cost.argmin()
            stored[stop] = cost[before[stop]]
        if not np.isfinite(stored[-1]):
            return None
        bounds = [count]
        while bounds[0]:
            bounds.insert(0, int(before[bounds[0]]))
        return bounds

    lowest, best = 0.0, [0, count]
    highest = total
    while highest - lowest > total / 500:
        middle = (lowest + highest) / 2
        found = within(middle)
        if found:
            highest, best = middle, found
        else:
            lowest = middle
    return best


def _as_list(outputs):
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
