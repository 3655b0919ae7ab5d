"""Exports a model to files for other runtimes: what `convert.py export` and `wdsr_tf.export` do."""

from pathlib import Path

from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.export import formats
from wdsr_tf.files import sha256
from wdsr_tf.system.quiet import load_keras


def export_model(model, outdir, *, names=("onnx",), half=False, image=False, tile=None):
    """Exports to each of the formats `names`; `wdsr_tf.export` documents the other arguments.

    Returns:
        (cards of what was written, an InputError for each format that failed). A failed format leaves nothing behind.
    """
    names = formats.demand(names)
    if tile is not None and not any(formats.FORMATS[name].is_fixed for name in names):
        raise InputError(f"A tile means nothing to {', '.join(names)}, which take images of any size. Leave it out.")
    outdir = Path(outdir)
    if outdir.exists() and not outdir.is_dir():
        raise InputError(f"{outdir} is a file. Name a folder to write to.")
    model, name, digest = _loaded(model)
    from wdsr_tf.export.export import TILE, Export

    export = Export(model, name, half=half, image=image, tile=TILE if tile is None else tile, sha256=digest)
    return export.write_all(names, outdir)


def _loaded(model):
    """(the `SRModel`, its name in file names, the SHA-256 of its checkpoint or None)."""
    if hasattr(model, "architecture"):
        return model, f"{model.architecture}-x{model.scale}", None
    from wdsr_tf.importers.load import checkpoint_of

    path = checkpoint_of(model)
    checkpoint.read_config(path)  # a missing or damaged file is reported before Keras is imported
    load_keras()
    return checkpoint.load(path), Path(model).stem, sha256(path)
