"""The layout of wdsr_tf itself: `layer/weight`, such as `head/kernel`, and the recipe of the model.

The recipe is architecture, scale, hyperparameters and facts, as in a checkpoint: metadata in safetensors files,
whatever their layout, and JSON in the bytes of `__recipe__` in others. Kernels are (height, width, in, out); channels
before a pixel shuffle are (row, column, color).
"""

import dataclasses
import json
from typing import Any

import numpy as np

from wdsr_tf import __version__
from wdsr_tf.importers.project import Candidate, MismatchError, Project, check_hyperparameters

RECIPE = "__recipe__"
MAX_DEPTH = 8  # of nested lists and dictionaries in the facts


def layout(tensors, model):
    """Maps `layer/weight` to each weight of each layer."""
    tensors.drop(RECIPE)
    return {layer.name: [tensors.take(name) for name in weight_names(layer)] for layer in model.layers if layer.weights}


def arrays(model) -> dict[str, np.ndarray]:
    """Returns the weights of `model` under our names."""
    result = {}
    for layer in model.layers:
        result |= dict(zip(weight_names(layer), layer.get_weights(), strict=True))
    return result


def recipe_array(model) -> dict[str, np.ndarray]:
    """Returns the recipe of `model` as an array, for files without metadata."""
    return {RECIPE: np.frombuffer(json.dumps(model.get_config()).encode(), "uint8")}


def metadata(model, layout: str) -> dict[str, str]:
    """Returns the recipe of `model` as metadata of a file with that layout, "ours" or "pytorch"."""
    recipe = model.get_config()
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in recipe.items()}
    framework = {"format": "pt"} if layout == "pytorch" else {}
    return {"wdsr_tf": __version__, "layout": layout} | framework | texts


def facts(arrays: dict[str, np.ndarray], beside: dict[str, Any]) -> dict[str, Any]:
    """Returns the facts in a file of ours; {} for any other file. `beside` is `WeightsFile.facts`."""
    return dict(_read(arrays, beside).get("facts", {}))


def is_ours(arrays: dict[str, np.ndarray], beside: dict[str, Any]) -> bool:
    """Whether a file has our layout."""
    return RECIPE in arrays or beside.get("metadata", {}).get("layout") == "ours"


def described(candidate: Candidate, contents) -> Candidate:
    """Returns the candidate with the hyperparameters and the scale that a file of ours records beside its weights."""
    recipe = _recipe(contents)
    if recipe.get("architecture") != candidate.name or recipe["scale"] not in candidate.scales:
        return candidate
    found = recipe["hyperparameters"]
    return dataclasses.replace(candidate, hyperparameters=found, chosen_scale=recipe["scale"], note="")


def _read(arrays, beside):
    """The recipe as the file has it, unchecked; {} if there is none."""
    if RECIPE in arrays:
        return json.loads(np.asarray(arrays[RECIPE]).astype("uint8").tobytes())
    texts = beside.get("metadata", {})
    parts = {name: json.loads(texts[name]) for name in ("scale", "hyperparameters", "facts") if name in texts}
    return {"architecture": texts["architecture"], **parts} if texts else {}


def _recipe(contents):
    """The recipe, {} if there is none. Raises MismatchError if it isn't a recipe."""
    try:
        recipe = _read(contents.arrays, contents.facts)
        if recipe == {}:
            return {}
        name, scale, hyperparameters = (recipe[key] for key in ("architecture", "scale", "hyperparameters"))
        facts = recipe.get("facts", {})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:  # whatever broken bytes led to
        raise MismatchError(f"its recipe is damaged ({error})") from error
    types = [(name, str), (scale, int), (hyperparameters, dict), (facts, dict)]
    if any(type(value) is not kind for value, kind in types) or not _is_shallow(facts, MAX_DEPTH):
        raise MismatchError("its recipe is damaged: it isn't a checkpoint's")
    check_hyperparameters({"architecture": name, "scale": scale})
    check_hyperparameters(hyperparameters)
    return recipe


def weight_names(layer) -> list[str]:
    """Returns `layer/weight` for each weight of a layer; equal names are numbered, as in `upsampler/kernel_2`."""
    names, seen = [], {}
    kinds = [weight.name for weight in layer.weights]
    for kind in kinds:
        seen[kind] = seen.get(kind, 0) + 1
        names.append(f"{layer.name}/{kind}" + (f"_{seen[kind]}" if kinds.count(kind) > 1 else ""))
    return names


def _detect(contents):
    if is_ours(contents.arrays, contents.facts) and (recipe := _recipe(contents)):
        yield Candidate(recipe["architecture"], (recipe["scale"],), recipe["hyperparameters"])


def _is_shallow(value, depth):
    """Whether lists and dictionaries are nested at most `depth` deep: Keras walks through them recursively."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth >= 0 and all(_is_shallow(each, depth - 1) for each in inner)


PROJECTS = [Project("wdsr_tf", layout, _detect)]
