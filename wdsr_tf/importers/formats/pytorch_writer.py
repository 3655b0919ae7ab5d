"""Writes state dictionaries without PyTorch: the zip archive that `torch.load(weights_only=True)` reads."""

import struct
import zipfile
from pathlib import Path

import numpy as np

from wdsr_tf import files

_ALIGNMENT = 64  # of storages in the file, so that PyTorch can map them into memory
_LOCAL_HEADER = 30  # bytes before a member's name
_DATE = (1980, 1, 1, 0, 0, 0)  # the same weights make the same bytes
_ORDERED_DICT = b"ccollections\nOrderedDict\n)R"  # GLOBAL, EMPTY_TUPLE, REDUCE


def write(path: Path, arrays: dict[str, np.ndarray], under: str | None = None) -> None:
    """Writes an OrderedDict of float32 tensors in the same order; `arrays` must have PyTorch's order of axes.

    `under` is a key to put it under, as BasicSR and Real-ESRGAN expect: {"params": tensors}.
    """
    arrays = {name: np.asarray(array, "<f4", order="C") for name, array in arrays.items()}
    with files.atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        _add(archive, "data.pkl", _pickled(arrays, under))
        _add(archive, "byteorder", b"little")
        for key, array in enumerate(arrays.values()):
            _add(archive, f"data/{key}", array.tobytes())
        _add(archive, "version", b"3\n")


def _add(archive, name, data):
    member = zipfile.ZipInfo(f"archive/{name}", _DATE)
    member.create_system = 3  # the same bytes on every system
    start = archive.fp.tell() + _LOCAL_HEADER + len(member.filename) + 4
    padding = -start % _ALIGNMENT
    member.extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding  # PyTorch's own extra field
    archive.writestr(member, data)


def _pickled(arrays, under):
    """Returns the dictionary as a pickle of protocol 2: the opcodes that `torch.save` writes, without its memo."""
    tensors = (_string(name) + _tensor(key, array) for key, (name, array) in enumerate(arrays.items()))
    state = _ORDERED_DICT + b"(" + b"".join(tensors) + b"u"  # MARK ... SETITEMS
    if under is not None:
        state = b"}" + _string(under) + state + b"s"  # EMPTY_DICT ... SETITEM
    return b"\x80\x02" + state + b"."  # PROTO 2 ... STOP


def _tensor(key, array):
    """torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, backward hooks)."""
    storage = _tuple(_string("storage"), b"ctorch\nFloatStorage\n", _string(str(key)), _string("cpu"), _int(array.size))
    strides = [step // array.itemsize for step in array.strides]
    shapes = _tuple(*map(_int, array.shape)) + _tuple(*map(_int, strides))
    arguments = b"(" + storage + b"Q" + _int(0) + shapes + b"\x89" + _ORDERED_DICT + b"t"  # Q: BINPERSID, \x89: False
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R"


def _tuple(*items):
    return b"(" + b"".join(items) + b"t"


def _int(number):
    return struct.pack("<ci", b"J", number)


def _string(text):
    data = text.encode()
    return struct.pack("<cI", b"X", len(data)) + data
