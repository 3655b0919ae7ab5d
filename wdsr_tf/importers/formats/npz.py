"""NumPy's `.npz` of named arrays, stored or deflated. Arrays of objects are pickles and are refused."""

import io
import zipfile

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats import limits
from wdsr_tf.system import archives

NAME = "NumPy .npz"
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # Python can't bound the output of its other methods


def matches(path, head):
    """Whether the file is an archive whose first member is an array, or that is called .npz."""
    first = archives.first_member(head)
    return first.endswith(".npy") or (bool(first) and path.suffix == ".npz")


def read(path) -> dict[str, np.ndarray]:
    """Returns the arrays by name, in the archive's order."""
    budget = limits.Budget()
    arrays = {}
    with archives.opened(path) as (archive, members):
        for name, member in members.items():
            if not name.endswith(".npy"):
                raise InputError(f"member {limits.shown(name)} isn't an array")
            name = name.removesuffix(".npy")
            budget.take(name, (member.file_size // 4 + 1,))  # before it is unpacked; its header is still unknown
            data = archives.read(archive, member, limits.MAX_BYTES, METHODS)
            arrays[name] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
            if arrays[name].dtype.kind not in "fiu":
                raise InputError(f"{limits.shown(name)} has type {arrays[name].dtype}; expected floats or integers")
    return arrays
