"""Of which project a weight file is, and which network its weights are for."""

import dataclasses
from collections.abc import Callable

import numpy as np

from wdsr_tf.errors import InputError, suggestion
from wdsr_tf.importers import (
    carn,
    carn_v2,
    dcscn,
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
    vdsr,
    waifu2x,
    wdsr,
)
from wdsr_tf.importers.project import MisfitError, Published, demand_sound

MODULES = (
    ours,
    wdsr,
    edsr,
    carn,
    carn_v2,
    krasserm,
    dcscn,
    espcn,
    msrn,
    drrn,
    srcnn,
    waifu2x,
    esrgan,
    srvgg,
    span,
    imdn,
    rcan,
    vdsr,
    isr,
)
# Weights for each pair of filters, at least. Those that can be weight-normalized are drawn before Keras counts them.
PER_PAIR = {"edsr": 9, "wdsr-a": 9, "wdsr-b": 1}
PROJECTS = [project for module in MODULES for project in module.PROJECTS]


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A network that a file's weights may be for.

    Attributes:
        project: whose layout it is, such as `nmhkahn/CARN-pytorch`.
        layout: the layout's function.
        name: the registry's name of the network.
        scale: None where one file serves several, or where shapes cannot tell.
        hyperparameters: what the builder needs besides its defaults.
        scales: those that the weights serve.
        several: the hyperparameters that hold all `scales` in one network, or None where there is no such network.
        note: what the file does not say, and what was taken for it.
    """

    project: str
    layout: Callable
    name: str
    scale: int | None
    hyperparameters: dict
    scales: tuple
    several: dict | None = None
    note: str = ""

    @property
    def all_in_one(self):
        """Whether it is the one network that holds all `scales`."""
        return self.several is not None and self.hyperparameters | self.several == self.hyperparameters

    def __str__(self):
        """`carn-m x2 (groups=4, num_filters=64) of nmhkahn/CARN-pytorch`."""
        how = ", ".join(f"{name}={value}" for name, value in sorted(self.hyperparameters.items()))
        scales = " or ".join(f"x{scale}" for scale in ([self.scale] if self.scale else self.scales))
        return f"{self.name} {scales}{f' ({how})' if how else ''} of {self.project}"


def recognize(arrays):
    """Every `Candidate` that the names and shapes of `arrays` fit; InputError, with reasons, where none does."""
    published = Published(renamed(arrays))
    candidates, misfits = [], []
    for project in ours.PROJECTS if published.has(ours.RECIPE) else PROJECTS:
        try:
            recipes = [_of_its_size(published, recipe) for recipe in project.recipes(published)]
        except MisfitError as reason:
            misfits.append(f"it has names of {project.name}, but {reason}")
            continue
        for recipe in recipes:
            scale = recipe.scales[0] if len(recipe.scales) == 1 else None
            how = (recipe.name, scale, recipe.hyperparameters, recipe.scales, recipe.several, recipe.note)
            candidates.append(Candidate(project.name, project.layout, *how))
    if not candidates:
        raise InputError(f"these weights are of no known project\n  {_why(published, misfits)}")
    return candidates


def _of_its_size(published, recipe):
    """The recipe, unless its network would be many times as large as the file, as only a forged one is."""
    demand_sound(recipe.hyperparameters)
    names = ("num_filters", "num_res_blocks", "res_expansion")
    filters, blocks, expansion = (recipe.hyperparameters.get(name, 1) for name in names)
    least = filters**2 * expansion * PER_PAIR.get(recipe.name, 0.25)
    if least > sum(np.size(a) for a in published.arrays.values()) or blocks > len(published.arrays):
        raise MisfitError(f"it is too small for {filters} filters in {blocks} blocks")
    return recipe


def renamed(arrays):
    """The same arrays without DataParallel's `module.`, and weight normalization as torch.nn.utils.weight_norm has it.

    torch.nn.utils.parametrizations.weight_norm, its successor, saves g as original0 and v as original1. Two arrays that
    would have one name raise InputError.
    """
    new = {".parametrizations.weight.original0": ".weight_g", ".parametrizations.weight.original1": ".weight_v"}
    prefix = "module." if all(name.startswith("module.") for name in arrays) else ""
    result = {}
    for given, array in arrays.items():
        name = given.removeprefix(prefix)
        for theirs, older in new.items():
            name = name.removesuffix(theirs) + older if name.endswith(theirs) else name
        if name in result:
            raise InputError(f"the file has {name} and {given}, which are two names of one array")
        result[name] = array
    return result


def choose(candidates, model="auto", scale=None, hyperparameters=None):
    """The one candidate that is meant, with a scale; the flags that were given narrow the choice or override.

    InputError where none is left, where two are, or where a scale has to be chosen: it says what to type.
    """
    given = dict(hyperparameters or {})
    left = _narrowed(candidates, model, scale)
    agreeing = [c for c in left if all(c.hyperparameters.get(name, value) == value for name, value in given.items())]
    left = agreeing or left
    if len(left) > 1:
        options = "".join(f"\n  {_difference(c, left)}   for {c}" for c in left)
        raise InputError(f"these weights fit more than one network; add one of{options}")
    chosen = left[0]
    how = chosen.hyperparameters | given
    try:
        demand_sound(how)
    except MisfitError as reason:
        raise InputError(f"--set does not fit: {reason}") from reason
    note = "" if any(f"--set {name}=" in chosen.note for name in given) else chosen.note
    chosen = dataclasses.replace(chosen, hyperparameters=how, note=note)
    if scale is None and chosen.scale is None and not chosen.all_in_one:
        raise InputError(f"these weights are for {chosen}: {_scale_to_add(chosen)}")
    return dataclasses.replace(chosen, scale=scale or chosen.scale or chosen.scales[0])


def _scale_to_add(candidate):
    options = " or ".join(f"--scale {option}" for option in candidate.scales)
    several = [f"--set {name}={str(value).lower()}" for name, value in (candidate.several or {}).items()]
    hint = f"; {' '.join(several)} keeps all in one checkpoint" if several else ""
    return f"add {options}{hint}" + (f"; {candidate.note}" if candidate.note else "")


def _narrowed(candidates, model, scale):
    """The candidates of that network and scale."""
    left = [c for c in candidates if model in ("auto", c.name)]
    if not left:
        names = sorted({c.name for c in candidates})
        fits = " or ".join(str(c) for c in candidates)
        raise InputError(
            f"--model {model} does not fit: {suggestion(model, names)}these weights are for {fits}; leave --model out"
        )
    fitting = [c for c in left if scale is None or scale in c.scales]
    if not fitting:
        scales = sorted({scale for c in left for scale in c.scales})
        options = " or ".join(f"--scale {option}" for option in scales)
        raise InputError(f"--scale {scale} does not fit: these weights are for {left[0]}; {options} would do")
    return fitting


def _difference(candidate, others):
    """The flag that tells a candidate from the others."""
    if sum(other.name == candidate.name for other in others) == 1:
        return f"--model {candidate.name}"
    for name, value in candidate.hyperparameters.items():
        if sum(other.hyperparameters.get(name) == value for other in others) == 1:
            return f"--set {name}={value}"
    return f"--scale {candidate.scales[0]}"


def _why(published, misfits):
    names = [f"{name} {shape}" for name, shape in published.shapes.items()]
    some = ", ".join(names[:6]) + (f" ... {names[-1]}" if len(names) > 6 else "")
    known = ", ".join(dict.fromkeys(project.name for project in PROJECTS))
    return "\n  ".join([*misfits, f"the {len(names)} names of the file: {some}", f"known projects: {known}"])
