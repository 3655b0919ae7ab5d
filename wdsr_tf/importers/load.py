"""Loads any published weights file, converted once into a checkpoint in the user's cache folder."""

import contextlib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wdsr_tf.checkpoint import MAX_SCALE
from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic, is_plain, sha256, sweep
from wdsr_tf.importers import download, formats, recognize
from wdsr_tf.system import caches
from wdsr_tf.system.require import require_keras

if TYPE_CHECKING:
    from wdsr_tf.models.registry import SRModel

CONVERTER = 4  # increase it when importers change what they make of a file, so that older conversions aren't used
MAX_RECORD = 1000  # bytes of what is kept beside a conversion
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
    place = Path(folder.name) / hashlib.sha256(given.encode()).hexdigest()[:8] / f"{path.stem}.keras"
    if _is_intact(target := folder.parent / place):
        return target
    if _is_intact(fallback := caches.temporary() / place):
        return fallback
    options = {"model": model, "scale": scale, "hyperparameters": hyperparameters}
    return _convert(path, (target, fallback), options, log or (lambda line: None))


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
    if scales := _read_scales(kept):
        return scales
    _, candidates = _candidates(path)
    scales = sorted({scale for candidate in candidates for scale in candidate.scales})
    with contextlib.suppress(OSError), atomic(kept) as temporary:  # else they are found again next time
        temporary.write_text(json.dumps(scales), encoding="utf-8")
    return tuple(scales)


def _read_scales(path):
    """The scales that are kept there, or None."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        scales = json.loads(path.read_text(encoding="utf-8")) if is_plain(path, MAX_RECORD) else None
        if isinstance(scales, list) and all(type(scale) is int and 1 <= scale <= MAX_SCALE for scale in scales):
            return tuple(scales)
    return None


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


def _convert(path, targets, options, log):
    """Writes the checkpoint to the first of `targets` that can be written, and returns it."""
    try:
        source, chosen = recognized(path, **options)
    except InputError as error:
        raise InputError(f"{error}\n{OPTIONS}") from error
    for damaged in filter(Path.exists, targets):
        log(f"{damaged}: the converted checkpoint is damaged; converting again.")
    log(f"{path}: {source.format}, {len(source.arrays)} tensors: {chosen}{f'; {chosen.note}' if chosen.note else ''}")
    model = build(source, chosen)
    for target in targets:
        with contextlib.suppress(OSError):  # can't be written to, or the disk is full
            return _save(model, target)
    return _save(model, targets[-1])


def _save(model, target):
    from wdsr_tf import checkpoint

    sweep(target.parent)
    checkpoint.save(model, target)
    with atomic(_checksum(target)) as temporary:
        temporary.write_text(sha256(target), encoding="ascii")
    return target


def _checksum(checkpoint):
    return checkpoint.with_name("checkpoint.sha256")


def _is_intact(checkpoint):
    with contextlib.suppress(OSError, ValueError):
        record = _checksum(checkpoint)
        is_known = is_plain(record, MAX_RECORD) and is_plain(checkpoint)
        return is_known and record.read_text(encoding="ascii") == sha256(checkpoint)
    return False
