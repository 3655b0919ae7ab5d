"""A model, and what to record of it in a checkpoint that is made with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from wdsr_tf import files
from wdsr_tf.importers import formats
from wdsr_tf.importers.download import is_url, local
from wdsr_tf.importers.load import load_model
from wdsr_tf.system.http import shown


def loaded(
    model: Any, scale: int | None = None, log: Callable[[str], None] | None = None
) -> tuple[Any, dict[str, str]]:
    """Returns an `SRModel` and its origin: source, SHA-256 of its file, and license, as far as they are known.

    Args:
        model: A checkpoint, a published weights file, or its URL; or a loaded model, which is returned.
        scale: Upscaling factor, for weights that fit several.
        log: Called with a line if published weights are recognized.

    Raises:
        InputError: As `load_model`.
    """
    if hasattr(model, "architecture"):
        origin, found = {"source": f"{model.architecture} x{model.scale}"}, model
    else:
        path = local(model)
        found = load_model(path, scale=scale, log=log)
        origin = {"source": shown(model) if is_url(model) else Path(model).name, "sha256": sha256(path)}
    return found, origin | ({"license": found.facts["license"]} if "license" in found.facts else {})


def sha256(path: Path) -> str:
    """Returns the SHA-256 of a model's file, or of all files that hold its weights together."""
    return (files if path.suffix.lower() == ".keras" else formats).sha256(path)
