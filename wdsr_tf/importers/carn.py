"""CARN: nmhkahn/CARN-pytorch."""

from wdsr_tf.errors import InputError
from wdsr_tf.importers import mean_shift
from wdsr_tf.importers.project import Candidate, MismatchError, Project, ratio
from wdsr_tf.importers.tensors import stages

SCALES = (2, 3, 4)


def official(tensors, model):
    """nmhkahn/CARN-pytorch: `entry`, `b{1..3}.b{1..3}`, `b{1..3}.c{1..3}`, `c{1..3}`, `upsample.up[{2,3,4}]`, `exit`.

    A multi-scale file also fits a model for one scale, which takes that scale's upsampler; the others are only checked.
    """
    weights = tensors.mean_shift(model, tensors.conv("entry"), tensors.conv("exit"), 1, module=".shifter")
    weights["upsampler"] = _upsamplers(tensors, model)
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
        unused = scale not in wanted and multi_scale and tensors.has_any(f"{name}.")
        for i, factor in enumerate(stages(scale)):
            if scale in wanted:
                # CARN-M's grouped channels keep PyTorch's order, which its pixel shuffle uses.
                weights += tensors.conv(f"{name}.body.{3 * i}", shuffle=factor if model.architecture == "carn" else 1)
            elif unused:
                _check(tensors, f"{name}.body.{3 * i}", model.hyperparameters, factor)
    return weights


def _check(tensors, name, options, factor):
    inputs = options["num_filters"]
    filters = inputs * factor**2
    for part, shape in (("weight", (filters, inputs // options.get("groups", 1), 3, 3)), ("bias", (filters,))):
        given = tensors.take(f"{name}.{part}").shape
        if given != shape:
            raise InputError(f"{name}.{part}, of another scale, has shape {given}; expected {shape}")


def _detect(contents):
    if not contents.has("entry.weight", "b1.b1.body.0.weight", "c1.body.0.weight"):
        return
    filters = contents.filters("entry.weight", 3, 3)
    mobile = contents.has("b1.b1.body.4.weight")
    name = "carn-m" if mobile else "carn"
    options = {"num_filters": filters, "multi_scale": False}
    options |= mean_shift.hyperparameters(contents, 1, module=".shifter")
    if mobile:
        options["groups"] = ratio("entry.weight", filters, contents.shape("b1.b1.body.0.weight")[1])
    contents.expect("b1.b1.body.0.weight", filters, filters // options.get("groups", 1), 3, 3)
    if contents.has("upsample.up.body.0.weight"):
        yield Candidate(name, (contents.upsampling("upsample.up.body.{}.weight", filters, 3),), options)
        return
    held = tuple(scale for scale in SCALES if contents.has(f"upsample.up{scale}.body.0.weight"))
    if not held:
        raise MismatchError("upsample.up2.body.0.weight is missing")
    yield Candidate(name, held, options, all_scales={"multi_scale": True} if held == SCALES else None)


PROJECTS = [Project("nmhkahn/CARN-pytorch", official, _detect)]
