"""EDSR: sanghyun-son/EDSR-PyTorch."""

from wdsr_tf.importers import mean_shift
from wdsr_tf.importers.project import Candidate, Project
from wdsr_tf.importers.tensors import stages


def official(tensors, model):
    """sanghyun-son/EDSR-PyTorch: `head.0`, `body.{i}.body.{0,2}`, `body.{B}`, `tail.0.{0[,2]}`, `tail.1`."""
    blocks = model.hyperparameters["num_res_blocks"]
    weights = tensors.mean_shift(model, tensors.conv("head.0"), tensors.conv("tail.1"), 255)
    weights["body_out"] = tensors.conv(f"body.{blocks}")
    for i in range(blocks):
        weights[f"body_{i}_conv_1"] = tensors.conv(f"body.{i}.body.0")
        weights[f"body_{i}_conv_2"] = tensors.conv(f"body.{i}.body.2")
    for i, factor in enumerate(stages(model.scale)):
        weights[f"upsampler_x{factor}_{i + 1}"] = tensors.conv(f"tail.0.{2 * i}", shuffle=factor)
    return weights


def _detect(contents):
    if not contents.has("head.0.weight", "body.0.body.0.weight", "tail.0.0.weight"):
        return
    filters = contents.filters("head.0.weight", 3, 3)
    options = {"num_filters": filters, "variant": "official"}
    options["num_res_blocks"] = contents.count("body.{}.body.0.weight", (filters, filters, 3, 3))
    options |= residual_scaling(filters) | mean_shift.hyperparameters(contents, 255)
    scale = contents.upsampling("tail.0.{}.weight", filters)
    yield Candidate("edsr", (scale,), options, note=scaling_note(options))


def residual_scaling(filters):
    """Returns the published hyperparameter: 0.1 for 256 filters, which can't be trained without it; none for fewer."""
    return {"res_scaling": 0.1} if filters == 256 else {}


def scaling_note(options):
    """Says what the file doesn't record, and what is assumed."""
    value = options.get("res_scaling", "none")
    return f"the file doesn't record the residual scaling; assumed is res_scaling={value}, as published"


PROJECTS = [Project("sanghyun-son/EDSR-PyTorch", official, _detect)]
