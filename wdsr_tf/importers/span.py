"""SPAN's published layout, in its training form (three branches) and fused."""

import numpy as np

from wdsr_tf.importers.project import Candidate, MismatchError, Project

BLOCKS = 6
THEIRS = {"head": "conv_1", "body_out": "conv_2"} | {
    f"body_{b}_conv_{c}": f"block_{b}.c{c}_r" for b in range(1, BLOCKS + 1) for c in (1, 2, 3)
}
NORMALIZATIONS = {  # of models/span.py, for RGB in 0..1
    "div2k": ((0.4488, 0.4371, 0.4040), 255),
    "imagenet": ((0.485, 0.456, 0.406), 1),
    "none": ((0.0, 0.0, 0.0), 1),
}
BRANCHES = ("sk", "conv.0", "conv.1", "conv.2")


def official(tensors, model):
    """`conv_1`, `block_{1..6}.c{1,2,3}_r`, `conv_2`, `conv_cat`, `upsampler.0`.

    Where branches are there, `eval_conv` is ignored: training code leaves a stale one in its checkpoints.
    """
    tensors.drop("no_norm")
    weights = {"fusion": tensors.conv("conv_cat"), f"tail_x{model.scale}": tensors.conv("upsampler.0", model.scale)}
    for ours, theirs in THEIRS.items():
        if not tensors.has(f"{theirs}.sk.weight"):
            weights[ours] = tensors.conv(f"{theirs}.eval_conv")
            continue
        tensors.drop(f"{theirs}.eval_conv.weight", f"{theirs}.eval_conv.bias")
        branches = [tensors.conv(f"{theirs}.{part}") for part in BRANCHES]
        if model.hyperparameters["branches"]:
            weights[ours] = [array for pair in branches for array in pair]
        else:
            weights[ours] = fused(*branches)
    return weights


def fused(skip, expand, spread, project):
    """[kernel, bias] of the 3x3 convolution that equals the four branches, each [kernel, bias] in Keras's layout."""
    (skip_kernel, skip_bias), (w0, b0), (w1, b1), (w2, b2) = (
        [np.asarray(array, "float64") for array in pair] for pair in (skip, expand, spread, project)
    )
    kernel = w0[0, 0] @ w1 @ w2[0, 0]
    kernel[1, 1] += skip_kernel[0, 0]
    bias = (b0 @ w1.sum(axis=(0, 1)) + b1) @ w2[0, 0] + b2 + skip_bias
    return [kernel.astype("float32"), bias.astype("float32")]


def _detect(contents):
    if not contents.has("conv_cat.weight", "upsampler.0.weight"):
        return
    part = "sk" if contents.has("block_1.c1_r.sk.weight") else "eval_conv"
    if not contents.has(f"block_1.c1_r.{part}.weight"):
        return
    filters = contents.shape(f"block_1.c1_r.{part}.weight")[0]
    contents.expect("conv_cat.weight", filters, 4 * filters, 1, 1)
    scale = contents.shuffle_factor("upsampler.0.weight", 3)
    how = {"num_filters": filters, "branches": False}
    how["normalization"] = _normalization(contents)
    yield Candidate("span", (scale,), how, note="" if "factor" in contents.facts else NOTE)


def _normalization(contents):
    """The value of the hyperparameter, from the file's graph if it has one."""
    if "factor" not in contents.facts:
        return "none" if contents.has("no_norm") else "div2k"
    mean, factor = (contents.facts[key] for key in ("mean", "factor"))
    for name, (known_mean, known_factor) in NORMALIZATIONS.items():
        if np.allclose(mean, known_mean, atol=1e-4) and np.isclose(factor, known_factor):
            return name
    raise MismatchError(f"its graph subtracts {mean} and multiplies by {factor}, which isn't supported")


NOTE = "files don't record the normalization; assumed is that of the paper, --set normalization=imagenet is the other"
PROJECTS = [Project("hongyuanyu/SPAN", official, _detect)]
