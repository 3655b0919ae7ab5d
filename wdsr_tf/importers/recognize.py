"""Recognizes which project's weights a file holds, and which model they belong to."""

import dataclasses
from typing import Any

import numpy as np

from wdsr_tf.errors import InputError, suggestion
from wdsr_tf.importers import (
    carn,
    carn_v2,
    dcscn,
    discriminators,
    drrn,
    edsr,
    espcn,
    esrgan,
    imdn,
    isr,
    krasserm,
    msrn,
    ours,
    rcan,
    span,
    srcnn,
    srvgg,
    unsupported,
    vdsr,
    waifu2x,
    wdsr,
)
from wdsr_tf.importers.project import Candidate, Contents, MismatchError, check_hyperparameters

MODULES = (ours, wdsr, edsr, carn, carn_v2, krasserm, dcscn, espcn, msrn, drrn, srcnn, waifu2x)
MODULES += (esrgan, srvgg, span, imdn, rcan, vdsr, isr)
PROJECTS = [project for module in MODULES for project in module.PROJECTS]
# What wrappers put in front of every name: DataParallel, torch.compile, Lightning, and trainers of GANs.
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "net_g.", "generator.")
COUNTER = "n_averaged"  # of torch.optim.swa_utils.AveragedModel, beside the weights
# What torch.nn.utils.parametrizations.weight_norm saves, under the names of torch.nn.utils.weight_norm.
PARAMETRIZATIONS = {
    ".parametrizations.weight.original0": ".weight_g",
    ".parametrizations.weight.original1": ".weight_v",
}


def recognize(arrays: dict[str, np.ndarray], facts: dict[str, Any] | None = None) -> list[Candidate]:
    """Returns every model that fits a file.

    Args:
        arrays: The arrays by their published names; only names and shapes matter.
        facts: What the file says beside them: `WeightsFile.facts`.

    Raises:
        InputError: No model fits.
    """
    contents = Contents(renamed(arrays), facts)
    candidates, mismatches = [], []
    for project in ours.PROJECTS if ours.is_ours(contents.arrays, contents.facts) else PROJECTS:
        try:
            candidates += [ours.described(candidate, contents) for candidate in project.candidates(contents)]
        except MismatchError as reason:
            mismatches.append(f"it has names of {project.name}, but {reason}")
    if not candidates:
        if known := discriminators.named(contents.shapes) or unsupported.named(contents.shapes):
            raise InputError(known)
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
    """Returns the arrays under the names that PyTorch's modules have.

    That is without the `PREFIXES` that all of them share and without `COUNTER`, with `PARAMETRIZATIONS` renamed, and
    without what an export to ONNX adds: `/upsampler/upsampler.0/Conv.weight` is `upsampler.0.weight`.
    """
    prefix, counter = _wrapping(arrays)
    arrays = {name: array for name, array in arrays.items() if name != counter}
    is_exported = all(name.startswith("/") for name in arrays)
    result = {}
    for original, array in arrays.items():
        name = _module_name(original) if is_exported else original.removeprefix(prefix)
        for newer, older in PARAMETRIZATIONS.items():
            name = name.removesuffix(newer) + older if name.endswith(newer) else name
        if name in result:
            raise InputError(f"the file has {name} and {original}, two names of the same array")
        result[name] = array
    return result


def _wrapping(names):
    """Returns the prefix that wrappers gave to all names, and the name of their counter, or None."""
    prefix, counter = "", None
    while True:
        if prefix + COUNTER in names:
            counter = prefix + COUNTER
        inner = [name.removeprefix(prefix) for name in names if name != counter]
        more = next((p for p in PREFIXES if inner and all(name.startswith(p) for name in inner)), None)
        # `model.0.weight` is ESRGAN's own name: the prefix of a number isn't a wrapper's.
        if more is None or any(name.removeprefix(more)[:1].isdecimal() for name in inner):
            return prefix, counter
        prefix += more


def _module_name(exported):
    layer, _, part = exported.rpartition(".")
    *modules, _ = layer.strip("/").split("/")  # the last one is the operator
    inner = [name for name, after in zip(modules, [*modules[1:], ""], strict=True) if not after.startswith(f"{name}.")]
    return ".".join([*inner, part])


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
        hyperparameters: Values that narrow the choice; they override those that were recognized if none agrees. A file
            of several scales becomes a model that keeps them all, unless they say otherwise.

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
    everything = chosen.hyperparameters | (chosen.all_scales or {}) | given  # the model keeps what the file has
    return dataclasses.replace(
        chosen, hyperparameters=everything, chosen_scale=scale or chosen.scale or chosen.scales[0]
    )


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
