"""NumPy's `.npz` of named arrays, plain or deflated; arrays of objects, which are pickles, are refused."""

import io
import zipfile

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats import archives, limits

NAME = "NumPy .npz"
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # Python's others unpack without a bound
MAX_HEADER = 16 * 2**10  # of one array; NumPy itself takes at most 10,000 letters of it
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def fits(path, head):
    """Whether the file is an archive that begins with an array, or is called .npz."""
    first = archives.first_member(head)
    return first.endswith(".npy") or (bool(first) and path.suffix == ".npz")


def read(path):
    """The arrays under their names, in the archive's order."""
    budget = limits.Budget()
    arrays = {}
    with archives.opened(path) as (archive, members):
        for name, member in members.items():
            if not name.endswith(".npy"):
                raise InputError(f"member {limits.shown(name)} is no array")
            name = name.removesuffix(".npy")
            budget.take(name, (member.file_size // 4 + 1,))  # before it is unpacked; the header is yet unknown
            arrays[name] = _array(name, archives.read(archive, member, limits.MAX_BYTES, METHODS))
    return arrays


def _array(name, data):
    """The array of a .npy file's bytes, which it shares."""
    stream = io.BytesIO(data[:MAX_HEADER])
    version = np.lib.format.read_magic(stream)
    if version not in HEADERS:
        raise InputError(f"array {limits.shown(name)} is of version {version} of the .npy format")
    shape, fortran, dtype = HEADERS[version](stream)
    if dtype.kind not in "fiu":
        raise InputError(f"array {limits.shown(name)} is of type {dtype.str}: only floats and integers are read")
    limits.Budget().take(name, shape, dtype.itemsize)
    return np.ndarray(shape, dtype, data, stream.tell(), order="F" if fortran else "C")
