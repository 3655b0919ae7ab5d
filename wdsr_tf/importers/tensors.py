"""Named arrays of a published file, in PyTorch's layout or Keras's, each of which has to land exactly once."""

import numpy as np

from wdsr_tf.errors import InputError


class Tensors:
    """The arrays of a published file by their published names; taking one marks it as used."""

    def __init__(self, arrays):
        self._left = dict(arrays)

    def take(self, name):
        """The array of that name; InputError where the file lacks it."""
        if name not in self._left:
            near = ", ".join(f"{n} {tuple(a.shape)}" for n, a in list(self._left.items())[:8])
            raise InputError(f"the file has no tensor {name!r}; among those not used yet are: {near or 'none'}")
        return np.asarray(self._left.pop(name))

    def has(self, name):
        """Whether an array of that name is left."""
        return name in self._left

    def drop(self, *names):
        """Marks arrays as used that carry nothing to learn, such as a frozen mean shift."""
        for name in names:
            self._left.pop(name, None)

    def conv(self, name, shuffle=1, bias=True):
        """`name.weight` (out, in, height, width) and `name.bias` as a Conv2D's [kernel, bias].

        `shuffle` is the factor of the pixel shuffle behind the convolution: PyTorch orders its channels (colour, row,
        column), we (row, column, colour).
        """
        weights = [channels_last(self.take(f"{name}.weight"))]
        if bias:
            weights.append(self.take(f"{name}.bias"))
        return [shuffled(w, shuffle) for w in weights]

    def weight_norm_conv(self, name, shuffle=1):
        """`name.weight_g`, `name.weight_v` and `name.bias` as a WeightNormConv2D's [g, v, bias]."""
        g = self.take(f"{name}.weight_g").reshape(-1)
        v = channels_last(self.take(f"{name}.weight_v"))
        return [shuffled(w, shuffle) for w in (g, v, self.take(f"{name}.bias"))]

    def left(self):
        """The names and shapes of what was not taken."""
        return {name: tuple(array.shape) for name, array in self._left.items()}


def channels_last(kernel):
    """PyTorch's (out, in, height, width) as (height, width, in, out); of a transposed convolution likewise."""
    return kernel.transpose(2, 3, 1, 0)


def shuffled(weights, factor):
    """Reorders the last axis from PyTorch's pixel-shuffle order to ours."""
    colours = weights.shape[-1] // factor**2
    return weights[..., np.arange(weights.shape[-1]).reshape(colours, factor**2).T.ravel()]


def land(model, tensors, weights):
    """Sets `weights`, as a project's function returned them, in `model`: all of them, or none and InputError.

    A layer with weights that gets none, a tensor that no layer took, and a shape that does not fit are all listed.
    """
    wanted = {layer.name: [tuple(w.shape) for w in layer.weights] for layer in model.layers if layer.weights}
    given = {name: [tuple(np.shape(a)) for a in arrays] for name, arrays in weights.items()}
    wrong = [f"missing: {name} {wanted[name]}" for name in wanted.keys() - given.keys()]
    wrong += [f"no such layer: {name} {given[name]}" for name in given.keys() - wanted.keys()]
    wrong += [f"surplus: {name} {shape}" for name, shape in tensors.left().items()]
    wrong += [
        f"wrong shape: {name} is {given[name]}, should be {wanted[name]}"
        for name in wanted.keys() & given.keys()
        if wanted[name] != given[name]
    ]
    if wrong:
        raise InputError(f"these weights do not fit {model.architecture} x{model.scale}:\n  " + "\n  ".join(wrong))
    for name, arrays in weights.items():
        model.get_layer(name).set_weights(arrays)
