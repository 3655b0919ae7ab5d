"""ESPCN: yu45020/Waifu2x and yjn870/ESPCN-pytorch."""

from wdsr_tf.importers.project import Candidate, Project


def yu45020(tensors, model):
    """yu45020/Waifu2x's ESPCN-7: `conv.{0..5}.0`, with selection units `conv.{0..5}.2.0`, `up_sampler.0`."""
    weights = {f"tail_x{model.scale}": tensors.conv("up_sampler.0", shuffle=model.scale)}
    for i in range(6):
        weights[f"body_{i}"] = tensors.conv(f"conv.{i}.0")
        if model.hyperparameters["selection_unit"]:
            weights[f"body_{i}_select"] = tensors.conv(f"conv.{i}.2.0")
    return weights


def pytorch(tensors, model):
    """yjn870/ESPCN-pytorch, the paper's model: `first_part.{0,2}`, `last_part.0`."""
    return {
        "head": tensors.conv("first_part.0"),
        "body": tensors.conv("first_part.2"),
        f"tail_x{model.scale}": tensors.conv("last_part.0", shuffle=model.scale),
    }


def _detect_yu45020(contents):
    if not contents.has("conv.0.0.weight", "conv.5.0.weight", "up_sampler.0.weight"):
        return
    filters = contents.filters("conv.0.0.weight", 3, 3)
    contents.expect("conv.5.0.weight", 4 * filters, 4 * filters, 3, 3)
    unit = "replace" if contents.has("conv.0.2.0.weight") else None
    scale = contents.shuffle_factor("up_sampler.0.weight", 3)
    yield Candidate("espcn-7", (scale,), {"num_filters": filters, "selection_unit": unit})


def _detect_pytorch(contents):
    if not contents.has("first_part.0.weight", "first_part.2.weight", "last_part.0.weight"):
        return
    filters = contents.filters("first_part.0.weight", 1, 5)
    contents.expect("first_part.2.weight", filters // 2, filters, 3, 3)
    yield Candidate("espcn", (contents.shuffle_factor("last_part.0.weight", 1),), {"num_filters": filters})


PROJECTS = [
    Project("yu45020/Waifu2x (ESPCN_7)", yu45020, _detect_yu45020),
    Project("yjn870/ESPCN-pytorch", pytorch, _detect_pytorch),
]
