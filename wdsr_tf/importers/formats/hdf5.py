"""HDF5 weights of Keras: version 2's by the names of layers, version 3's `.weights.h5` by their classes.

    layer_names, weight_names          LAYER/WEIGHT_NAME, also below model_weights: kernel:0, bias:0; of
                                       tensorflow-addons' WeightNormalization g:0, kernel:0 (which is v), bias:0
    layers/CLASS[_N]/vars/0, 1, ...    the same by number; of a wrapped layer layers/CLASS[_N]/layer/vars/0, ...

Only what lies in the file itself is read: no soft or external link and no external or virtual dataset is followed.
"""

import itertools
import math
import re

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats.limits import MAX_BYTES, MAX_NAME, Budget, shown

NAME = "Keras HDF5 weights"
ROOTS = ("layers", "_layer_checkpoint_dependencies")  # from Keras 2.13 on; 2.12
MAX_DEPTH = 16  # of groups in groups: each level is one of the networks or wrappers around a layer
MAX_NAMES = 2000  # in one attribute; reading a million from a damaged file takes minutes
MAX_PARTS = 16  # Keras writes at most 64 KiB into one attribute, and the rest into more
NO_LAYERS = {"vars", "seed_generator"}  # a layer's own variables; the state of Dropout's random numbers


def fits(path, head):
    """Whether the file begins as HDF5 does."""
    return head.startswith(b"\x89HDF\r\n\x1a\n")


def read(path):
    """The floating-point arrays by their paths within the file, kernels as (height, width, in, out)."""
    import h5py

    budget = Budget()
    arrays = {}
    with h5py.File(path, "r") as file:
        for layer in _layers(file):
            arrays |= _weights({name: _values(name, dataset, budget) for name, dataset in layer.items()})
    if not arrays:
        raise InputError("no weights of Keras layers in it: neither the attribute layer_names nor the group layers")
    return arrays


def _layers(file):
    """For each layer its datasets by their paths, in the order in which Keras sets them."""
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
    """An attribute that lists names; a long list is in parts that are numbered from 0."""
    parts = [attribute] if attribute in group.attrs else []
    if not parts:
        parts = list(itertools.takewhile(group.attrs.__contains__, (f"{attribute}{i}" for i in range(MAX_PARTS))))
    names = []
    for part in parts:
        kept = group.attrs.get_id(part)
        if len(kept.shape) != 1 or kept.shape[0] > MAX_NAMES or kept.dtype.itemsize > MAX_NAME:
            raise InputError(f"the attribute {part} of {shown(group.name)} is no list of names")
        names += [name.decode() if isinstance(name, bytes) else str(name) for name in group.attrs[part]]
    return names


def _by_classes(group, prefix, seen, depth=0):
    """The groups below `group` in the order of the numbers behind their names, each layer before what it wraps."""
    if depth > MAX_DEPTH:
        raise InputError(f"more than {MAX_DEPTH} groups within one another")
    for name in sorted(group.keys() - NO_LAYERS, key=_natural):
        below = _child(group, name)
        if not hasattr(below, "keys"):
            raise InputError(f"{shown(prefix + name)} is an array where a layer should be")
        if hash(below.id) in seen:  # that of its place in the file
            raise InputError(f"{shown(prefix + name)} is there under another name, too")
        seen.add(hash(below.id))
        if "vars" in below:
            variables = _child(below, "vars")
            yield {f"{prefix}{name}/vars/{key}": _child(variables, key) for key in sorted(variables, key=_natural)}
        yield from _by_classes(below, f"{prefix}{name}/", seen, depth + 1)


def _natural(name):
    """`conv2d_10` behind `conv2d_9`."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.findall(r"[0-9]+|[^0-9]+", name)]


def _descendant(group, path):
    for name in path.split("/"):
        group = _child(group, name)
    return group


def _child(group, name):
    """What is called `name` in the group, if it lies in this file."""
    import h5py

    if not isinstance(group, h5py.Group):
        raise InputError(f"{shown(group.name)} is an array where a group should be")
    link = group.get(name, getlink=True)
    if link is None:
        raise InputError(f"{shown(group.name)} has no {shown(name)}")
    if not isinstance(link, h5py.HardLink):
        raise InputError(f"{shown(name)} in {shown(group.name)} is a link, and those are not followed")
    return group[name]


def _values(name, dataset, budget):
    """A dataset as an array, once its size is known to be a weight's."""
    if not hasattr(dataset, "chunks"):
        raise InputError(f"{shown(name)} is no array")
    if dataset.external or dataset.is_virtual:
        raise InputError(f"{shown(name)} lies in another file, and those are not followed")
    if dataset.chunks and math.prod(dataset.chunks) * dataset.dtype.itemsize > MAX_BYTES:
        raise InputError(f"{shown(name)} is packed in pieces of more than {MAX_BYTES >> 20} MiB")
    budget.take(name, dataset.shape, dataset.dtype.itemsize)
    values = np.asarray(dataset[()])
    if dataset.dtype == "V2" and dataset.attrs.get("dtype") == "bfloat16":
        values = (values.view("<u2").astype("u4") << 16).view("f4")
    return values


def _weights(layer):
    """A layer's arrays of floats. A bool is tensorflow-addons' `initialized`: while it is False, g counts as ||v||."""
    floats = {name: values for name, values in layer.items() if values.dtype.kind == "f"}
    if any(values.dtype == bool and not values for values in layer.values()):
        g, v = list(floats)[:2]
        floats[g] = np.sqrt(np.sum(np.square(floats[v], dtype="f8"), axis=tuple(range(floats[v].ndim - 1))))
    return floats
