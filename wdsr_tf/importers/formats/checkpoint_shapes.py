"""Shapes of the arrays in a checkpoint of ours, without their values; `wdsr_tf.checkpoint` checks a recipe by them.

Isn't among `formats.FORMATS`: it runs in the child process of `confined`, before Keras opens the same bytes. Keras
stores arrays as they are, so every array must lie in the file, uncompressed: then memory is bounded by the file's size.
"""

import io
import zipfile

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats.hdf5 import MAX_DEPTH, _child
from wdsr_tf.importers.formats.limits import MAX_TENSORS, Budget, shown
from wdsr_tf.system import archives

MEMBER = "model.weights.h5"
OPTIMIZER = "optimizer/"
MAX_OBJECTS = 3 * MAX_TENSORS  # arrays and groups: each layer has two groups
LOCAL_HEADER = 30  # bytes, before a member's name


def read(path):
    """Returns {path in the file: [code of its kind's letter, *shape]} for each array, as NumPy arrays."""
    import h5py

    with archives.opened(path) as (_, members):
        member = members.get(MEMBER)
        if member is None:
            raise InputError(f"it has no {MEMBER}")
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & archives.ENCRYPTED:
            raise InputError(f"its {MEMBER} is compressed or encrypted; Keras stores it as it is")
    found = {}
    with _Part(path, member.header_offset, member.file_size) as part, h5py.File(part, "r") as file:
        _walk(file, "", found, Budget(), set(), MAX_DEPTH)
    return found


def _walk(group, prefix, found, budget, seen, depth):
    import h5py

    if depth < 0 or len(seen) > MAX_OBJECTS:
        raise InputError(f"it has more than {MAX_DEPTH} nested groups, or too many of them")
    for name in group:
        path, child = prefix + name, _child(group, name)
        if hash(child.id) in seen:
            raise InputError(f"{shown(path)} is also present under another name")
        seen.add(hash(child.id))
        if isinstance(child, h5py.Group):
            _walk(child, f"{path}/", found, budget, seen, depth - 1)
            continue
        if not isinstance(child, h5py.Dataset) or child.dtype.kind not in "fiubV" or child.dtype.itemsize > 8:
            raise InputError(f"{shown(path)} isn't an array of numbers")
        whole = not child.size or (child.id.get_offset() and child.id.get_storage_size() >= child.nbytes)
        if child.external or child.is_virtual or child.chunks or not whole:
            raise InputError(f"{shown(path)} isn't stored in the file as it is")
        # The optimizer's arrays are several times as large as the weights; the compiled optimizer decides how large.
        (Budget() if path.startswith(OPTIMIZER) else budget).take(path, child.shape, child.dtype.itemsize)
        found[path] = np.array([ord(child.dtype.kind), *child.shape], "i8")


class _Part(io.FileIO):
    """A stored member of an archive as a file of its own."""

    def __init__(self, path, header, size):
        super().__init__(path)
        super().seek(header)
        head = super().read(LOCAL_HEADER)
        names = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
        self._start, self._size = header + LOCAL_HEADER + names, size
        self.seek(0)

    def seek(self, offset, whence=io.SEEK_SET):
        if whence == io.SEEK_END:
            offset, whence = offset + self._start + self._size, io.SEEK_SET
        elif whence == io.SEEK_SET:
            offset += self._start
        return super().seek(offset, whence) - self._start

    def tell(self):
        return super().tell() - self._start
