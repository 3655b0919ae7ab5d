"""Safetensors files, read by the package `safetensors`, and written with what they hold as metadata."""

import json

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic
from wdsr_tf.importers.formats import limits
from wdsr_tf.system import extras

NAME = "safetensors file"
OURS = "wdsr_tf"  # in the metadata of files that we wrote: our version
MAX_HEADER = 4 * 2**20  # bytes; a tensor needs about 100, and ten times as much once parsed
ITEM_SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1}


def matches(path, head):
    """Whether the file begins with a header's length and its brace; the format has no magic number."""
    return head[8:9] == b"{" and head[5:8] == b"\0\0\0"


def read(path, wanted=""):
    """Returns the tensors by name, in the order in which they lie in the file, and the metadata of a file of ours."""
    try:
        import ml_dtypes  # noqa: F401  (adds bfloat16 to NumPy)
        import safetensors
    except ImportError as error:
        raise extras.missing(error.name, "train", "Reading safetensors files") from error
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
        if header > MAX_HEADER:
            raise InputError(f"the header has {header} bytes; expected at most {MAX_HEADER}")
        _check_length(file.read(header), header, path.stat().st_size - 8)
    budget = limits.Budget()
    arrays = {}
    with safetensors.safe_open(path, framework="np") as file:
        for name in limits.selected(dict.fromkeys(file.offset_keys()), wanted):
            piece = file.get_slice(name)
            dtype = piece.get_dtype()
            if dtype not in ITEM_SIZES:
                raise InputError(f"tensor {limits.shown(name)} has type {dtype}; supported: {', '.join(ITEM_SIZES)}")
            budget.take(name, piece.get_shape(), ITEM_SIZES[dtype])
            array = file.get_tensor(name)
            arrays[name] = array.astype("float32") if dtype == "BF16" else array
        metadata = file.metadata() or {}
    return arrays, {"metadata": metadata} if OURS in metadata else {}


def write(path, arrays, metadata):
    """Writes arrays, and {name: text} as the header's `__metadata__`."""
    try:
        from safetensors.numpy import save_file
    except ImportError as error:
        raise extras.missing("safetensors", "train", "Writing safetensors files") from error
    with atomic(path) as temporary:
        save_file(arrays, temporary, metadata)


def _check_length(text, header, size):
    """Raises InputError if the file ends before the header, or before the last tensor that the header names."""
    needed = header
    if len(text) == header:
        tensors = json.loads(text)
        ends = [entry["data_offsets"][1] for name, entry in tensors.items() if name != "__metadata__"]
        needed += max((end for end in ends if isinstance(end, int)), default=0)
    if size < needed:
        raise InputError(f"the file is truncated: it has {size + 8} of {needed + 8} bytes. Download it again")
