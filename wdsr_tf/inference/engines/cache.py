"""Converted models, kept so that later starts need neither Keras nor TensorFlow.

`cat.keras` gets a folder `cat.engines/` with one folder per conversion, named after the checkpoint's SHA-256, the
converter's version and the kind. It holds the model and `engine.json`, which describes it. If nothing can be written
there, or the disk is full, the user's cache folder is used, and if that fails too, a temporary folder for this process
alone. The bundled models need no conversion: NAME.onnx lies beside NAME.keras.

A conversion is written to a temporary folder that is then renamed, so it is complete or absent; if two processes
convert at once, the first one's result stays. `engine.json` has the checksums of all files and its own. A conversion
that doesn't match them is made again.
"""

import contextlib
import hashlib
import json
import os
from pathlib import Path

from wdsr_tf import checkpoint as checkpoints
from wdsr_tf.errors import InputError, sentence
from wdsr_tf.files import is_plain, owned, sha256, sweep
from wdsr_tf.inference.engines.metadata import Description, describe
from wdsr_tf.system import caches, extras
from wdsr_tf.system.require import require_keras

CONVERTER = 7  # raise it with every change of what is converted: older conversions are then not used
SIDECAR = "engine.json"
NETWORK = "network.onnx"
MAX_SIDECAR = 2**20  # bytes


def onnx_network(model: Path, log=None) -> tuple[Path, Description]:
    """Returns (path, description) of the model in float32 ONNX; converts the checkpoint on its first use.

    Raises:
        InputError: the file is damaged, isn't ours, or has to be converted and a package for that is missing.
    """
    found = find_onnx(model)
    if not found:

        def convert(folder):
            write_onnx(model, folder / NETWORK, log)
            return {"precision": "float32"}

        found = converted(model, "float32", convert, log)[0] / NETWORK
    description = describe(found)
    if description is None:
        raise InputError(f"{found} wasn't written by wdsr_tf, or is damaged.")
    if not description.is_default:
        raise InputError(
            f"{found} was exported for other programs, with --image, --layout, --range, or --tile. Name the model that "
            "it was exported from, or export that without these flags."
        )
    return found, description


def find_onnx(model: Path) -> Path | None:
    """Returns the ONNX file of a model: itself, the one beside the checkpoint, or an earlier conversion; else None."""
    if model.suffix == ".onnx":
        return model
    digest = _digest(model)
    beside = model.with_suffix(".onnx")
    if (found := describe(beside)) and found.checkpoint_sha256 == digest:
        return beside
    folder = _found(model, digest, "float32")[0]
    return folder and folder / NETWORK


def can_convert() -> bool:
    """Whether the packages that convert a checkpoint to ONNX are installed."""
    return extras.is_installed("keras") and extras.is_installed("onnx")


def write_onnx(checkpoint: Path, path: Path, log=None) -> None:
    """Writes the model in `checkpoint` as float32 ONNX to `path`; its metadata names the checkpoint's SHA-256."""
    purpose = f"Converting {checkpoint.name} to ONNX"
    if not extras.is_installed("onnx"):
        raise extras.missing("onnx", "train", purpose)
    if log:
        log(f"{checkpoint}: converting to ONNX; the next start finds the result.")
    require_keras(purpose)
    from wdsr_tf.export.onnx import to_onnx

    network = to_onnx(checkpoints.load(checkpoint))
    network.metadata_props.add(key="checkpoint_sha256", value=sha256(checkpoint))
    path.write_bytes(network.SerializeToString())


def converted(model: Path, kind: str, convert, log=None) -> tuple[Path, dict]:
    """Returns (folder, facts) of the model converted to `kind`, which `convert` does if it isn't there yet.

    `convert(folder)` writes its files to the empty `folder` and returns the facts, a dictionary for JSON. `log` is
    called with one line if an earlier conversion is damaged.
    """
    digest = _digest(model)
    folder, facts = _found(model, digest, kind)
    if folder:
        return folder, facts
    name, origin = _name(digest, kind), {"checkpoint": model.name, "sha256": digest, "converter": CONVERTER}
    for damaged in (root / name for root in _roots(model) if (root / name).exists()):
        if log:
            log(f"{damaged}: the converted model is damaged; converting again.")
    for root in _roots(model):
        with contextlib.suppress(OSError):  # can't be written to, or the disk is full
            return _made(root, name, convert, origin)
    root = caches.temporary()
    try:
        return _made(root, name, convert, origin)
    except OSError as error:
        raise InputError(f"{root}: can't write the converted model: {error.strerror or error}") from error


def _digest(model):
    if model.suffix != ".onnx":
        checkpoints.read_config(model)  # one plain reason if it is missing or broken
    return sha256(model)


def _name(digest, kind):
    return f"{digest[:16]}-{CONVERTER}-{kind}"


def _roots(model):
    """Where conversions may be, best first."""
    return [model.with_suffix(".engines"), caches.user_cache() / "engines"]


def _found(model, digest, kind):
    for root in _roots(model):
        folder = root / _name(digest, kind)
        if facts := _read(folder, digest):
            return folder, facts
    return None, None


def _read(folder, digest):
    """The facts of a conversion of that checkpoint, or None if there is none or a file isn't as it was written."""
    try:
        if folder.is_symlink() or not is_plain(folder / SIDECAR, MAX_SIDECAR):
            return None
        facts = json.loads((folder / SIDECAR).read_text(encoding="utf-8"))
        checksum = facts.pop("checksum")
        is_ours = checksum == _checksum(facts) and facts["sha256"] == digest
        return facts if is_ours and facts.pop("files") == _files(folder) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _made(root, name, convert, origin):
    folder = root / name
    root.mkdir(parents=True, exist_ok=True)
    sweep(root)
    with owned(root) as aside, owned(root) as replaced:
        aside.mkdir()
        with _blaming_others(aside, origin["checkpoint"]):
            facts = convert(aside) | origin
        described = facts | {"files": _files(aside)}
        described["checksum"] = _checksum(described)
        (aside / SIDECAR).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
        try:
            aside.replace(folder)
        except OSError:  # a folder doesn't replace one that isn't empty
            if earlier := _read(folder, origin["sha256"]):  # another process was faster
                return folder, earlier
            folder.replace(replaced)
            aside.replace(folder)
    return folder, facts


@contextlib.contextmanager
def _blaming_others(folder, model):
    """Lets an OSError pass if it's about writing to `folder`; raises InputError for any other, such as of a program."""
    try:
        yield
    except OSError as error:
        named = error.filename
        if not isinstance(named, str | bytes) or Path(os.fsdecode(named)).is_relative_to(folder):
            raise
        raise InputError(f"{model}: can't be converted: {sentence(error)}") from error


def _files(folder):
    """{name: SHA-256} of the files of a conversion, or None if something else is among them."""
    paths = [path for path in sorted(folder.iterdir()) if path.name != SIDECAR]
    return {path.name: sha256(path) for path in paths} if all(map(is_plain, paths)) else None


def _checksum(facts):
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
