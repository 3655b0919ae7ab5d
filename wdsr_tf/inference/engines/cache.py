"""Converted networks beside their checkpoint, so that the second start needs neither Keras nor TensorFlow.

`cat.keras` gets a folder `cat.engines/`, and in it one folder per conversion, named after the checkpoint's SHA-256, the
converter's version and the kind. It holds the network and `engine.json`, which says what it is. Where nothing can be
written there, the user's cache folder serves, and where that fails too, a temporary folder for this process alone.

A conversion is written aside and renamed, so that it is whole or absent, and of two at once the first one stays.
"""

import atexit
import contextlib
import dataclasses
import functools
import json
import os
import secrets
import shutil
import tempfile
from pathlib import Path

from wdsr_tf import checkpoint as checkpoints
from wdsr_tf.errors import InputError
from wdsr_tf.files import sha256
from wdsr_tf.system.quiet import load_keras

CONVERTER = 3  # raised with every change of what is converted: what older versions wrote is then not found
SIDECAR = "engine.json"


def onnx_network(checkpoint, engine):
    """(path, facts) of the checkpoint's float32 network in ONNX; facts are architecture, scale, reach and versions.

    `engine` is who asks: its extra is named where the package that writes ONNX is missing.
    """
    folder, facts = converted(checkpoint, "float32", functools.partial(_export, checkpoint, engine))
    return folder / "network.onnx", facts


def _export(checkpoint, engine, folder):
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise InputError(f"converting a network needs ONNX: pip install 'wdsr-tf[{engine}]'") from error
    load_keras()
    import keras

    from wdsr_tf.export.onnx import to_onnx
    from wdsr_tf.models.receptive_field import of_graph

    model = checkpoints.load(checkpoint)
    (folder / "network.onnx").write_bytes(to_onnx(model).SerializeToString())
    return {
        "architecture": model.architecture,
        "scale": model.scale,
        "receptive_field": dataclasses.asdict(of_graph(model)),
        "precision": "float32",
        "versions": {"keras": keras.__version__, "onnx": onnx.__version__},
    }


def converted(checkpoint, kind, convert):
    """(folder, facts) of the network at `checkpoint` converted to `kind`; `convert` is called where it is not there.

    `convert(folder)` writes its files into the empty `folder` and returns the facts, a dictionary for JSON.
    """
    checkpoints.read_config(checkpoint)  # one plain reason where it is missing or broken
    digest = sha256(checkpoint)
    name = f"{digest[:16]}-{CONVERTER}-{kind}"
    roots = _roots(Path(checkpoint))
    for root in roots:
        facts = _read(root / name)
        if facts:
            return root / name, facts
    return _made(roots, name, convert, {"checkpoint": Path(checkpoint).name, "sha256": digest, "converter": CONVERTER})


def _roots(checkpoint):
    """Where conversions may lie, best first."""
    caches = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return [checkpoint.with_suffix(".engines"), Path(caches) / "wdsr-tf" / "engines"]


def _read(folder):
    """The facts of a conversion, or None where there is none."""
    try:
        return json.loads((folder / SIDECAR).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _made(roots, name, convert, origin):
    aside = _aside(roots)
    try:
        facts = convert(aside) | origin
        (aside / SIDECAR).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        folder = aside.with_name(name)
        try:
            aside.replace(folder)
        except OSError:  # another process was faster: a folder does not replace one that holds something
            facts = _read(folder)
            if not facts:
                raise
        return folder, facts
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _aside(roots):
    """A new folder in the first of `roots` that can be written to, or one that this process removes at its end."""
    for root in roots:
        folder = root / f".{secrets.token_hex(8)}"
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True)
            return folder
    temporary = Path(tempfile.mkdtemp(prefix="wdsr-tf-"))
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    folder = temporary / "aside"
    folder.mkdir()
    return folder
