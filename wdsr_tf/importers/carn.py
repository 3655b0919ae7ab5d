"""CARN's published layouts."""

from wdsr_tf.models.carn import STAGES


def official(tensors, model):
    """nmhkahn/CARN-pytorch: `entry`, `b{1..3}.b{1..3}`, `b{1..3}.c{1..3}`, `c{1..3}`, `upsample.up[{2,3,4}]`, `exit`.

    A multi-scale file also fits a network for one scale, which takes that scale's upsampler and leaves the others.
    """
    tensors.drop(*(f"{mean}.shifter.{part}" for mean in ("sub_mean", "add_mean") for part in ("weight", "bias")))
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
    wanted = STAGES if model.hyperparameters["multi_scale"] else [model.scale]
    multi_scale = not tensors.has("upsample.up.body.0.weight")
    weights = []
    for scale, factors in STAGES.items():
        name = f"upsample.up{scale if multi_scale else ''}"
        for i, factor in enumerate(factors):
            if scale in wanted:
                # CARN-M's grouped channels stay as they are: its pixel shuffle takes PyTorch's order.
                weights += tensors.conv(f"{name}.body.{3 * i}", shuffle=factor if model.architecture == "carn" else 1)
            elif multi_scale:
                tensors.drop(f"{name}.body.{3 * i}.weight", f"{name}.body.{3 * i}.bias")
    return weights
