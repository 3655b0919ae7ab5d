"""Named arrays of a published file, in PyTorch's layout or Keras's, each of which has to land exactly once."""

import numpy as np

from wdsr_tf.errors import InputError

MOST_LINES = 40  # of what does not fit, in one message


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

    def has_any(self, prefix):
        """Whether an array is left whose name begins so."""
        return any(name.startswith(prefix) for name in self._left)

    def drop(self, *names):
        """Marks arrays as used that are no weights, such as an optimizer's moments, whether they are there or not."""
        for name in names:
            self._left.pop(name, None)

    def frozen(self, arrays):
        """Marks arrays as used that are constants of ours, such as a mean shift.

        A file may leave out all of them. InputError where it has some, or where they differ from ours.
        """
        missing = [name for name in arrays if name not in self._left]
        if 0 < len(missing) < len(arrays):
            raise InputError(f"the file lacks {', '.join(missing)}: it has either all of {', '.join(arrays)} or none")
        for name, ours in () if missing else arrays.items():
            theirs = self._left.pop(name)
            if np.shape(theirs) != np.shape(ours) or not np.allclose(theirs, ours, rtol=1e-3, atol=1e-3):
                raise InputError(
                    f"{name} is {np.ravel(theirs)[:9]}, but the network computes with {np.ravel(ours)[:9]}"
                )

    def conv(self, name, shuffle=1, bias=True):
        """`name.weight` (out, in, height, width) and `name.bias` as a Conv2D's [kernel, bias].

        `shuffle` is the factor of the pixel shuffle behind the convolution: PyTorch orders its channels (color, row,
        column), we (row, column, color).
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


def stages(scale):
    """The factors of a network's pixel shuffles."""
    from wdsr_tf.models.blocks import STAGES

    return STAGES[scale]


def mean_shift(value_range, bgr=False, module=""):
    """The frozen `sub_mean` and `add_mean` of PyTorch projects: 1x1 convolutions that shift by DIV2K's mean color."""
    from wdsr_tf.models.blocks import DIV2K_MEAN

    mean = (DIV2K_MEAN / 255).astype("float32")[:: -1 if bgr else 1] * np.float32(value_range)
    arrays = {}
    for name, sign in (("sub_mean", -1), ("add_mean", 1)):
        arrays[f"{name}{module}.weight"] = np.eye(3, dtype="float32").reshape(3, 3, 1, 1)
        arrays[f"{name}{module}.bias"] = sign * mean
    return arrays


def channels_last(kernel):
    """PyTorch's (out, in, height, width) as (height, width, in, out); of a transposed convolution likewise.

    What has not four axes stays as it is: `land` then says which layer it does not fit.
    """
    return kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel


def dense(conv):
    """[kernel, bias] of a 1x1 convolution as a Dense layer's."""
    kernel, bias = conv
    return [kernel[0, 0], bias]


def unshuffled_inputs(kernel, factor):
    """Reorders the inputs of a kernel (height, width, in, out) that follows a pixel unshuffle from PyTorch's order."""
    return np.moveaxis(shuffled(np.moveaxis(kernel, 2, -1), factor), -1, 2)


def shuffled(weights, factor):
    """Reorders the last axis from PyTorch's pixel-shuffle order to ours."""
    return weights[..., _order(weights, factor)] if weights.ndim and weights.shape[-1] % factor**2 == 0 else weights


def unshuffled(weights, factor):
    """Reorders the last axis from our pixel-shuffle order to PyTorch's."""
    return weights[..., np.argsort(_order(weights, factor))]


def _order(weights, factor):
    colors = weights.shape[-1] // factor**2
    return np.arange(weights.shape[-1]).reshape(colors, factor**2).T.ravel()


def land(model, tensors, weights):
    """Sets `weights`, as a project's function returned them, in `model`: all of them, or none and InputError.

    A layer with weights that gets none, a tensor that no layer took, a shape that does not fit and whole numbers, as of
    a quantized network, are all listed.
    """
    wanted = {layer.name: [tuple(w.shape) for w in layer.weights] for layer in model.layers if layer.weights}
    given = {name: [tuple(np.shape(a)) for a in arrays] for name, arrays in weights.items()}
    wrong = [f"missing: {name} {shapes}" for name, shapes in wanted.items() if name not in given]
    wrong += [f"no such layer: {name} {shapes}" for name, shapes in given.items() if name not in wanted]
    wrong += [f"surplus: {name} {shape}" for name, shape in tensors.left().items()]
    wrong += [
        f"wrong shape: {name} is {shapes}, should be {wanted[name]}"
        for name, shapes in given.items()
        if name in wanted and wanted[name] != shapes
    ]
    wrong += [
        f"whole numbers: {name} is {np.asarray(array).dtype}; quantized weights have no use here"
        for name, arrays in weights.items()
        for array in arrays
        if np.asarray(array).dtype.kind != "f"
    ]
    if wrong:
        more = [f"and {len(wrong) - MOST_LINES} more"] if len(wrong) > MOST_LINES else []
        lines = "\n  ".join(wrong[:MOST_LINES] + more)
        raise InputError(f"these weights do not fit {model.architecture} x{model.scale}:\n  {lines}")
    for name, arrays in weights.items():
        model.get_layer(name).set_weights(arrays)
