"""CARN's published layouts."""

from wdsr_tf.errors import InputError
from wdsr_tf.importers.project import MisfitError, Project, Recipe, ratio
from wdsr_tf.importers.tensors import mean_shift, stages

SCALES = (2, 3, 4)


def official(tensors, model):
    """nmhkahn/CARN-pytorch: `entry`, `b{1..3}.b{1..3}`, `b{1..3}.c{1..3}`, `c{1..3}`, `upsample.up[{2,3,4}]`, `exit`.

    A multi-scale file also fits a network for one scale, which takes that scale's upsampler. It leaves the others, once
    they are found to be whole.
    """
    tensors.frozen(mean_shift(1, module=".shifter"))
    weights = {"head": tensors.conv("entry"), "tail": tensors.conv("exit"), "upsampler": _upsamplers(tensors, model)}
    mobile = model.architecture == "carn-m"
    for i in range(3):
        weights[f"body_fuse_{i}"] = tensors.conv(f"c{i + 1}.body.0")
        units = ["unit"] if mobile else ["unit_0", "unit_1", "unit_2"]
        for j, unit in enumerate(units):
            for k in range(3 if mobile else 2):
                weights[f"body_{i}_{unit}_conv_{k + 1}"] = tensors.conv(f"b{i + 1}.b{j + 1}.body.{2 * k}")
        for j in range(3):
            weights[f"body_{i}_fuse_{j}"] = tensors.conv(f"b{i + 1}.c{j + 1}.body.0")
    return weights


def _upsamplers(tensors, model):
    wanted = SCALES if model.hyperparameters["multi_scale"] else [model.scale]
    multi_scale = model.hyperparameters["multi_scale"] or not tensors.has("upsample.up.body.0.weight")
    weights = []
    for scale in SCALES:
        name = f"upsample.up{scale if multi_scale else ''}"
        left = scale not in wanted and multi_scale and tensors.has_any(f"{name}.")
        for i, factor in enumerate(stages(scale)):
            if scale in wanted:
                # CARN-M's grouped channels stay as they are: its pixel shuffle takes PyTorch's order.
                weights += tensors.conv(f"{name}.body.{3 * i}", shuffle=factor if model.architecture == "carn" else 1)
            elif left:
                _leave(tensors, f"{name}.body.{3 * i}", model.hyperparameters, factor)
    return weights


def _leave(tensors, name, how, factor):
    filters = how["num_filters"] * factor**2
    for part, shape in (("weight", (filters, how["num_filters"] // how.get("groups", 1), 3, 3)), ("bias", (filters,))):
        given = tensors.take(f"{name}.{part}").shape
        if given != shape:
            raise InputError(f"{name}.{part}, of a scale that is not taken, is {given}, should be {shape}")


def _recipes(published):
    if not published.has("entry.weight", "b1.b1.body.0.weight", "c1.body.0.weight"):
        return
    filters = published.filters("entry.weight", 3, 3)
    mobile = published.has("b1.b1.body.4.weight")
    name = "carn-m" if mobile else "carn"
    how = {"num_filters": filters, "multi_scale": False}
    if mobile:
        how["groups"] = ratio("entry.weight", filters, published.shape("b1.b1.body.0.weight")[1])
    published.expect("b1.b1.body.0.weight", filters, filters // how.get("groups", 1), 3, 3)
    if published.has("upsample.up.body.0.weight"):
        yield Recipe(name, (published.upsampling("upsample.up.body.{}.weight", filters, 3),), how)
        return
    held = tuple(scale for scale in SCALES if published.has(f"upsample.up{scale}.body.0.weight"))
    if not held:
        raise MisfitError("upsample.up2.body.0.weight is missing")
    yield Recipe(name, held, how, several={"multi_scale": True} if held == SCALES else None)


PROJECTS = [Project("nmhkahn/CARN-pytorch", official, _recipes)]
