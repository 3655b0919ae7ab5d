"""IMDN's published layout."""

from wdsr_tf.importers.project import Candidate, Project


def official(tensors, model):
    """Zheng222/IMDN: `fea_conv`, `IMDB{1..6}.c{1..5}`, `IMDB{i}.cca.conv_du.{0,2}`, `c.0`, `LR_conv`, `upsampler.0`."""
    weights = {
        "head": tensors.conv("fea_conv"),
        "fusion": tensors.conv("c.0"),
        "body_out": tensors.conv("LR_conv"),
        f"tail_x{model.scale}": tensors.conv("upsampler.0", shuffle=model.scale),
    }
    for i in range(model.hyperparameters["num_res_blocks"]):
        theirs = f"IMDB{i + 1}"
        weights |= {f"body_{i}_conv_{c}": tensors.conv(f"{theirs}.c{c}") for c in (1, 2, 3, 4)}
        weights[f"body_{i}_project"] = tensors.conv(f"{theirs}.c5")
        weights[f"body_{i}_squeeze"] = tensors.dense(f"{theirs}.cca.conv_du.0")
        weights[f"body_{i}_excite"] = tensors.dense(f"{theirs}.cca.conv_du.2")
    return weights


def _detect(contents):
    if not contents.has("fea_conv.weight", "IMDB1.c1.weight", "upsampler.0.weight"):
        return
    filters = contents.filters("fea_conv.weight", 3, 3)
    blocks = contents.count("IMDB{}.c1.weight", (filters, filters, 3, 3), start=1)
    scale = contents.shuffle_factor("upsampler.0.weight", 3)
    yield Candidate("imdn", (scale,), {"num_filters": filters, "num_res_blocks": blocks})


PROJECTS = [Project("Zheng222/IMDN", official, _detect)]
