"""MSRN: MIVRC/MSRN-PyTorch and harish-vnkt/multiscale-residual-network-pytorch."""

from wdsr_tf.importers import mean_shift
from wdsr_tf.importers.project import Candidate, Project
from wdsr_tf.importers.tensors import stages


def official(tensors, model):
    """MIVRC/MSRN-PyTorch: `head.0`, `body.{i}.conv_{3,5}_{1,2}`, `body.{i}.confusion`, `tail.{0,1}`, `tail.2.{0[,2]}`,
    `tail.3`.
    """
    weights = tensors.mean_shift(model, tensors.conv("head.0"), tensors.conv("tail.3"), 255)
    weights |= {"fusion": tensors.conv("tail.0"), "body_out": tensors.conv("tail.1")}
    for i in range(model.hyperparameters["num_res_blocks"]):
        for size, step in ((3, 1), (5, 1), (3, 2), (5, 2)):
            weights[f"body_{i}_conv{size}_{step}"] = tensors.conv(f"body.{i}.conv_{size}_{step}")
        weights[f"body_{i}_project"] = tensors.conv(f"body.{i}.confusion")
    for i, factor in enumerate(stages(model.scale)):
        weights[f"upsampler_x{factor}_{i + 1}"] = tensors.conv(f"tail.2.{2 * i}", shuffle=factor)
    return weights


def harish_vnkt(tensors, model):
    """harish-vnkt: `conv`, `residual_blocks.{i}`, `feature_fusion`, `reconstruction_layer.conv{1,2}`, in BGR."""
    head, tail = tensors.conv("conv.conv"), tensors.conv("reconstruction_layer.conv2.conv")
    weights = tensors.mean_shift(model, head, tail, 255, bgr=True)
    weights["fusion"] = tensors.conv("feature_fusion.conv")
    weights[f"upsampler_x{model.scale}"] = tensors.conv("reconstruction_layer.conv1.conv", shuffle=model.scale)
    for i in range(model.hyperparameters["num_res_blocks"]):
        for size, step in ((5, 1), (3, 1), (5, 2), (3, 2)):
            weights[f"body_{i}_conv{size}_{step}"] = tensors.conv(f"residual_blocks.{i}.conv{size}_{step}.conv")
        weights[f"body_{i}_project"] = tensors.conv(f"residual_blocks.{i}.bottleneck.conv")
    return weights


def _detect_official(contents):
    if not contents.has("head.0.weight", "body.0.conv_3_1.weight", "tail.2.0.weight"):
        return
    filters = contents.filters("head.0.weight", 3, 3)
    blocks = contents.count("body.{}.conv_5_2.weight", (2 * filters, 2 * filters, 5, 5))
    scale = contents.upsampling("tail.2.{}.weight", filters)
    options = {"num_filters": filters, "num_res_blocks": blocks, "variant": "official"}
    yield Candidate("msrn", (scale,), options | mean_shift.hyperparameters(contents, 255))


def _detect_harish_vnkt(contents):
    if not contents.has("conv.conv.weight", "residual_blocks.0.conv5_1.conv.weight"):
        return
    filters = contents.filters("conv.conv.weight", 3, 3)
    blocks = contents.count("residual_blocks.{}.conv5_2.conv.weight", (2 * filters, 2 * filters, 5, 5))
    scale = contents.shuffle_factor("reconstruction_layer.conv1.conv.weight", filters)
    options = {"num_filters": filters, "num_res_blocks": blocks, "variant": "harish-vnkt", "last_relu": True}
    options |= mean_shift.hyperparameters(contents, 255, bgr=True)
    yield Candidate("msrn", (scale,), options)


PROJECTS = [
    Project("MIVRC/MSRN-PyTorch", official, _detect_official),
    Project("harish-vnkt/multiscale-residual-network-pytorch", harish_vnkt, _detect_harish_vnkt),
]
