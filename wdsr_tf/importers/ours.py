"""The layout of this house: `layer/weight`, such as `head/kernel`, with the recipe beside the weights.

`__recipe__` is JSON in bytes: architecture, scale, hyperparameters and facts, as checkpoints have them. Kernels are
(height, width, in, out), channels before a pixel shuffle (row, column, colour).
"""

import json

import numpy as np

from wdsr_tf.importers.project import MisfitError, Project, Recipe

RECIPE = "__recipe__"


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
        found = Recipe(str(recipe["architecture"]), (int(recipe["scale"]),), dict(recipe["hyperparameters"]))
        dict(recipe.get("facts", {}))
        sizes = [int(found.hyperparameters.get(name, 1)) for name in ("num_filters", "num_res_blocks")]
    except (ValueError, KeyError, TypeError, RecursionError) as error:  # whatever the broken bytes led to
        raise MisfitError(f"its {RECIPE} is damaged ({error})") from error
    if min(sizes) < 1:
        raise MisfitError(f"its {RECIPE} has {sizes[0]} filters in {sizes[1]} blocks")
    yield found


PROJECTS = [Project("wdsr_tf", named, _recipes)]
