"""Maps the arrays of a published file to a model's layers, so that each is used exactly once."""

from collections.abc import Callable

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers import mean_shift

MAX_LINES = 40  # of a message
BATCH_NORM = ("weight", "bias", "running_mean", "running_var")  # PyTorch's names, in the order of Keras's weights


class Tensors:
    """The arrays of a file by their published names. Each method that returns an array removes it."""

    def __init__(self, arrays: dict[str, np.ndarray]):
        self._left = dict(arrays)

    def take(self, name: str) -> np.ndarray:
        """Returns the array; raises InputError if the file lacks it."""
        if name not in self._left:
            near = ", ".join(f"{n} {tuple(a.shape)}" for n, a in list(self._left.items())[:8])
            raise InputError(f"the file has no tensor {name!r}; unused tensors: {near or 'none'}")
        return np.asarray(self._left.pop(name))

    def rename_layers(self, names: list[str]) -> None:
        """Gives the layers, in the order of the file, these names; raises InputError if their number differs."""
        layers = dict.fromkeys(name.rpartition(".")[0] for name in self._left)
        if len(layers) != len(names):
            raise InputError(f"the file has {len(layers)} layers; expected {len(names)}")
        new = dict(zip(layers, names, strict=True))
        parts = {name: name.rpartition(".") for name in self._left}
        self._left = {f"{new[parts[name][0]]}.{parts[name][2]}": array for name, array in self._left.items()}

    def has(self, name: str) -> bool:
        """Returns whether an array with this name is left."""
        return name in self._left

    def has_any(self, prefix: str) -> bool:
        """Returns whether an array is left whose name begins with `prefix`."""
        return any(name.startswith(prefix) for name in self._left)

    def drop(self, *names: str) -> None:
        """Removes arrays that aren't weights, such as an optimizer's moments, if they are present."""
        for name in names:
            self._left.pop(name, None)

    def mean_shift(
        self, model, head: list, tail: list, value_range: float, *, bgr: bool = False, module: str = ""
    ) -> dict[str, list[np.ndarray]]:
        """Returns {"head": [kernel, bias], "tail": ...} with what `mean_shift` says about `sub_mean` and `add_mean`.

        A file may omit all of their arrays, but not only some. The colors of `head` and `tail` are in the file's order,
        which is BGR if `bgr`; the result is in RGB.
        """
        names = mean_shift.names(module)
        missing = [name for name in names if name not in self._left]
        if 0 < len(missing) < len(names):
            raise InputError(f"the file lacks {', '.join(missing)}; expected all of {', '.join(names)}, or none")
        if not missing:
            shift = [self.take(name) for name in names]
            is_linear = not model.hyperparameters.get("last_relu")
            head, tail = mean_shift.folded(shift, head, tail, shifted_mean(model, value_range, bgr), is_linear)
        if bgr:
            head, tail = [head[0][:, :, ::-1], head[1]], [weight[..., ::-1] for weight in tail]
        return {"head": head, "tail": tail}

    def conv(self, name: str, shuffle: int = 1, bias: bool = True, unshuffle: int = 1) -> list[np.ndarray]:
        """Returns `name.weight` (out, in, height, width) and `name.bias` as a Conv2D's [kernel, bias].

        Args:
            name: The layer's published name.
            shuffle: The factor of the pixel shuffle that follows. PyTorch orders its channels as (color, row, column),
                we as (row, column, color).
            bias: Whether the layer has a bias.
            unshuffle: The factor of the pixel unshuffle before it, which orders channels likewise.
        """
        weights = [unshuffled_inputs(channels_last(self.take(f"{name}.weight")), unshuffle)]
        if bias:
            weights.append(self.take(f"{name}.bias"))
        return [shuffled(w, shuffle) for w in weights]

    def dense(self, name: str) -> list[np.ndarray]:
        """Returns `name.weight` and `name.bias` of a 1x1 convolution as a Dense layer's [kernel, bias]."""
        kernel, bias = self.conv(name)
        return [kernel[0, 0], bias]

    def prelu(self, name: str) -> list[np.ndarray]:
        """Returns `name.weight`, a slope for each channel, as a PReLU's [alpha]."""
        return [self.take(f"{name}.weight").reshape(1, 1, -1)]

    def weight_norm_conv(self, name: str, shuffle: int = 1) -> list[np.ndarray]:
        """Returns `name.weight_g`, `name.weight_v` and `name.bias` as a WeightNormConv2D's [g, v, bias]."""
        g = self.take(f"{name}.weight_g").reshape(-1)
        v = channels_last(self.take(f"{name}.weight_v"))
        return [shuffled(w, shuffle) for w in (g, v, self.take(f"{name}.bias"))]

    def spectral_norm_conv(self, name: str, size: int) -> list[np.ndarray]:
        """Returns `name.weight_orig`, `.weight_u` and `.weight_v` as a SpectralNormConv2D's [kernel, u, v].

        `size` is the kernel's side. PyTorch's v runs over (channel, row, column), ours over (row, column, channel).
        """
        kernel, u = channels_last(self.take(f"{name}.weight_orig")), self.take(f"{name}.weight_u")
        v = self.take(f"{name}.weight_v").reshape(-1, size, size)
        return [kernel, u, v.transpose(1, 2, 0).ravel()]

    def batch_norm(self, name: str) -> list[np.ndarray]:
        """Returns a BatchNormalization's [gamma, beta, mean, variance]."""
        self.drop(f"{name}.num_batches_tracked")
        return [self.take(f"{name}.{part}") for part in BATCH_NORM]

    def linear(self, name: str, side: int = 1) -> list[np.ndarray]:
        """Returns `name.weight` (out, in) and `name.bias` as a Dense layer's [kernel, bias].

        The inputs may be a map of `side` x `side`, which PyTorch flattens channel by channel, and Keras pixel by pixel.
        """
        weight = self.take(f"{name}.weight")
        weight = weight.reshape(weight.shape[0], -1, side, side).transpose(2, 3, 1, 0)
        return [weight.reshape(-1, weight.shape[-1]), self.take(f"{name}.bias")]

    def left(self) -> dict[str, tuple[int, ...]]:
        """Returns the names and shapes of the arrays that are left."""
        return {name: tuple(array.shape) for name, array in self._left.items()}


def stages(scale: int) -> list[int]:
    """Returns the factors of a model's pixel shuffles."""
    from wdsr_tf.models.blocks import STAGES

    return STAGES[scale]


def shifted_mean(model, value_range: float, bgr: bool = False) -> np.ndarray:
    """Returns the color that the model subtracts, for values in 0..`value_range`."""
    mean = model.hyperparameters["mean"]
    if mean is None:
        return mean_shift.div2k_mean(value_range, bgr)
    return np.asarray(mean, "float64")[:: -1 if bgr else 1] * value_range / 255


def channels_last(kernel: np.ndarray) -> np.ndarray:
    """Returns PyTorch's (out, in, height, width) as (height, width, in, out); also for transposed convolutions.

    An array that doesn't have four axes is returned as it is; `assign` reports which layer it doesn't fit.
    """
    return kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel


def unshuffled_inputs(kernel: np.ndarray, factor: int) -> np.ndarray:
    """Reorders the inputs of a kernel (height, width, in, out) after a pixel unshuffle from PyTorch's order to ours."""
    return np.moveaxis(shuffled(np.moveaxis(kernel, 2, -1), factor), -1, 2) if factor > 1 else kernel


def shuffled(weights: np.ndarray, factor: int) -> np.ndarray:
    """Reorders the last axis from PyTorch's pixel-shuffle order to ours."""
    return weights[..., _order(weights, factor)] if weights.ndim and weights.shape[-1] % factor**2 == 0 else weights


def unshuffled(weights: np.ndarray, factor: int) -> np.ndarray:
    """Reorders the last axis from our pixel-shuffle order to PyTorch's."""
    return weights[..., np.argsort(_order(weights, factor))]


def _order(weights, factor):
    colors = weights.shape[-1] // factor**2
    return np.arange(weights.shape[-1]).reshape(colors, factor**2).T.ravel()


def assign(model, arrays: dict[str, np.ndarray], layout: Callable) -> None:
    """Sets a model's weights from published arrays: all of them, or none.

    Args:
        model: The model.
        arrays: The arrays by their published names.
        layout: The function that maps these names to the model's layers.

    Raises:
        InputError: A layer gets no weights, an array isn't used, a shape doesn't fit, or a weight is an integer, as in
            a quantized model. The message lists them.
    """
    tensors = Tensors(arrays)
    try:
        weights = layout(tensors, model)
    except InputError:
        raise
    except (IndexError, ValueError) as error:  # NumPy, about an array with another rank or size
        raise InputError(f"the weights don't fit {model.title}: {error}") from error
    expected = {layer.name: [tuple(w.shape) for w in layer.weights] for layer in model.layers if layer.weights}
    given = {name: [tuple(np.shape(a)) for a in arrays] for name, arrays in weights.items()}
    wrong = [f"missing: {name} {shapes}" for name, shapes in expected.items() if name not in given]
    wrong += [f"no such layer: {name} {shapes}" for name, shapes in given.items() if name not in expected]
    wrong += [f"unused: {name} {shape}" for name, shape in tensors.left().items()]
    wrong += [
        f"wrong shape: {name} is {shapes}, expected {expected[name]}"
        for name, shapes in given.items()
        if name in expected and expected[name] != shapes
    ]
    wrong += [
        f"integers: {name} has type {np.asarray(array).dtype}; quantized weights aren't supported"
        for name, arrays in weights.items()
        for array in arrays
        if np.asarray(array).dtype.kind != "f"
    ]
    if wrong:
        more = [f"and {len(wrong) - MAX_LINES} more"] if len(wrong) > MAX_LINES else []
        lines = "\n  ".join(wrong[:MAX_LINES] + more)
        raise InputError(f"the weights don't fit {model.title}:\n  {lines}")
    for name, arrays in weights.items():
        model.get_layer(name).set_weights(arrays)
