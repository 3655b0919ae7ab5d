"""The layout of this house: `layer/weight`, such as `head/kernel`, with the recipe beside the weights.

`__recipe__` is JSON in bytes: architecture, scale, hyperparameters and facts, as checkpoints have them. Kernels are
(height, width, in, out), channels before a pixel shuffle (row, column, color).
"""

import json

import numpy as np

from wdsr_tf.importers.project import MisfitError, Project, Recipe, demand_sound

RECIPE = "__recipe__"
MOST_NESTED = 8  # lists and dictionaries of the facts in one another


def named(tensors, model):
    """`layer/weight`, for each weight of each layer."""
    tensors.drop(RECIPE)
    return {layer.name: [tensors.take(name) for name in weight_names(layer)] for layer in model.layers if layer.weights}


def arrays(model):
    """The weights of `model` under our names, and its recipe."""
    recipe = json.dumps(model.get_config()).encode()
    result = {RECIPE: np.frombuffer(recipe, "uint8")}
    for layer in model.layers:
        result |= dict(zip(weight_names(layer), layer.get_weights(), strict=True))
    return result


def facts(arrays):
    """The facts that came with a network of ours; none of a file of another house."""
    return dict(_recipe(arrays).get("facts", {})) if RECIPE in arrays else {}


def _recipe(arrays):
    return json.loads(np.asarray(arrays[RECIPE]).astype("uint8").tobytes())


def weight_names(layer):
    """`layer/weight` for each weight of a layer; equal ones are numbered, as `upsampler/kernel_2`."""
    names, seen = [], {}
    kinds = [weight.name for weight in layer.weights]
    for kind in kinds:
        seen[kind] = seen.get(kind, 0) + 1
        names.append(f"{layer.name}/{kind}" + (f"_{seen[kind]}" if kinds.count(kind) > 1 else ""))
    return names


def _recipes(published):
    if not published.has(RECIPE):
        return
    try:
        recipe = _recipe(published.arrays)
        name, scale, how = (recipe[key] for key in ("architecture", "scale", "hyperparameters"))
        facts = recipe.get("facts", {})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:  # what broken bytes led to
        raise MisfitError(f"its {RECIPE} is damaged ({error})") from error
    kinds = [(name, str), (scale, int), (how, dict), (facts, dict)]
    if any(type(value) is not kind for value, kind in kinds) or not _is_shallow(facts, MOST_NESTED):
        raise MisfitError(f"its {RECIPE} is damaged: it is no recipe of a checkpoint")
    demand_sound(how | {"architecture": name, "scale": scale})
    yield Recipe(name, (scale,), how)


def _is_shallow(value, most):
    """Whether lists and dictionaries are nested no deeper than `most`: Keras walks through them when it saves."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return most >= 0 and all(_is_shallow(each, most - 1) for each in inner)


PROJECTS = [Project("wdsr_tf", named, _recipes)]
