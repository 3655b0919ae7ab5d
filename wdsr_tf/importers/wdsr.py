"""WDSR: the authors' two releases. krasserm/wdsr, for Keras, is in krasserm.py."""

from wdsr_tf.importers.project import Candidate, Project, ratio


def official(tensors, model):
    """JiahuiYu/wdsr_ntire2018: `head.0`, `body.{i}.body.{0,2[,3]}`, `tail.0`, `skip.0`; weight-normalized."""
    scale = model.scale
    weights = {
        "head": tensors.weight_norm_conv("head.0"),
        f"tail_x{scale}": tensors.weight_norm_conv("tail.0", shuffle=scale),
        f"skip_x{scale}": tensors.weight_norm_conv("skip.0", shuffle=scale),
    }
    parts = _parts(model)
    for i in range(model.hyperparameters["num_res_blocks"]):
        for part, k in zip(parts, (0, 2, 3), strict=False):
            weights[f"body_{i}_{part}"] = tensors.weight_norm_conv(f"body.{i}.body.{k}")
    return weights


def reloaded(tensors, model):
    """ychfan/wdsr: `body.0` is the head, `body.{1..B}.body.{0,2}` the blocks, `body.{B+1}` the tail, `skip.0`."""
    scale = model.scale
    blocks = model.hyperparameters["num_res_blocks"]
    weights = {
        "head": tensors.weight_norm_conv("body.0"),
        f"tail_x{scale}": tensors.weight_norm_conv(f"body.{blocks + 1}", shuffle=scale),
        f"skip_x{scale}": tensors.weight_norm_conv("skip.0", shuffle=scale),
    }
    for i in range(blocks):
        weights[f"body_{i}_expand"] = tensors.weight_norm_conv(f"body.{i + 1}.body.0")
        weights[f"body_{i}_project"] = tensors.weight_norm_conv(f"body.{i + 1}.body.2")
    return weights


def _parts(model):
    return ("expand", "project") if model.architecture == "wdsr-a" else ("expand", "low_rank", "project")


def _detect_official(contents):
    if not contents.has("head.0.weight_v", "body.0.body.0.weight_v"):
        return
    b = contents.has("body.0.body.3.weight_v")
    options = _block(contents, "head.0", "body.{}.body", 0, 1 if b else 3)
    scale = contents.shuffle_factor("tail.0.weight_v", 3)
    yield Candidate("wdsr-b" if b else "wdsr-a", (scale,), options | {"variant": "official"})


def _detect_reloaded(contents):
    if not contents.has("body.0.weight_v", "body.1.body.0.weight_v"):
        return
    options = _block(contents, "body.0", "body.{}.body", 1, 3)
    yield Candidate("wdsr-a", (contents.shuffle_factor("skip.0.weight_v", 3),), options | {"variant": "reloaded"})


def _block(contents, head, body, first, size):
    """Returns the hyperparameters of the blocks `body.format(first)`, ..., whose first kernel is `size` wide."""
    filters = contents.filters(f"{head}.weight_v", 3, 3)
    expand = f"{body}.0.weight_v"
    wide = contents.filters(expand.format(first), filters, size)
    blocks = contents.count(expand, (wide, filters, size, size), start=first)
    expansion = ratio(expand.format(first), wide, filters)
    return {"num_filters": filters, "num_res_blocks": blocks, "res_expansion": expansion, "weight_norm": True}


PROJECTS = [
    Project("JiahuiYu/wdsr_ntire2018", official, _detect_official),
    Project("ychfan/wdsr", reloaded, _detect_reloaded),
]
