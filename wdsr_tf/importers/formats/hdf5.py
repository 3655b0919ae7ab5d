"""HDF5 weights of Keras: version 2's by layer names, version 3's `.weights.h5` by layer classes.

    layer_names, weight_names          LAYER/WEIGHT_NAME, also below model_weights: kernel:0, bias:0; in
                                       tensorflow-addons' WeightNormalization: g:0, kernel:0 (which is v), bias:0
    layers/CLASS[_N]/vars/0, 1, ...    the same by number; those of a wrapped layer: layers/CLASS[_N]/layer/vars/0, ...

Only data in the file itself are read: soft links, external links, and external or virtual datasets are refused.
"""

import itertools
import math
import re

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats import limits
from wdsr_tf.importers.formats.limits import MAX_BYTES, MAX_NAME, Budget, from_bfloat16, shown
from wdsr_tf.system import extras

NAME = "Keras HDF5 file"
ROOTS = ("layers", "_layer_checkpoint_dependencies")  # Keras 2.13 and later; Keras 2.12
MAX_DEPTH = 16  # of nested groups; each level is a model or a wrapper around a layer
MAX_NAMES = 2000  # in an attribute; reading a million from a damaged file takes minutes
MAX_PARTS = 16  # Keras splits an attribute of more than 64 KiB
NOT_LAYERS = {"vars", "seed_generator"}  # a layer's own variables; the state of Dropout's random numbers


def matches(path, head):
    """Whether the file begins with HDF5's signature."""
    return head.startswith(b"\x89HDF\r\n\x1a\n")


def read(path, wanted=""):
    """Returns the floating-point arrays by their paths within the file, kernels as (height, width, in, out)."""
    try:
        import h5py
    except ImportError as error:
        raise extras.missing("h5py", "train", "Reading HDF5 files") from error

    budget = Budget()
    arrays = {}
    with h5py.File(path, "r") as file:
        layers = list(_layers(file))
        names = limits.selected({name: None for layer in layers for name in layer}, wanted)
        for layer in layers:
            arrays |= _weights({name: _values(name, layer[name], budget) for name in layer if name in names})
    if not arrays:
        raise InputError("the file has no weights of Keras layers: neither an attribute layer_names nor a group layers")
    return arrays


def _layers(file):
    """Yields each layer's datasets by their paths, in the order in which Keras sets them."""
    if "model_weights" in file:
        return _by_names(_child(file, "model_weights"), "model_weights/")
    for root in ROOTS:
        if root in file and "layer_names" not in file.attrs:
            return _by_classes(_child(file, root), f"{root}/", seen=set())
    return _by_names(file)


def _by_names(group, prefix=""):
    for layer in _names(group, "layer_names"):
        below = _child(group, layer)
        names = _names(below, "weight_names")
        yield {f"{prefix}{layer}/{name.removesuffix(':0')}": _descendant(below, name) for name in names}


def _names(group, attribute):
    """Returns the names that an attribute lists; a long list is split into parts numbered from 0."""
    parts = [attribute] if attribute in group.attrs else []
    if not parts:
        parts = list(itertools.takewhile(group.attrs.__contains__, (f"{attribute}{i}" for i in range(MAX_PARTS))))
    names = []
    for part in parts:
        kept = group.attrs.get_id(part)
        if len(kept.shape) != 1 or kept.shape[0] > MAX_NAMES or kept.dtype.itemsize > MAX_NAME:
            raise InputError(f"the attribute {part} of {shown(group.name)} isn't a list of names")
        names += [name.decode() if isinstance(name, bytes) else str(name) for name in group.attrs[part]]
    return names


def _by_classes(group, prefix, seen, depth=0):
    """Yields the layers below `group` in the order of the numbers in their names, wrappers first."""
    if depth > MAX_DEPTH:
        raise InputError(f"the file has more than {MAX_DEPTH} nested groups")
    for name in sorted(group.keys() - NOT_LAYERS, key=_natural):
        below = _child(group, name)
        if not hasattr(below, "keys"):
            raise InputError(f"{shown(prefix + name)} is an array; expected a layer")
        if hash(below.id) in seen:  # the hash depends on its position in the file alone
            raise InputError(f"{shown(prefix + name)} is also present under another name")
        seen.add(hash(below.id))
        if "vars" in below:
            variables = _child(below, "vars")
            yield {f"{prefix}{name}/vars/{key}": _child(variables, key) for key in sorted(variables, key=_natural)}
        yield from _by_classes(below, f"{prefix}{name}/", seen, depth + 1)


def _natural(name):
    """A sorting key that puts `conv2d_10` after `conv2d_9`."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.findall(r"[0-9]+|[^0-9]+", name)]


def _descendant(group, path):
    for name in path.split("/"):
        group = _child(group, name)
    return group


def _child(group, name):
    """Returns the member `name` of a group if it's in this file."""
    import h5py

    if not isinstance(group, h5py.Group):
        raise InputError(f"{shown(group.name)} is an array; expected a group")
    link = group.get(name, getlink=True)
    if link is None:
        raise InputError(f"{shown(group.name)} has no {shown(name)}")
    if not isinstance(link, h5py.HardLink):
        raise InputError(f"{shown(name)} in {shown(group.name)} is a link, and links aren't followed")
    return group[name]


def _values(name, dataset, budget):
    """Returns a dataset as an array, after checking that its size is plausible."""
    if not hasattr(dataset, "chunks"):
        raise InputError(f"{shown(name)} isn't an array")
    if dataset.external or dataset.is_virtual:
        raise InputError(f"{shown(name)} is stored in another file, and those aren't followed")
    if dataset.chunks and math.prod(dataset.chunks) * dataset.dtype.itemsize > MAX_BYTES:
        raise InputError(f"{shown(name)} is compressed in chunks of more than {MAX_BYTES >> 20} MiB")
    budget.take(name, dataset.shape, dataset.dtype.itemsize)
    values = np.asarray(dataset[()])
    if dataset.dtype == "V2" and dataset.attrs.get("dtype") == "bfloat16":
        values = from_bfloat16(values)
    return values


def _weights(layer):
    """Returns a layer's floats. A bool is tensorflow-addons' `initialized`; while it's False, ||v|| replaces g."""
    floats = {name: values for name, values in layer.items() if values.dtype.kind == "f"}
    if any(values.dtype == bool and not values for values in layer.values()):
        g, v = list(floats)[:2]
        floats[g] = np.sqrt(np.sum(np.square(floats[v], dtype="f8"), axis=tuple(range(floats[v].ndim - 1))))
    return floats
