"""Exports a model to files for other runtimes: what `convert.py export` and `wdsr_tf.export` do."""

from pathlib import Path

from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.export import formats as known_formats
from wdsr_tf.files import sha256
from wdsr_tf.importers.load import checkpoint_of
from wdsr_tf.system.require import require_keras


def export_model(model, outdir, *, formats=("onnx",), half=False, image=False, tile=128):
    """Exports a model; `wdsr_tf.export` documents the arguments.

    Returns:
        (cards of what was written, an InputError for each format that failed). A failed format leaves nothing behind.
    """
    names = known_formats.demand(formats)
    outdir = Path(outdir)
    if outdir.exists() and not outdir.is_dir():
        raise InputError(f"{outdir} is a file. Name a folder to write to.")
    model, name, digest = _loaded(model)
    from wdsr_tf.export.export import Export

    return Export(model, name, half=half, image=image, tile=tile, sha256=digest).write_all(names, outdir)


def _loaded(model):
    """(the `SRModel`, its name in file names, the SHA-256 of its checkpoint or None)."""
    if hasattr(model, "architecture"):
        return model, f"{model.architecture}-x{model.scale}", None
    path = checkpoint_of(model)
    checkpoint.read_config(path)  # a missing or damaged file is reported before Keras is imported
    require_keras("Exporting a model")
    return checkpoint.load(path), Path(model).stem, sha256(path)
