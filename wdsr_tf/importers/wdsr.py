"""WDSR's published layouts: the authors' two releases. Keras's are in krasserm.py."""

from wdsr_tf.importers.project import Project, Recipe, ratio


def official(tensors, model):
    """JiahuiYu/wdsr_ntire2018: `head.0`, `body.{i}.body.{0,2[,3]}`, `tail.0`, `skip.0`, weight-normalized."""
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


def _official_recipes(published):
    if not published.has("head.0.weight_v", "body.0.body.0.weight_v"):
        return
    b = published.has("body.0.body.3.weight_v")
    how = _block(published, "head.0", "body.{}.body", 0, 1 if b else 3)
    scale = published.enlarges("tail.0.weight_v", 3)
    yield Recipe("wdsr-b" if b else "wdsr-a", (scale,), how | {"variant": "official"})


def _reloaded_recipes(published):
    if not published.has("body.0.weight_v", "body.1.body.0.weight_v"):
        return
    how = _block(published, "body.0", "body.{}.body", 1, 3)
    yield Recipe("wdsr-a", (published.enlarges("skip.0.weight_v", 3),), how | {"variant": "reloaded"})


def _block(published, head, body, first, size):
    """The hyperparameters of blocks `body.format(first)` ..., whose first kernel is `size` wide."""
    filters = published.filters(f"{head}.weight_v", 3, 3)
    expand = f"{body}.0.weight_v"
    wide = published.filters(expand.format(first), filters, size)
    blocks = published.count(expand, (wide, filters, size, size), start=first)
    expansion = ratio(expand.format(first), wide, filters)
    return {"num_filters": filters, "num_res_blocks": blocks, "res_expansion": expansion, "weight_norm": True}


PROJECTS = [
    Project("JiahuiYu/wdsr_ntire2018", official, _official_recipes),
    Project("ychfan/wdsr", reloaded, _reloaded_recipes),
]
