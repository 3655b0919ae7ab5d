"""Arrays with the names and shapes that PyTorch's and Keras's layers have in published files."""

import dataclasses
import itertools

import numpy as np

MEAN = np.array([0.4488, 0.4371, 0.4040], "float32")
STAGES = {2: [2], 3: [3], 4: [2, 2]}  # scale -> factors of the pixel shuffles


@dataclasses.dataclass(frozen=True)
class Published:
    """A file's arrays, and what they must be recognized as."""

    arrays: dict
    project: str
    name: str
    scales: tuple
    hyperparameters: dict


def file(shapes, project, name, scales, constants=None, **hyperparameters):
    """Returns a file with random arrays of these shapes, and constants."""
    rng = np.random.default_rng(len(shapes))
    arrays = {key: rng.normal(size=shape).astype("float32") for key, shape in shapes.items()}
    scales = scales if isinstance(scales, tuple) else (scales,)
    return Published(arrays | (constants or {}), project, name, scales, hyperparameters)


def conv(name, filters, channels, size, bias=True):
    """PyTorch's: (out, in, height, width)."""
    return {f"{name}.weight": (filters, channels, size, size)} | ({f"{name}.bias": (filters,)} if bias else {})


def chain(name, widths, first=0):
    """Consecutive convolutions, numbered in `name`."""
    shapes = {}
    for i, (channels, filters) in enumerate(itertools.pairwise(widths), first):
        shapes |= conv(name.format(i), filters, channels, 3)
    return shapes


def upsampler(name, scale, n, step=2, groups=1):
    """A convolution before each pixel shuffle, every `step` layers."""
    shapes = {}
    for i, factor in enumerate(STAGES[scale]):
        shapes |= conv(name.format(step * i), n * factor**2, n // groups, 3)
    return shapes


def normed(name, filters, channels, size):
    """torch.nn.utils.weight_norm's."""
    shapes = {f"{name}.bias": (filters,), f"{name}.weight_g": (filters, 1, 1, 1)}
    return shapes | {f"{name}.weight_v": (filters, channels, size, size)}


def keras_conv(name, filters, channels, size, g=False):
    """Keras 2's: (height, width, in, out)."""
    shapes = {f"{name}/g": (filters,)} if g else {}
    return shapes | {f"{name}/kernel": (size, size, channels, filters), f"{name}/bias": (filters,)}


def keras_3_conv(name, filters, channels, size, g=False):
    """Keras 3's numbers instead of names; wrapped layers have their own."""
    kernel = (size, size, channels, filters)
    if g:
        return {f"{name}/vars/0": (filters,), f"{name}/vars/1": kernel, f"{name}/layer/vars/0": (filters,)}
    return {f"{name}/vars/0": kernel, f"{name}/vars/1": (filters,)}


def mean_shift(value_range, mean=MEAN, module=""):
    arrays = {}
    for name, sign in (("sub_mean", -1), ("add_mean", 1)):
        arrays[f"{name}{module}.weight"] = np.eye(3, dtype="float32")[:, :, None, None]
        arrays[f"{name}{module}.bias"] = sign * np.float32(value_range) * mean
    return arrays
