"""Recognizes which project's weights a file holds, and which model they belong to."""

import dataclasses
from typing import Any

import numpy as np

from wdsr_tf.errors import InputError, suggestion
from wdsr_tf.importers import (
    carn,
    carn_v2,
    dcscn,
    drrn,
    edsr,
    espcn,
    krasserm,
    msrn,
    ours,
    srcnn,
    waifu2x,
    wdsr,
)
from wdsr_tf.importers.project import Candidate, Contents, MismatchError, check_hyperparameters

MODULES = (ours, wdsr, edsr, carn, carn_v2, krasserm, dcscn, espcn, msrn, drrn, srcnn, waifu2x)
PROJECTS = [project for module in MODULES for project in module.PROJECTS]
# What torch.nn.utils.parametrizations.weight_norm saves, under the names of torch.nn.utils.weight_norm.
PARAMETRIZATIONS = {
    ".parametrizations.weight.original0": ".weight_g",
    ".parametrizations.weight.original1": ".weight_v",
}


def recognize(arrays: dict[str, np.ndarray]) -> list[Candidate]:
    """Returns every model that the names and shapes of `arrays` fit; raises InputError if there is none."""
    contents = Contents(renamed(arrays))
    candidates, mismatches = [], []
    for project in ours.PROJECTS if contents.has(ours.RECIPE) else PROJECTS:
        try:
            candidates += list(project.candidates(contents))
        except MismatchError as reason:
            mismatches.append(f"it has names of {project.name}, but {reason}")
    if not candidates:
        raise InputError("\n  ".join(["the weights don't fit any supported project", *mismatches, *_facts(contents)]))
    return candidates


def _facts(contents):
    names = [f"{name} {shape}" for name, shape in contents.shapes.items()]
    some = ", ".join(names[:6]) + (f" ... {names[-1]}" if len(names) > 6 else "")
    return [
        f"the {len(names)} arrays of the file: {some}",
        f"supported projects: {', '.join(dict.fromkeys(project.name for project in PROJECTS))}",
    ]


def renamed(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the arrays without DataParallel's prefix `module.`, and with `PARAMETRIZATIONS` renamed."""
    prefix = "module." if all(name.startswith("module.") for name in arrays) else ""
    result = {}
    for original, array in arrays.items():
        name = original.removeprefix(prefix)
        for newer, older in PARAMETRIZATIONS.items():
            name = name.removesuffix(newer) + older if name.endswith(newer) else name
        if name in result:
            raise InputError(f"the file has {name} and {original}, two names of the same array")
        result[name] = array
    return result


def choose(
    candidates: list[Candidate],
    model: str = "auto",
    scale: int | None = None,
    hyperparameters: dict[str, Any] | None = None,
) -> Candidate:
    """Returns the one candidate that agrees with the arguments, with a scale.

    Args:
        candidates: What `recognize` returned.
        model: The name of the model, or "auto".
        scale: The scale, or None for the only one.
        hyperparameters: Values that narrow the choice; they override those that were recognized if none agrees.

    Raises:
        InputError: No candidate agrees, several do, or a scale has to be chosen. The message lists the options.
    """
    given = dict(hyperparameters or {})
    left = _with_scale(_with_name(candidates, model), scale)
    agreeing = [c for c in left if all(c.hyperparameters.get(name, value) == value for name, value in given.items())]
    left = agreeing or left
    if len(left) > 1:
        options = "".join(f"\n  {_difference(c, left)}   for {c}" for c in left)
        raise InputError(f"the weights fit more than one model; choose one by setting{options}")
    (chosen,) = left
    combined = chosen.hyperparameters | given
    try:
        check_hyperparameters(combined)
    except MismatchError as reason:
        raise InputError(f"a hyperparameter is out of range: {reason}") from reason
    note = "" if any(f"{name}=" in chosen.note for name in given) else chosen.note
    chosen = dataclasses.replace(chosen, hyperparameters=combined, note=note)
    if scale is None and chosen.scale is None and not chosen.all_in_one:
        raise InputError(f"the weights are for {chosen}; {_scales_to_choose(chosen)}")
    return dataclasses.replace(chosen, chosen_scale=scale or chosen.scale or chosen.scales[0])


def _with_name(candidates, model):
    left = [c for c in candidates if model in ("auto", c.name)]
    if not left:
        hint = suggestion(model, sorted({c.name for c in candidates}))
        fitting = " or ".join(str(c) for c in candidates)
        raise InputError(f"the weights don't fit model {model!r}. {hint}They are for {fitting}")
    return left


def _with_scale(candidates, scale):
    left = [c for c in candidates if scale is None or scale in c.scales]
    if not left:
        scales = sorted({scale for c in candidates for scale in c.scales})
        raise InputError(f"the weights don't fit scale {scale}; they are for {candidates[0]}. Use {_any_of(scales)}")
    return left


def _scales_to_choose(candidate):
    options = [f"{name}={str(value).lower()}" for name, value in (candidate.all_scales or {}).items()]
    hint = f", or set {' '.join(options)} to keep all scales in one checkpoint" if options else ""
    return f"choose {_any_of(candidate.scales)}{hint}" + (f"; {candidate.note}" if candidate.note else "")


def _any_of(scales):
    return " or ".join(f"scale {scale}" for scale in scales)


def _difference(candidate, others):
    """Returns the option, such as `colors=bt601`, that only this candidate agrees with."""
    if sum(other.name == candidate.name for other in others) == 1:
        return f"model={candidate.name}"
    for name, value in candidate.hyperparameters.items():
        if sum(other.hyperparameters.get(name) == value for other in others) == 1:
            return f"{name}={value}"
    return f"scale={candidate.scales[0]}"
