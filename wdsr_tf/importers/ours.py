"""The layout of wdsr_tf itself: `layer/weight`, such as `head/kernel`, and the recipe of the model.

`__recipe__` is JSON in bytes: architecture, scale, hyperparameters and facts, as in a checkpoint. Kernels are
(height, width, in, out); channels before a pixel shuffle are (row, column, color).
"""

import json
from typing import Any

import numpy as np

from wdsr_tf.importers.project import Candidate, MismatchError, Project, check_hyperparameters

RECIPE = "__recipe__"
MAX_DEPTH = 8  # of nested lists and dictionaries in the facts


def layout(tensors, model):
    """Maps `layer/weight` to each weight of each layer."""
    tensors.drop(RECIPE)
    return {layer.name: [tensors.take(name) for name in weight_names(layer)] for layer in model.layers if layer.weights}


def arrays(model) -> dict[str, np.ndarray]:
    """Returns the weights of `model` under our names, and its recipe."""
    recipe = json.dumps(model.get_config()).encode()
    result = {RECIPE: np.frombuffer(recipe, "uint8")}
    for layer in model.layers:
        result |= dict(zip(weight_names(layer), layer.get_weights(), strict=True))
    return result


def facts(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Returns the facts in a file of ours; {} for any other file."""
    return dict(_recipe(arrays).get("facts", {})) if RECIPE in arrays else {}


def _recipe(arrays):
    return json.loads(np.asarray(arrays[RECIPE]).astype("uint8").tobytes())


def weight_names(layer) -> list[str]:
    """Returns `layer/weight` for each weight of a layer; equal names are numbered, as in `upsampler/kernel_2`."""
    names, seen = [], {}
    kinds = [weight.name for weight in layer.weights]
    for kind in kinds:
        seen[kind] = seen.get(kind, 0) + 1
        names.append(f"{layer.name}/{kind}" + (f"_{seen[kind]}" if kinds.count(kind) > 1 else ""))
    return names


def _detect(contents):
    if not contents.has(RECIPE):
        return
    try:
        recipe = _recipe(contents.arrays)
        name, scale, hyperparameters = (recipe[key] for key in ("architecture", "scale", "hyperparameters"))
        facts = recipe.get("facts", {})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:  # whatever broken bytes led to
        raise MismatchError(f"its {RECIPE} is damaged ({error})") from error
    types = [(name, str), (scale, int), (hyperparameters, dict), (facts, dict)]
    if any(type(value) is not kind for value, kind in types) or not _is_shallow(facts, MAX_DEPTH):
        raise MismatchError(f"its {RECIPE} is damaged: it isn't a checkpoint's recipe")
    check_hyperparameters({"architecture": name, "scale": scale})
    yield Candidate(name, (scale,), hyperparameters)


def _is_shallow(value, depth):
    """Whether lists and dictionaries are nested at most `depth` deep: Keras walks through them recursively."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth >= 0 and all(_is_shallow(each, depth - 1) for each in inner)


PROJECTS = [Project("wdsr_tf", layout, _detect)]
