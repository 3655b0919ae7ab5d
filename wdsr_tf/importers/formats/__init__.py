"""Reads published weights files as named NumPy arrays. One module per file format.

Each module has:

    NAME                 the format, as messages call it
    matches(path, head)  whether the file looks like this format; `head` is its first 512 bytes, or empty
    read(path)           {name: array}, or (that, facts): what the file says about the model beside its weights.
                         Modules in SELECTIVE also take a pattern, and read only arrays with such names
    files(path)          optional: all files that belong together, the main one first
    companions(path)     optional: the names of those beside `path`, which needn't be there yet

Reading never runs code from a file, and `limits` bounds its memory, so files from unknown sources can be read.
"""

import dataclasses
import importlib
from pathlib import Path
from typing import Any

import numpy as np

from wdsr_tf import files
from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats import confined, limits, mistaken

FORMATS = (  # tried in this order; PyTorch is last because it accepts any file that has its suffix
    "safetensors",
    "npz",
    "hdf5",
    "matlab",
    "ncnn",
    "tfjs",
    "waifu2x_json",
    "tensorflow1",
    "onnx",
    "pytorch",
)
SELECTIVE = {"hdf5", "pytorch", "safetensors"}


@dataclasses.dataclass(frozen=True)
class WeightsFile:
    """The contents of a weights file.

    Args:
        path: The file.
        format: The format's name, such as "PyTorch checkpoint".
        sha256: The hash of the file, or of all files that belong together.
        arrays: The arrays by their published names, in the file's order. Floats of any size are float32.
        facts: What the file says about the model beside its weights, such as its "scale".
    """

    path: Path
    format: str
    sha256: str
    arrays: dict[str, np.ndarray]
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)


def read(path: str | Path, wanted: str = "") -> WeightsFile:
    """Reads a weights file of any supported format, recognized by its first bytes.

    Args:
        path: The file.
        wanted: Regular expression; only arrays in whose names it is found are returned. In a format of SELECTIVE the
            others aren't even read, so they don't count against the limits on memory.

    Raises:
        InputError: The file is missing, damaged, unsafe, too large, or in an unknown format, or has none of the arrays.
    """
    path = Path(path)
    name, module = _format(path)
    try:
        parts = _parts(module, path)
        selection = (wanted,) if name in SELECTIVE else ()
        if name in confined.LIMITS:
            contents = confined.read(name, path, sum(part.stat().st_size for part in parts), *selection)
        else:
            contents = module.read(path, *selection)
        arrays, facts = contents if isinstance(contents, tuple) else (contents, {})
        arrays, digest = limits.plain(limits.selected(arrays, wanted)), files.sha256(*parts)
    except InputError as error:
        raise InputError(f"{path} ({module.NAME}): {limits.line(error)}") from error
    except Exception as error:  # broken or hostile bytes make parsers raise anything
        reason = limits.line(f"{type(error).__name__}: {error}")
        raise InputError(f"{path} ({module.NAME}) is damaged or has another format: {reason}") from error
    return WeightsFile(path, module.NAME, digest, arrays, facts)


def sha256(path: str | Path) -> str:
    """Returns the hash of all files of the weights at `path`, as `read` does, without reading the weights."""
    path = Path(path)
    _, module = _format(path)
    try:
        return files.sha256(*_parts(module, path))
    except OSError as error:
        raise InputError(f"{path} ({module.NAME}): {limits.line(error)}") from error


def companions(path: str | Path) -> list[str]:
    """Returns the names of the files that the weights file at `path` needs beside it, whether they are there or not."""
    path = Path(path)
    head = _head(path)
    for name in FORMATS:
        module = importlib.import_module(f"{__name__}.{name}")
        if module.matches(path, head):
            try:
                return module.companions(path) if hasattr(module, "companions") else []
            except Exception as error:  # as in `read`
                raise InputError(f"{path} ({module.NAME}): {limits.line(error)}") from error
    return []


def _format(path):
    """Returns the name and the module of the first format that matches."""
    if path.is_file() and not path.stat().st_size:
        raise InputError(f"{path} is empty")
    modules = {name: importlib.import_module(f"{__name__}.{name}") for name in FORMATS}
    head = _head(path) if path.is_file() else b""  # reading from a pipe would block
    if what := mistaken.named(head):
        raise InputError(f"{path} {what}")
    for name, module in modules.items():
        if module.matches(path, head):
            return name, module
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        inside = sorted(file.name for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        hint = f"Name a file in it: {limits.line(', '.join(inside[:8]))}" if inside else "It has no files."
        raise InputError(f"{path} is a folder. {hint}")
    names = ", ".join(module.NAME for module in modules.values())
    raise InputError(f"{path} isn't a weights file in a supported format: {names}")


def _parts(module, path):
    parts = module.files(path) if hasattr(module, "files") else [path]
    for part in parts[1:]:
        if what := mistaken.named(_head(part)):
            raise InputError(f"{part.name} {what}")
    return parts


def _head(path):
    try:
        with path.open("rb") as file:
            return file.read(512)
    except OSError as error:
        raise InputError(f"{path} can't be opened: {error.strerror}") from error
