"""Exports a model to files for other runtimes: what `wdsr-tf export` and `wdsr_tf.export` do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.export import formats as known_formats
from wdsr_tf.export.form import Form, tile_of
from wdsr_tf.files import sha256
from wdsr_tf.importers.download import local
from wdsr_tf.importers.load import checkpoint_of
from wdsr_tf.system.require import require_keras

if TYPE_CHECKING:
    from wdsr_tf.models import SRModel


def export_model(
    model: SRModel | str | Path,
    outdir: str | Path,
    *,
    formats: Iterable[str] = ("onnx",),
    half: bool = False,
    int8: bool = False,
    calibration: str | Path | None = None,
    image: bool = False,
    layout: str = "nhwc",
    value_range: str = "0..255",
    tile: int | str | tuple[int, int] | None = None,
) -> tuple[list[dict], list[InputError]]:
    """Exports a model; `wdsr_tf.export` documents the arguments.

    Returns:
        The cards of what was written, and an error for each format that failed, of which nothing is written.

    Raises:
        InputError: a format is unknown or a package of it isn't installed, or the model or folder can't be used.
            Nothing is written.
    """
    if half and int8:
        raise InputError("Choose one precision: --half stores float16, and --int8 stores and computes int8.")
    if calibration and not int8:
        raise InputError("Only int8 is calibrated. Add --int8, or leave out --calibration.")
    precision = "int8" if int8 else "float16" if half else "float32"
    form = Form(precision=precision, image=image, layout=layout, value_range=value_range, tile=tile_of(tile))
    names = known_formats.demand(formats, precision)
    outdir = Path(outdir)
    if outdir.exists() and not outdir.is_dir():
        raise InputError(f"{outdir} is a file. Name a folder to write to.")
    model, name, digest = _loaded(model)
    from wdsr_tf.export.export import Export

    return Export(model, name, form, calibration=calibration, sha256=digest).write_all(names, outdir)


def _loaded(model):
    """Returns the `SRModel`, its name in file names, and the SHA-256 of its checkpoint or None."""
    if hasattr(model, "architecture"):
        return model, f"{model.architecture}-x{model.scale}", None
    model = local(model)
    path = checkpoint_of(model)
    checkpoint.read_config(path)  # a missing or damaged file is reported before Keras is imported
    require_keras("Exporting a model")
    return checkpoint.load(path), model.stem, sha256(path)
