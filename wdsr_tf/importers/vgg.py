"""Finds and reads the weights of VGG-19 that a perceptual loss compares features with.

    torchvision    features.N.weight (out, in, 3, 3) and features.N.bias
    Keras          blockB_convN/... (3, 3, in, out) and bias; in Keras 3's own files layers/conv2d[_N]/vars/0 and 1

A file is recognized by these tensors, not by its name, and its features are computed with the normalization that its
publisher trained with. Nothing is downloaded: the files are looked for where PyTorch and Keras keep what they download.
"""

import dataclasses
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from wdsr_tf.errors import InputError, check_choice
from wdsr_tf.importers import formats
from wdsr_tf.importers.tensors import channels_last
from wdsr_tf.losses import vgg

WANTED = r"features\.\d+\.(weight|bias)$|block\d_conv\d/|layers/conv2d(_\d+)?/vars/[01]$"


@dataclasses.dataclass(frozen=True)
class Published:
    """Weights that can be downloaded.

    Args:
        normalization: What their network expects; a key of `vgg.NORMALIZATIONS`.
        files: Their names in the cache, the smallest first.
        hash: The hash of the first, or how it begins.
        page: Where it's downloaded from.
        megabytes: Its size.
    """

    normalization: str
    files: tuple[str, ...]
    hash: str
    page: str
    megabytes: int


PUBLISHED = {
    "torchvision": Published(
        "torchvision",
        ("vgg19-dcbb9e9d.pth",),
        "its SHA-256 begins with dcbb9e9d",
        "https://download.pytorch.org/models/",
        575,
    ),
    "keras": Published(
        "caffe",
        ("vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5", "vgg19_weights_tf_dim_ordering_tf_kernels.h5"),
        "its MD5 is 253f8cb515780f3b799900260a226db6",
        "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/",
        80,
    ),
}


def find_weights(file: str | Path | None = None, prefer: str = "torchvision") -> vgg.VGGWeights:
    """Returns the weights of VGG-19 in a file, or in the caches of PyTorch and Keras.

    Args:
        file: A file of torchvision (.pth) or of Keras (.h5). Default: a published file in a cache.
        prefer: Whose file to use if both caches have one, "torchvision" or "keras". The weights of a published loss
            were chosen for one of them: `wdsr_tf.losses.PERCEPTUAL_LAYERS` says for which.

    Raises:
        InputError: There is no such file, or it's damaged or of another network.
    """
    check_choice("source of VGG-19", prefer, PUBLISHED)
    return read_weights(file if file is not None else _cached(prefer))


def read_weights(file: str | Path) -> vgg.VGGWeights:
    """Returns the weights of VGG-19 in a file; raises InputError if it's damaged or of another network."""
    contents = formats.read(file, WANTED)
    try:
        source, pairs = _recognized(contents.arrays)
        _check_shapes(pairs)
    except InputError as error:
        raise InputError(f"{file} ({contents.format}) isn't VGG-19: {error}\n{_how_to_get_one()}") from error
    kernels, biases = zip(*pairs, strict=True)
    return vgg.VGGWeights(kernels, biases, PUBLISHED[source].normalization, source, Path(file).name, contents.sha256)


def caches() -> dict[str, Path]:
    """Returns the folders in which torchvision and Keras keep weights; they needn't exist."""
    torch = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    keras = os.environ.get("KERAS_HOME") or "~/.keras"
    return {"torchvision": _home(torch) / "hub" / "checkpoints", "keras": _home(keras) / "models"}


def _home(path):
    return Path(os.path.expanduser(path))  # noqa: PTH111  (Path.expanduser raises if there is no home folder)


def _cached(prefer):
    for source in sorted(PUBLISHED, key=lambda source: source != prefer):
        for name in PUBLISHED[source].files:
            if (path := caches()[source] / name).is_file():
                return path
    folders = " or ".join(map(str, caches().values()))
    raise InputError(
        f"A perceptual loss needs the weights of VGG-19; there are none in {folders}.\n{_how_to_get_one()}"
    )


def _how_to_get_one():
    lines = ["Download one of these files into its folder, or name it with --vgg-weights FILE:"]
    for source, folder in caches().items():
        it = PUBLISHED[source]
        lines.append(f"  {it.page}{it.files[0]} ({it.megabytes} MB; {it.hash}) into {folder}")
    return "\n".join([*lines, "A perceptual weight of 0 trains without it."])


def _recognized(arrays: Mapping[str, np.ndarray]):
    """Returns whose layout it is and the pairs (kernel, bias) of the convolutions in order."""
    layers: dict[str, dict[tuple[int, ...], dict[bool, np.ndarray]]] = {"torchvision": {}, "keras": {}}
    for name, array in arrays.items():
        if match := re.search(r"features\.(\d+)\.(weight|bias)$", name):
            source, key = "torchvision", (int(match[1]),)
        elif match := re.search(r"block(\d)_conv(\d)/", name):
            source, key = "keras", (int(match[1]), int(match[2]))
        else:
            source, key = "keras", (int((re.search(r"conv2d_(\d+)", name) or ["", "0"])[1]),)
        layers[source].setdefault(key, {})[array.ndim == 1] = array
    source = max(layers, key=lambda source: len(layers[source]))
    found = layers[source]
    if len(found) != len(vgg.CONVOLUTIONS) or any(len(pair) != 2 for pair in found.values()):
        raise InputError(f"it has {len(found)} convolutions with kernel or bias; expected 16 with both.")
    pairs = [(pair[False], pair[True]) for _, pair in sorted(found.items())]
    if source == "torchvision":
        pairs = [(channels_last(kernel), bias) for kernel, bias in pairs]
    return source, pairs


def _check_shapes(pairs):
    for name, shape, (kernel, bias) in zip(vgg.CONVOLUTIONS, vgg.SHAPES, pairs, strict=True):
        if kernel.shape != shape or bias.shape != shape[-1:]:
            raise InputError(
                f"conv{name} has a kernel {kernel.shape} and a bias {bias.shape}; expected {shape} and {shape[-1:]}, "
                "as (height, width, in, out) and (out,)."
            )
        if kernel.dtype.kind != "f" or bias.dtype.kind != "f":
            raise InputError(f"conv{name} has integers; quantized weights aren't supported.")
