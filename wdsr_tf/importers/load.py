"""Any published weights file as a checkpoint, converted once into the user's cache folder."""

import functools
import hashlib
import json
from pathlib import Path

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic
from wdsr_tf.importers import formats, recognize
from wdsr_tf.system import caches
from wdsr_tf.system.require import require_keras

CONVERTER = 1  # raise it when importers make something else of the same file: older conversions are then not used
OPTIONS = (
    "Pass the options in Python as model=, scale= or hyperparameters=, or write a checkpoint with "
    "'wdsr-tf convert weights', which takes these flags."
)


def checkpoint_of(path, *, model="auto", scale=None, hyperparameters=None, log=None):
    """Returns the path of a checkpoint with the weights in `path`.

    A checkpoint (`.keras`) is returned as it is. Any other weights file is recognized, converted and kept in the user's
    cache folder under the SHA-256 of all its files, so the next call finds it without reading the weights.

    Args:
        path: a checkpoint or a weights file in any format of `wdsr_tf.importers.formats`.
        model: name of the architecture, for weights that fit several.
        scale: upscaling factor, for weights that fit several.
        hyperparameters: dictionary of the architecture's hyperparameters, for weights that fit several.
        log: called with one line that says what was recognized, if the file has to be converted.

    Raises:
        InputError: the file is missing, damaged, of an unknown project, or fits several models.
    """
    path = Path(path)
    if path.suffix.lower() == ".keras":
        return path
    folder = _cache(path)
    given = json.dumps([model, scale, hyperparameters or {}], sort_keys=True, default=str)
    target = folder / hashlib.sha256(given.encode()).hexdigest()[:8] / f"{path.stem}.keras"
    if not target.is_file():
        options = {"model": model, "scale": scale, "hyperparameters": hyperparameters}
        _convert(path, target, options, log or (lambda line: None))
    return target


def load_model(path, *, model="auto", scale=None, hyperparameters=None, log=None):
    """Returns the `SRModel` in a checkpoint or a weights file; see `checkpoint_of`.

    Raises:
        InputError: also if a checkpoint holds another model than the one that is asked for.
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


def scales_of(path):
    """Returns the scales that a checkpoint or a weights file can be loaded for, sorted. Raises as `checkpoint_of`."""
    path = Path(path)
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
    """The folder for what is made of the file, in the user's cache folder or in a temporary one."""
    return _root(caches.user_cache()) / f"{formats.sha256(path)[:32]}-{CONVERTER}"


@functools.cache
def _root(cache):
    return caches.first_writable(cache / "checkpoints")


def recognized(path, *, model="auto", scale=None, hyperparameters=None):
    """Returns (the `formats.Source`, the `Candidate` with a scale that its weights are for); see `checkpoint_of`."""
    source, candidates = _candidates(path)
    try:
        return source, recognize.choose(candidates, model, scale, hyperparameters)
    except InputError as error:
        raise InputError(f"{path} ({source.format}): {error}") from error


def build(source, candidate, license=None):
    """Returns the `SRModel` of what `recognized` returns; `license` is recorded in it."""
    require_keras(f"Converting {source.path}")
    from wdsr_tf.importers.import_weights import import_weights

    try:
        return import_weights(source, candidate, license)
    except InputError as error:
        raise InputError(f"{source.path}: {error}") from error


def _candidates(path):
    source = formats.read(path)
    try:
        return source, recognize.recognize(source.arrays)
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
