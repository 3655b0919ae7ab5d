"""EDSR's published layouts."""

from wdsr_tf.importers.project import Project, Recipe
from wdsr_tf.importers.tensors import mean_shift, stages


def official(tensors, model):
    """sanghyun-son/EDSR-PyTorch: `head.0`, `body.{i}.body.{0,2}`, `body.{B}`, `tail.0.{0[,2]}`, `tail.1`."""
    tensors.frozen(mean_shift(255))
    blocks = model.hyperparameters["num_res_blocks"]
    weights = {
        "head": tensors.conv("head.0"),
        "body_out": tensors.conv(f"body.{blocks}"),
        "tail": tensors.conv("tail.1"),
    }
    for i in range(blocks):
        weights[f"body_{i}_conv_1"] = tensors.conv(f"body.{i}.body.0")
        weights[f"body_{i}_conv_2"] = tensors.conv(f"body.{i}.body.2")
    for i, factor in enumerate(stages(model.scale)):
        weights[f"upsampler_x{factor}_{i + 1}"] = tensors.conv(f"tail.0.{2 * i}", shuffle=factor)
    return weights


def _recipes(published):
    if not published.has("head.0.weight", "body.0.body.0.weight", "tail.0.0.weight"):
        return
    filters = published.filters("head.0.weight", 3, 3)
    how = {"num_filters": filters, "variant": "official"}
    how["num_res_blocks"] = published.count("body.{}.body.0.weight", (filters, filters, 3, 3))
    how |= residual_scaling(filters)
    scale = published.upsampling("tail.0.{}.weight", filters)
    yield Recipe("edsr", (scale,), how, note=scaling_note(how))


def residual_scaling(filters):
    """The hyperparameter as published: 0.1 for 256 filters, which cannot be trained without, else none."""
    return {"res_scaling": 0.1} if filters == 256 else {}


def scaling_note(how):
    """What files do not say, and what was taken for it."""
    taken, other = (0.1, "none") if "res_scaling" in how else ("none", 0.1)
    return f"files do not hold the residual scaling: taken is {taken}, as published; else --set res_scaling={other}"


PROJECTS = [Project("sanghyun-son/EDSR-PyTorch", official, _recipes)]
