"""Published weight files as named NumPy arrays: one module per file format, without the framework that wrote it.

A format's module has `NAME` (words for messages), `fits(path, head)` (whether the file looks like one; `head` are its
first 512 bytes, none where `path` is no file) and `read(path)` (name -> array). One that reads several files has
`files(path)` as well: all of them, the main one first. Nothing that a file holds is run, and `limits` bounds what it
may take: a file from anywhere can be given.
"""

import dataclasses
import hashlib
import importlib
from pathlib import Path

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats import confined, limits

# Read in a process of their own: fuzzing showed that the HDF5 library takes gigabytes for some broken files and never
# returns from others; the protocol buffers of ONNX take eighty times a hostile file's size.
CONFINED = ("hdf5", "onnx")
FORMATS = (  # in the order of asking: PyTorch last, because its suffixes are taken for want of anything better
    "safetensors",
    "npz",
    "hdf5",
    "matlab",
    "ncnn",
    "waifu2x_json",
    "tensorflow1",
    "onnx",
    "pytorch",
)


@dataclasses.dataclass(frozen=True)
class Source:
    """A weight file: where it lies, what it is, and its arrays under their published names in the file's order.

    Float16, bfloat16 and float64 come as float32. `sha256` is over all files that belong together.
    """

    path: Path
    format: str
    sha256: str
    arrays: dict[str, np.ndarray]


def read(path):
    """Reads a weight file of any known format; InputError where that is not possible or not safe."""
    path = Path(path)
    name, module = _format(path)
    try:
        arrays = limits.plain(confined.read(name, path) if name in CONFINED else module.read(path))
        digest = _sha256_of_all(module, path)
    except InputError as error:
        raise InputError(f"{path} ({module.NAME}): {limits.line(error)}") from error
    except Exception as error:  # the parsers meet broken and hostile bytes, and their libraries raise anything
        said = limits.line(f"{type(error).__name__}: {error}")
        raise InputError(f"{path} is damaged, or no {module.NAME}: {said}") from error
    return Source(path, module.NAME, digest, arrays)


def sha256(path):
    """The SHA-256 over all files of the weights at `path`, as `read` returns it, without reading the weights."""
    path = Path(path)
    _, module = _format(path)
    try:
        return _sha256_of_all(module, path)
    except OSError as error:
        raise InputError(f"{path} ({module.NAME}): {limits.line(error)}") from error


def _format(path):
    """The name and the module of the first format that the file's first bytes fit."""
    if path.is_file() and not path.stat().st_size:
        raise InputError(f"{path} is empty")
    modules = {name: importlib.import_module(f"{__name__}.{name}") for name in FORMATS}
    head = _head(path) if path.is_file() else b""  # a pipe would block
    for name, module in modules.items():
        if module.fits(path, head):
            return name, module
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        files = sorted(file.name for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        named = f"name a file in it: {limits.line(', '.join(files[:8]))}" if files else "and holds no file"
        raise InputError(f"{path} is a folder; {named}")
    raise InputError(f"{path} is no weight file that can be read: {', '.join(m.NAME for m in modules.values())}")


def _head(path):
    try:
        with path.open("rb") as file:
            return file.read(512)
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror}") from error


def _sha256_of_all(module, path):
    digest = hashlib.sha256()
    for each in module.files(path) if hasattr(module, "files") else [path]:
        with each.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()
