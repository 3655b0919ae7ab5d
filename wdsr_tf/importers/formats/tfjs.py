"""TensorFlow.js layers models: `model.json` and the shards that it names, float32 values one after the other."""

import json
from pathlib import PurePosixPath

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats.limits import MAX_BYTES, Budget, shown

NAME = "TensorFlow.js model"
MAX_JSON = 8 * 2**20  # bytes; a network of 300 layers has 200,000
MAX_SHARDS = 256


def matches(path, head):
    """Whether the file begins like the `model.json` of a layers model or a graph model."""
    return head.lstrip().startswith(b"{") and any(key in head for key in (b"layers-model", b'"modelTopology"'))


def files(path):
    """Returns `model.json` and its shards, which must lie beside it."""
    shards = [path.with_name(name) for name in companions(path)]
    for shard in shards:
        if not shard.is_file():
            raise InputError(f"{shard.name} is missing; it belongs beside {path.name}")
    return [path, *shards]


def companions(path):
    """Returns the names of the shards, which can't be in another folder."""
    names = _shard_names(_manifest(path))
    for name in names:
        if not isinstance(name, str) or PurePosixPath(name).name != name or name == ".." or "\\" in name:
            raise InputError(f"shard {shown(name)} isn't a file beside {path.name}")
    return names


def read(path):
    """Returns (arrays, facts); uses every byte.

    The arrays have their Keras names, `LAYER/kernel`. The fact is the container, which tells UpscalerJS's models from
    those of the project that trained them.
    """
    shards = files(path)[1:]
    if sum(shard.stat().st_size for shard in shards) > MAX_BYTES:
        raise InputError(f"its shards are larger than {MAX_BYTES >> 20} MiB")
    data = b"".join(shard.read_bytes() for shard in shards)
    budget, arrays, at = Budget(), {}, 0
    for entry in (entry for group in _manifest(path) for entry in group["weights"]):
        name, shape, dtype = entry["name"], tuple(entry["shape"]), entry["dtype"]
        if dtype != "float32" or "quantization" in entry:
            raise InputError(f"{shown(name)} isn't stored as float32; convert the model without quantization")
        if name in arrays:
            raise InputError(f"two arrays are called {shown(name)}")
        end = at + 4 * budget.take(name, shape)
        if end > len(data):
            raise InputError(f"its shards end within {shown(name)} {shape}: they are truncated")
        arrays[name] = np.frombuffer(data[at:end], "<f4").reshape(shape)
        at = end
    if at != len(data):
        raise InputError(f"its shards have {len(data)} bytes, but model.json names {at}")
    return arrays, {"container": "TensorFlow.js"}


def _manifest(path):
    with path.open("rb") as file:
        text = file.read(MAX_JSON + 1)
    if len(text) > MAX_JSON:
        raise InputError(f"model.json is larger than {MAX_JSON >> 20} MiB")
    groups = json.loads(text)["weightsManifest"]
    if len(_shard_names(groups)) > MAX_SHARDS:
        raise InputError(f"model.json names more than {MAX_SHARDS} shards")
    return groups


def _shard_names(groups):
    return [name for group in groups for name in group["paths"]]
