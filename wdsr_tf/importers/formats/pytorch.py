"""PyTorch checkpoints: the zip archive that `torch.save` writes, and the format that it wrote before version 1.6.

Both pickle everything except the numbers, which are in storages that the tensors are views of. The formats are defined
by torch/serialization.py and torch/_utils.py (PyTorch 2.13).
"""

import dataclasses
import io

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats import inert, limits, pickles
from wdsr_tf.system import archives

NAME = "PyTorch checkpoint"
MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of a legacy file
PROTOCOL = 1001  # the second
NESTS = (  # keys of training scripts, in order: averaged weights first
    *("params_ema", "params-ema", "params", "net", "net_g", "generator", "model", "state_dict", "model_state_dict"),
)
MAX_DICTIONARIES = 200  # to search for tensors; a training script's few come before an optimizer's thousands
MAX_STORAGE = 2**40  # bytes that a pickle may name; `limits` bounds those that are read

_CODES = {
    **{"Float": "<f4", "Double": "<f8", "Half": "<f2", "BFloat16": "V2"},
    **{"Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "|i1", "Byte": "|u1", "Bool": "|b1"},
}
_DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")


def matches(path, head):
    """Whether the file begins as an archive with folders or as a pickle, or has one of PyTorch's suffixes."""
    pickle = head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    return pickle or "/" in archives.first_member(head) or (bool(head) and path.suffix in (".pth", ".pt"))


def read(path, wanted=""):
    """Returns the tensors of the state dictionary, flat."""
    with path.open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
    return _read_zip(path, wanted) if is_zip else _read_legacy(path, wanted)


def _read_zip(path, wanted):
    with archives.opened(path) as (archive, members):
        pickled = [name for name in members if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickled) != 1:
            raise InputError("the archive has no data.pkl, so torch.save didn't write it")
        folder = pickled[0].removesuffix("data.pkl")

        def member(name, size):
            if folder + name not in members:
                raise InputError(f"the archive lacks the member {limits.shown(folder + name)}")
            return archives.read(archive, members[folder + name], size)

        big = f"{folder}byteorder" in members and member("byteorder", 16) == b"big"
        loaded = _unpickled(io.BytesIO(member("data.pkl", pickles.MAX_BYTES)), {})
        tensors = limits.selected(_state(loaded), wanted)
        return _arrays(tensors, lambda storage: member(f"data/{storage.key}", storage.nbytes), big)


def _read_legacy(path, wanted):
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        stream = io.BytesIO(file.read(2 * pickles.MAX_BYTES))
        storages = {}
        if _unpickled(stream, storages) != MAGIC or _unpickled(stream, storages) != PROTOCOL:
            raise InputError("the file is a pickle, but torch.save didn't write it")
        _unpickled(stream, storages)  # describes the machine; the numbers are little-endian on any
        loaded = _unpickled(stream, storages)
        keys = _unpickled(stream, {})
        places = _legacy_places(file, stream.tell(), size, keys, storages)

        def fetch(storage):
            file.seek(places[storage.key])
            return file.read(storage.nbytes)

        return _arrays(limits.selected(_state(loaded), wanted), fetch)


def _legacy_places(file, position, size, keys, storages):
    """Returns where each storage's numbers begin: one after the other, each after its count in eight bytes."""
    if type(keys) is not list or not all(type(key) is str for key in keys) or sorted(keys) != sorted(storages):
        raise InputError("the storages that the file lists aren't those that its tensors use")
    places = {}
    for key in keys:
        file.seek(position)
        count = int.from_bytes(file.read(8), "little")
        places[key] = position + 8
        position += 8 + storages[key].nbytes
        if count != storages[key].count or position > size:
            raise InputError(f"the file is truncated, or storage {limits.shown(key)} isn't as long as the pickle says")
    return places


@dataclasses.dataclass(frozen=True)
class Storage:
    """Numbers of one type."""

    key: str
    code: str
    count: int

    @property
    def itemsize(self):
        """The size of one number in bytes."""
        return np.dtype(self.code).itemsize

    @property
    def nbytes(self):
        """The size of all numbers in bytes."""
        return self.count * self.itemsize


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A view of a storage; offset and stride count elements."""

    storage: Storage
    offset: int
    shape: tuple
    stride: tuple


def _unpickled(stream, storages):
    """Returns what the stream's next pickle holds, and adds the storages that it names to `storages`, by key."""

    def persistent(identity):
        storage = _storage(identity)
        if storages.setdefault(storage.key, storage) != storage:
            raise InputError(f"storage {limits.shown(storage.key)} is declared twice with different types or sizes")
        return storage

    return pickles.load(stream, _NAMES, persistent)


def _storage(identity):
    """Returns the storage of a persistent id: ("storage", type, key, device, count[, a legacy file's view of it])."""
    if type(identity) is not tuple or len(identity) not in (5, 6) or identity[0] != "storage":
        raise InputError("the pickle has a persistent id that isn't a storage")
    _, code, key, _, count = identity[:5]
    if type(code) is not str or code not in _CODES.values() or type(key) is not str or type(count) is not int:
        raise InputError("the pickle has a storage without a type, key or size")
    if len(identity) == 6 and identity[5] is not None:
        raise InputError("the checkpoint is from PyTorch 0.3 or older; load it and save it with a newer version")
    storage = Storage(key, code, count)
    if len(key) > limits.MAX_NAME or not 0 <= storage.nbytes <= MAX_STORAGE:
        raise InputError(f"storage {limits.shown(key)} of {limits.shown(count)} elements is too large")
    return storage


def _rebuild_tensor(storage, offset, shape, stride, *_):
    """torch._utils._rebuild_tensor and _v2 (which adds requires_grad, hooks, metadata)."""
    if type(storage) is not Storage or type(shape) is not tuple or type(stride) is not tuple:
        raise InputError("the pickle has a tensor without a storage, shape or stride")
    if not len(shape) == len(stride) <= limits.MAX_DIMENSIONS:
        raise InputError("the pickle has a tensor with too many dimensions")
    if not all(type(n) is int and n >= 0 for n in (offset, *shape, *stride)):
        raise InputError("the pickle has a tensor with an impossible shape, stride or offset")
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    if 0 not in shape and last >= storage.count:
        raise InputError(f"a tensor {limits.shown(shape)} extends beyond its storage of {storage.count} elements")
    return Tensor(storage, offset, shape, stride)


def _rebuild_parameter(data, *_):
    """torch._utils._rebuild_parameter (requires_grad, hooks and state follow)."""
    if type(data) is not Tensor:
        raise InputError("the pickle has a parameter that isn't a tensor")
    return data


def _ordered_dict(pairs=None):
    """collections.OrderedDict. Python 2 passes the items, Python 3 sets them later."""
    items = {}
    if pairs is not None:
        if type(pairs) is not list or not all(type(p) in (list, tuple) and len(p) == 2 for p in pairs):
            raise InputError("the pickle has an ordered dictionary of something other than a list of pairs")
        pickles.set_items(items, [part for pair in pairs for part in pair])
        pairs.clear()  # otherwise a small pickle could have a long list copied again and again
    return items


def _empty_dict(*_):
    """collections.defaultdict, whose items follow, and Counter, the state of a schedule, which isn't needed."""
    return {}


def _size(sizes):
    """torch.Size."""
    if type(sizes) is not tuple:
        raise InputError("the pickle has a size that isn't a tuple")
    return sizes


_NAMES = {
    **inert.NAMES,
    "collections.OrderedDict": _ordered_dict,
    "collections.Counter": _empty_dict,
    "collections.defaultdict": _empty_dict,
    "torch.Size": _size,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
    **{f"{module}.{name}Storage": code for module in ("torch", "torch.cuda") for name, code in _CODES.items()},
    **{f"torch.{name}": name for name in _DTYPES},
}


def _state(loaded):
    """Returns the tensors by name, from inside the dictionaries that training scripts nest them in."""
    if type(loaded) is not dict:
        raise InputError(f"the checkpoint holds {limits.shown(loaded)}, not a dictionary of tensors by name")
    tensors = _nested(loaded, set())
    if not tensors:
        keys = ", ".join(limits.shown(key) for key in list(loaded)[:8])
        raise InputError(
            f"the checkpoint has no tensors by name, or several groups of them; it has {keys or 'an empty dictionary'}"
        )
    if not all(type(name) is str for name in tensors):
        raise InputError("the checkpoint's tensors have numbers instead of names")
    return tensors


def _nested(value, seen):
    """Returns the tensors of the dictionary under the first of `NESTS`, else its own, else those of the only other one.

    `seen` has the dictionaries that were looked into: one may hold itself, or another a million times.
    """
    if type(value) is not dict or id(value) in seen or len(seen) >= MAX_DICTIONARIES:
        return {}
    seen.add(id(value))
    for key in NESTS:
        if tensors := _nested(value.get(key), seen):
            return tensors
    if tensors := {name: tensor for name, tensor in value.items() if type(tensor) is Tensor}:
        return tensors
    groups = [tensors for inner in value.values() if (tensors := _nested(inner, seen))]
    return groups[0] if len(groups) == 1 else {}


def _arrays(tensors, fetch, big=False):
    """Returns copies of the tensors, in the same order; one storage is in memory at a time."""
    budget, storage_budget = limits.Budget(), limits.Budget()
    by_storage = {}
    for name, tensor in tensors.items():
        budget.take(name, tensor.shape, tensor.storage.itemsize)
        by_storage.setdefault(tensor.storage, []).append(name)
    arrays = dict.fromkeys(tensors)
    for storage, names in by_storage.items():
        storage_budget.take(storage.key, (storage.count,), storage.itemsize)
        data = fetch(storage)
        if len(data) < storage.nbytes:
            raise InputError(f"storage {limits.shown(storage.key)} is shorter than its tensors")
        if big:
            data = np.frombuffer(data, f">u{storage.itemsize}").astype(f"<u{storage.itemsize}")
        for name in names:
            arrays[name] = _array(tensors[name], data)
    return arrays


def _array(tensor, data):
    dtype = np.dtype(tensor.storage.code)
    steps = [step * dtype.itemsize for step in tensor.stride]
    view = np.ndarray(tensor.shape, dtype, data, tensor.offset * dtype.itemsize, steps)
    if dtype == "V2":
        return limits.from_bfloat16(view)
    with np.errstate(over="ignore", invalid="ignore"):  # `limits.plain` refuses values that aren't finite
        return view.astype(dtype if dtype.kind in "iub" else np.float32, order="C")
