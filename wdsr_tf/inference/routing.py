"""Which models run, in which order, for the size that an image should get. Imports no Keras."""

import dataclasses
import functools
import itertools
import json
import math
import os
import re
from pathlib import Path

from wdsr_tf import checkpoint, weights
from wdsr_tf.errors import InputError
from wdsr_tf.importers.download import local
from wdsr_tf.inference.engines import Engine
from wdsr_tf.inference.engines.metadata import describe
from wdsr_tf.inference.jpeg import CLEAN_QUALITY
from wdsr_tf.inference.size import MAX_FACTOR

LEVELS = (1, 2, 3, 0)  # of noise, in the order in which they are recommended
SHRUNK = 0.5  # a factor up to which images are only resized: a model would first quadruple what is then thrown away


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A model, by what decides whether it's chosen.

    Args:
        source: a checkpoint, an ONNX file of ours, a published weights file; or an `SRModel` or `Engine` in memory.
        scale: upscaling factor; 1 for a model that only removes noise.
        noise: level of JPEG noise that it removes, for a waifu2x model (`noise1_scale2.0x_model`).
        psnr: from its file name, as in `epoch-001-psnr-34.5394`, or else the first of the figures that it keeps, as the
            bundled models do; -inf if neither is there.
        jpeg: whether it removes the noise of JPEG at any quality, and so at any level.
        is_published: whether it's a published weights file, which has to be converted to run.
    """

    source: Path | object
    scale: int
    noise: int | None = None
    psnr: float = float("-inf")
    jpeg: bool = False
    is_published: bool = False

    @property
    def name(self) -> str:
        """The file's name without its suffix, or the architecture of a model in memory."""
        return self.source.stem if isinstance(self.source, Path) else self.source.architecture


def find_models(model: "str | os.PathLike | object | None" = None) -> list[Candidate]:
    """Returns what `model` offers.

    Args:
        model: a checkpoint, an ONNX file of ours, or a published weights file, or its URL; a folder, which is searched
            for checkpoints; an `SRModel` or `Engine`; or None for the bundled models.

    Raises:
        InputError: the file can't be used, or the folder has no checkpoint that can.
    """
    if model is None:
        return find_models(weights.FOLDER)
    if not isinstance(model, str | os.PathLike):
        if not (isinstance(model, Engine) or hasattr(model, "hyperparameters")):
            raise InputError(f"model must be a file, a folder or an SRModel, not {type(model).__name__}.")
        return [Candidate(model, model.scale, *_qualities(model.architecture, getattr(model, "facts", {})))]
    path = local(model)
    return _in_folder(path) if path.is_dir() else _in_file(path)


def passes(
    models: list[Candidate], factor: float | None = None, noise: int | None = None, jpeg: bool = False
) -> list[Candidate]:
    """Returns the models to run, in order, until an image is at least `factor` times as large.

    For the bundled models, the best route was measured (`weights.ROUTES`). For others, the fewest passes win, then the
    smallest scale, then the highest PSNR. Without a factor the best model runs once.
    With a noise level, a model for that level comes first: one that also upscales, else one that only removes noise,
    else one for JPEG of any quality. The latter also comes first for an image from a noisy JPEG that isn't reduced to
    half its size or less. The following passes use models that don't remove noise. If the image gets larger than
    `factor` says, as at a factor of 1, it's reduced afterwards.

    Args:
        models: what to choose from.
        factor: how many times as large the image should get.
        noise: level of JPEG noise to remove, 0 to 3.
        jpeg: whether the image comes from a noisy JPEG.

    Raises:
        InputError: no model can do that.
    """
    for_jpeg = [model for model in models if model.jpeg and model.scale > 1]
    if noise is None:
        target = factor or best(_plain(models)).scale  # a JPEG gets as large as any other image
        if not (jpeg and for_jpeg and target > SHRUNK):
            return _upscaling(models, factor)
        if route := _measured(models, "jpeg", target):
            return route
        fitting, factor = for_jpeg, target
    else:
        fitting = [model for model in models if model.noise == noise] or for_jpeg
    if not fitting:
        levels = ", ".join(map(str, sorted({model.noise for model in models if model.noise is not None})))
        known = f"Levels: {levels}." if levels else "These models have no noise level in their names."
        raise InputError(f"No model removes noise of level {noise}. {known}")
    clean = [model for model in models if model.noise is None] or fitting
    denoising = [model for model in fitting if model.scale == 1]
    upscaling = [model for model in fitting if model.scale > 1]
    is_larger = factor is None or factor > 1
    if upscaling and (is_larger or not denoising):
        first = best(upscaling)
        rest = 1 if factor is None else factor / first.scale
        return [first, *(_upscaling(clean, rest) if rest > 1 else [])]
    return [best(denoising), *(_upscaling(clean, factor) if is_larger else [])]


def removes(models: list[Candidate], noise: int) -> bool:
    """Whether there is a model for that level of noise."""
    return any(model.noise == noise or (model.jpeg and model.scale > 1) for model in models)


def recommended_noise(models: list[Candidate]) -> int | None:
    """Returns the level of noise to remove if an image is noisy and nothing says how much; None if no model can."""
    return next((level for level in LEVELS if removes(models, level)), None)


def routes(models: list[Candidate]) -> dict:
    """Returns what `passes` chooses as plain data for JSON.

    Returns:
        `{"scale": 2, "jpeg_below": 93, "noise": 1, "clean": [{"up_to": 2, "models": ["wdsr-a-8-x2"]}, ...], "jpeg":
        [...], "denoise": [...]}`: the default scale, the JPEG quality below which the routes of "jpeg" are used, the
        noise level to recommend (None if there is none), and the names of the models to run for clean images, noisy
        JPEGs, and that level; for a factor, the first entry whose "up_to" isn't smaller.
    """
    scales = {model.scale for model in models if model.scale > 1}
    if any(_is_bundled(model) for model in models):
        scales |= {scale for table in _measured_routes().values() for scale in table}
    scales = sorted(scales)
    noise = recommended_noise(models)
    depth = int(math.log(MAX_FACTOR, scales[0])) + 1 if scales else 0
    products = {
        math.prod(some) for n in range(depth + 1) for some in itertools.combinations_with_replacement(scales, n)
    }
    bounds = sorted({bound for bound in products if bound < MAX_FACTOR} | {MAX_FACTOR})
    return {
        "scale": best(_plain(models)).scale,
        "jpeg_below": CLEAN_QUALITY,
        "noise": noise,
        "clean": _table(models, bounds),
        "jpeg": _table(models, [SHRUNK, *bounds], jpeg=True),
        "denoise": [] if noise is None else _table(models, bounds, noise=noise),
    }


def best(models: list[Candidate]) -> Candidate:
    """The model with the highest PSNR; of equals, the last by name."""
    return max(models, key=lambda model: (model.psnr, model.name, str(model.source), model.scale))


def _table(models, bounds, **kind):
    table = []
    for bound in bounds:
        names = [model.name for model in passes(models, bound, **kind)]
        if table and table[-1]["models"] == names:
            table.pop()
        table.append({"up_to": bound, "models": names})
    return table


def _plain(models):
    """Those that leave noise as it is, or all if there are none."""
    return [model for model in models if model.noise is None and not model.jpeg] or models


def _upscaling(models, factor):
    models = _plain(models)
    if factor is None:
        return [_the_default(models)]
    if factor <= 1:
        return []
    if route := _measured(models, "clean", factor):
        return route
    upscaling = [model for model in models if model.scale > 1]
    if not upscaling:
        raise InputError(f"{best(models).name} doesn't upscale, but the scale is {factor:g}.")
    times = {model: math.ceil(round(math.log(factor, model.scale), 9)) for model in upscaling}
    least = min((times[model], model.scale) for model in upscaling)
    chosen = best([model for model in upscaling if (times[model], model.scale) == least])
    return [chosen] * times[chosen]


def _measured(models, kind, factor):
    """The route measured to be the best, or None if a model is missing; past the largest scale, another one follows."""
    bundled = {model.name: model for model in models if _is_bundled(model)}
    table = _measured_routes().get(kind, {}) if bundled else {}
    names = next((names for scale, names in table.items() if factor <= scale), None)
    if table and names is None:
        names = table[max(table)]
    if not names or not bundled.keys() >= set(names):
        return None
    route = [bundled[name] for name in names]
    rest = factor / math.prod(model.scale for model in route)
    return [*route, *(_upscaling(models, rest) if rest > 1 else [])]


def _is_bundled(model):
    return isinstance(model.source, Path) and model.source.parent == weights.FOLDER


@functools.cache
def _measured_routes():
    """{"clean" or "jpeg": {scale: names of models}}, the smallest scale first; empty while they are being measured."""
    if not weights.ROUTES.is_file():
        return {}
    table = json.loads(weights.ROUTES.read_text(encoding="utf-8"))["routes"]
    return {
        kind: {scale: rows[0]["models"] for scale, rows in sorted((int(scale), rows) for scale, rows in scales.items())}
        for kind, scales in table.items()
    }


def _the_default(models):
    scales = sorted({model.scale for model in models})
    if len(scales) > 1 and len({model.source for model in models}) == 1:
        listed = ", ".join(map(str, scales))
        raise InputError(f"{models[0].source} can be used for the scales {listed}; pass scale, such as {scales[0]}.")
    return best(models)


def _in_folder(folder):
    found = [file for file in sorted(folder.rglob("*.keras")) if not file.name.startswith(".")]
    if not found:
        raise InputError(
            f"{folder} has no checkpoints (.keras). Train a model, for instance with 'python train.py --profile "
            "wdsr-a-8', or pass a weights file."
        )
    models, broken = [], []
    for file in found:
        try:
            models.extend(_in_file(file))
        except InputError as error:
            broken.append(error)
    if not models:
        raise broken[0]
    return models


def _in_file(path):
    if path.suffix.lower() == ".keras":
        recipe = checkpoint.read_config(path)
        return [Candidate(path, recipe["scale"], *_qualities(path.stem, recipe.get("facts", {})))]
    if path.suffix.lower() == ".onnx" and (description := describe(path)):
        return [Candidate(path, description.scale, *_qualities(path.stem, description.facts))]
    from wdsr_tf.importers.load import scales_of

    return [Candidate(path, scale, *_qualities(path.stem, {}), is_published=True) for scale in scales_of(path)]


def _qualities(name, facts):
    """(noise, psnr, jpeg) of a model; importers keep the file's name, which has the noise level, as its source."""
    noise = re.search(r"noise(\d)", name) or re.search(r"noise(\d)", str(facts.get("source", "")))
    return int(noise[1]) if noise else None, _psnr(name, facts), "jpeg" in facts


def _psnr(name, facts):
    if named := re.search(r"-psnr-(\d+\.\d+)", name):
        return float(named[1])
    try:
        return float(next(iter(facts["figures"].values()))["psnr"])
    except (KeyError, StopIteration, AttributeError, TypeError, ValueError):  # none, or not ours
        return float("-inf")
