"""TensorFlow 1 checkpoints, read by TensorFlow.

A checkpoint is an index and its data, `NAME.index` and `NAME.data-00000-of-00001`, ...; in the format's first version,
it is one file.
"""

import re
from pathlib import Path

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats.limits import MAX_BYTES, Budget
from wdsr_tf.system import extras

NAME = "TensorFlow 1 checkpoint"
MAGIC = bytes.fromhex("57fb808b247547db")  # the end of an index, and of a checkpoint of the first version
MAX_INDEX = 4 * 2**20  # bytes
FLOATS = ("float16", "bfloat16", "float32", "float64")
DATA = r"\.data-\d{5}-of-\d{5}"
PART = re.compile(rf"(\.index|\.meta|{DATA})$")


def matches(path, head):
    """Whether the name is that of a checkpoint's file or their common prefix, or the file ends like an index."""
    if not path.name:
        return False
    return bool(PART.search(path.name)) or _beside(path, ".index").is_file() or _end(path) == MAGIC


def files(path: Path) -> list[Path]:
    """Returns the index and the data; `path` is any file of the checkpoint, or the prefix that their names share."""
    index = _beside(path, ".index")
    if not index.is_file() and not PART.search(path.name):
        return [path]
    prefix = _beside(path, "").name
    data = sorted(file for file in path.parent.iterdir() if re.fullmatch(re.escape(prefix) + DATA, file.name))
    for present, name in ((index.is_file(), index.name), (data, f"{prefix}.data-00000-of-00001")):
        if not present:
            raise InputError(f"{name} is missing; it belongs beside {path.name}")
    return [index, *data]


def companions(path: Path) -> list[str]:
    """Returns the names of the index and of the data if it's in one file, as it nearly always is."""
    both = (_beside(path, suffix).name for suffix in (".index", ".data-00000-of-00001"))
    return [name for name in both if name != path.name] if PART.search(path.name) else []


def read(path: Path) -> dict[str, np.ndarray]:
    """Returns the floating-point tensors, sorted by name, kernels as (height, width, in, out)."""
    first, *data = files(path)
    if first.stat().st_size > (MAX_INDEX if data else MAX_BYTES):
        raise InputError(f"{first.name} is larger than {(MAX_INDEX if data else MAX_BYTES) >> 20} MiB")
    try:
        import tensorflow as tf
    except ImportError as error:
        raise extras.missing("tensorflow", "train", "Reading TensorFlow 1 checkpoints") from error
    # Unlike tf.train.load_checkpoint, this never takes the path for a folder that names another checkpoint.
    reader = tf.compat.v1.train.NewCheckpointReader(str(_beside(path, "").absolute()))
    types = reader.get_variable_to_dtype_map()
    budget = Budget()
    arrays = {}
    for name, shape in sorted(reader.get_variable_to_shape_map().items()):
        if types[name].name in FLOATS:
            budget.take(name, shape)
            arrays[name] = np.asarray(reader.get_tensor(name), "float32")
    return arrays


def _beside(path, suffix):
    return path.with_name(PART.sub("", path.name) + suffix)


def _end(path):
    if not path.is_file() or path.stat().st_size < len(MAGIC):
        return b""
    with path.open("rb") as file:
        file.seek(-len(MAGIC), 2)
        return file.read()
