"""ESPCN's published layouts."""


def seed(tensors, model):
    """Seed 001's ESPCN-7: `conv.{0..5}.0`, with selection units `conv.{0..5}.2.0`, `up_sampler.0`."""
    weights = {f"tail_x{model.scale}": tensors.conv("up_sampler.0", shuffle=model.scale)}
    for i in range(6):
        weights[f"body_{i}"] = tensors.conv(f"conv.{i}.0")
        if model.hyperparameters["selection_unit"]:
            weights[f"body_{i}_select"] = tensors.conv(f"conv.{i}.2.0")
    return weights


def port(tensors, model):
    """yjn870/ESPCN-pytorch, the paper's network: `first_part.{0,2}`, `last_part.0`."""
    return {
        "head": tensors.conv("first_part.0"),
        "body": tensors.conv("first_part.2"),
        f"tail_x{model.scale}": tensors.conv("last_part.0", shuffle=model.scale),
    }
