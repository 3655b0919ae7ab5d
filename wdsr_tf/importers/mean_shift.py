"""Mean shifts of PyTorch projects: the 1x1 convolutions `sub_mean` and `add_mean` around a network.

Published ones subtract and add DIV2K's mean color, but they can be trained, to any matrices S and A and biases s and a:

    output = A network(S input + s) + a

Our models have a fixed `mean` instead, which can hold all of that exactly. The zeros that pad the head's input surround
S input + s, so S moves into the head's kernel, and the mean becomes -inverse(S) s. A and a move into the tail.
"""

from typing import Any

import numpy as np

from wdsr_tf.div2k import DIV2K_MEAN
from wdsr_tf.errors import InputError
from wdsr_tf.importers.project import Contents, MismatchError

ROUNDING = 2e-7  # of a value, in float32
MAX_CONDITION = 1e4  # of S, beyond which its inverse isn't precise
IDENTITY = np.eye(3)


def names(module: str = "") -> list[str]:
    """Returns the names of S, s, A and a, the layers being in a submodule such as ".shifter"."""
    return [f"{layer}{module}.{part}" for layer in ("sub_mean", "add_mean") for part in ("weight", "bias")]


def div2k_mean(value_range: float, bgr: bool = False) -> np.ndarray:
    """Returns DIV2K's mean color for values in 0..`value_range`, rounded as in the authors' code."""
    return ((DIV2K_MEAN / 255).astype("float32") * np.float32(value_range))[:: -1 if bgr else 1]


def hyperparameters(contents: Contents, value_range: float, bgr: bool = False, module: str = "") -> dict[str, Any]:
    """Returns the hyperparameter `mean`, in 0..255 and RGB, or nothing if the file's is DIV2K's or missing.

    Raises:
        MismatchError: The layers aren't mean shifts, or S has no inverse.
    """
    layers = names(module)
    if not contents.has(*layers):
        return {}
    for name in layers:
        contents.expect(name, *((3, 3, 1, 1) if name.endswith("weight") else (3,)))
        if contents.arrays[name].dtype.kind != "f" or not np.isfinite(contents.arrays[name]).all():
            raise MismatchError(f"{name} has values that aren't finite floats")
    matrix, bias = (contents.arrays[name].astype("float64") for name in layers[:2])
    if not np.linalg.cond(matrix[..., 0, 0]) < MAX_CONDITION:
        raise MismatchError(f"{layers[0]} has no inverse: {matrix.ravel().tolist()}")
    mean = -np.linalg.solve(matrix[..., 0, 0], bias)
    if _equal(mean, div2k_mean(value_range, bgr)):
        return {}
    return {"mean": (mean * 255 / value_range)[:: -1 if bgr else 1].tolist()}


def folded(shift: list[np.ndarray], head: list, tail: list, mean: np.ndarray, is_linear: bool) -> tuple[list, list]:
    """Returns the [kernel, bias] of head and tail with S, s, A and a in them.

    Args:
        shift: S, s, A and a.
        head, tail: Kernels (height, width, in, out) and biases.
        mean: The model's, in the file's unit and order of colors.
        is_linear: Whether nothing lies between the tail and `add_mean`.

    Raises:
        InputError: The model has another mean than the file, or something nonlinear lies between.
    """
    before, s, after, a = (np.asarray(each, "float64") for each in shift)
    before, after = before[..., 0, 0], after[..., 0, 0]
    if not _equal(-np.linalg.solve(before, s), mean):
        raise InputError(f"the file's sub_mean subtracts {(-s).tolist()}, which isn't mean={mean.tolist()}")
    if not np.array_equal(before, IDENTITY):
        head = [np.einsum("hwco,ci->hwio", head[0], before).astype("float32"), head[1]]
    if np.array_equal(after, IDENTITY) and _equal(a, mean):
        return head, tail
    if not is_linear:
        raise InputError("add_mean isn't the inverse of sub_mean, and the ReLU before it keeps it out of the tail")
    kernel, bias = tail
    return head, [(kernel @ after.T).astype("float32"), (after @ bias + a - mean).astype("float32")]


def _equal(ours, theirs):
    return bool(np.abs(ours - theirs).max() <= ROUNDING * max(np.abs(theirs).max(), np.abs(ours).max()))
