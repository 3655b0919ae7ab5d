"""Loads any published weights file, converted once into a checkpoint in the user's cache folder."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic
from wdsr_tf.importers import download, formats, recognize
from wdsr_tf.system import caches
from wdsr_tf.system.require import require_keras

if TYPE_CHECKING:
    from wdsr_tf.models.registry import SRModel

CONVERTER = 2  # increase it when importers change what they make of a file, so that older conversions aren't used
OPTIONS = (
    "Pass the options in Python as model=, scale= or hyperparameters=, or write a checkpoint with "
    "'wdsr-tf convert weights', which takes these flags."
)


def checkpoint_of(
    path: str | Path,
    *,
    model: str = "auto",
    scale: int | None = None,
    hyperparameters: dict[str, Any] | None = None,
    log: Callable[[str], None] | None = None,
) -> Path:
    """Returns the path of a checkpoint with the weights in `path`.

    A checkpoint (`.keras`) is returned as it is. Any other weights file is recognized, converted and kept in the user's
    cache folder under the SHA-256 of all its files, so the next call finds it without reading the weights.

    Args:
        path: A checkpoint or a weights file in any format of `wdsr_tf.importers.formats`, or its URL.
        model: Name of the architecture, for weights that fit several.
        scale: Upscaling factor, for weights that fit several.
        hyperparameters: Dictionary of the architecture's hyperparameters, for weights that fit several.
        log: Called with one line that says what was recognized, if the file has to be converted.

    Raises:
        InputError: The file is missing, damaged, from an unknown project, or fits several models.
    """
    path = download.local(path)
    if path.suffix.lower() == ".keras":
        return path
    folder = _cache(path)
    given = json.dumps([model, scale, hyperparameters or {}], sort_keys=True, default=str)
    target = folder / hashlib.sha256(given.encode()).hexdigest()[:8] / f"{path.stem}.keras"
    if not target.is_file():
        options = {"model": model, "scale": scale, "hyperparameters": hyperparameters}
        _convert(path, target, options, log or (lambda line: None))
    return target


def load_model(
    path: str | Path,
    *,
    model: str = "auto",
    scale: int | None = None,
    hyperparameters: dict[str, Any] | None = None,
    log: Callable[[str], None] | None = None,
) -> "SRModel":
    """Returns the `SRModel` in a checkpoint or a weights file; see `checkpoint_of`.

    Raises:
        InputError: As `checkpoint_of`, or a checkpoint holds another model than the arguments describe.
    """
    from wdsr_tf import checkpoint

    converted = checkpoint_of(path, model=model, scale=scale, hyperparameters=hyperparameters, log=log)
    recipe = checkpoint.read_config(converted)
    wanted = {"architecture": recipe["architecture"] if model == "auto" else model, "scale": scale or recipe["scale"]}
    for name, value in (wanted | (hyperparameters or {})).items():
        held = (recipe | recipe["hyperparameters"]).get(name)
        if held != value:
            raise InputError(f"{path}: The {name.replace('_', ' ')} is {held!r}, not {value!r}.")
    return checkpoint.load(converted)


def scales_of(path: str | Path) -> tuple[int, ...]:
    """Returns the scales that a checkpoint or a weights file can be loaded for, sorted; raises like `checkpoint_of`."""
    path = download.local(path)
    if path.suffix.lower() == ".keras":
        from wdsr_tf import checkpoint

        return (checkpoint.read_config(path)["scale"],)
    kept = _cache(path) / "scales.json"
    if kept.is_file():
        return tuple(json.loads(kept.read_text(encoding="utf-8")))
    _, candidates = _candidates(path)
    scales = sorted({scale for candidate in candidates for scale in candidate.scales})
    with atomic(kept) as temporary:
        temporary.write_text(json.dumps(scales), encoding="utf-8")
    return tuple(scales)


def _cache(path):
    """Returns the folder for conversions of the file, in the user's cache folder or in a temporary one."""
    return caches.folder("checkpoints") / f"{formats.sha256(path)[:32]}-{CONVERTER}"


def recognized(
    path: str | Path,
    *,
    model: str = "auto",
    scale: int | None = None,
    hyperparameters: dict[str, Any] | None = None,
) -> tuple[formats.WeightsFile, recognize.Candidate]:
    """Returns the `WeightsFile`, and the `Candidate` with a scale that its weights are for; see `checkpoint_of`."""
    source, candidates = _candidates(path)
    try:
        return source, recognize.choose(candidates, model, scale, hyperparameters)
    except InputError as error:
        raise InputError(f"{path} ({source.format}): {error}") from error


def build(source: formats.WeightsFile, candidate: recognize.Candidate, license: str | None = None) -> "SRModel":
    """Returns the `SRModel` for what `recognized` returned; its facts record the license."""
    require_keras(f"Converting {source.path}")
    from wdsr_tf.importers.import_weights import import_weights

    try:
        return import_weights(source, candidate, license)
    except InputError as error:
        raise InputError(f"{source.path}: {error}") from error


def _candidates(path):
    source = formats.read(path)
    try:
        return source, recognize.recognize(source.arrays, source.facts)
    except InputError as error:
        raise InputError(f"{path} ({source.format}): {error}") from error


def _convert(path, target, options, log):
    from wdsr_tf import checkpoint

    try:
        source, chosen = recognized(path, **options)
    except InputError as error:
        raise InputError(f"{error}\n{OPTIONS}") from error
    log(f"{path}: {source.format}, {len(source.arrays)} tensors: {chosen}{f'; {chosen.note}' if chosen.note else ''}")
    checkpoint.save(build(source, chosen), target)
