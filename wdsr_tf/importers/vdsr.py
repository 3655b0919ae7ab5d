"""VDSR's published layouts: `conv{1..20}` of caffe-vdsr, and the authors' MATLAB struct, `weight1`, `bias1`, ..."""

import numpy as np

from wdsr_tf.importers.project import Candidate, Project

SCALES = (2, 3, 4)


def caffe(tensors, model):
    """`conv{i}.weight` and `.bias` in PyTorch's layout."""
    return {f"conv_{i}": tensors.conv(f"conv{i}") for i in range(1, model.hyperparameters["num_layers"] + 1)}


def matlab(tensors, model):
    """`weight{i}` (height, width, in, out) and `bias{i}`; MATLAB drops the last axis where it is 1."""
    weights = {}
    for i in range(1, model.hyperparameters["num_layers"] + 1):
        kernel, bias = tensors.take(f"weight{i}"), np.ravel(tensors.take(f"bias{i}"))
        weights[f"conv_{i}"] = [np.reshape(kernel, (3, 3, -1, bias.size)), bias]
    return weights


def _detect_caffe(contents):
    if not contents.has("conv1.weight", "conv2.weight") or contents.shape("conv1.weight")[1:] != (1, 3, 3):
        return
    filters = contents.shape("conv1.weight")[0]
    layers = sum(name.endswith(".weight") for name in contents.shapes)
    kernels = [(filters, filters, 3, 3)] * (layers - 2) + [(1, filters, 3, 3)]
    # VGG7's names are alike, but its widths grow.
    if [contents.shapes.get(f"conv{i}.weight") for i in range(2, layers + 1)] == kernels:
        yield Candidate("vdsr", SCALES, {"num_filters": filters, "num_layers": layers})


def _detect_matlab(contents):
    if not contents.has("weight1", "weight2", "bias1"):
        return
    filters = int(np.prod(contents.shapes["bias1"]))
    layers = sum(name.startswith("weight") for name in contents.shapes)
    yield Candidate("vdsr", SCALES, {"num_filters": filters, "num_layers": layers})


PROJECTS = [
    Project("huangzehao/caffe-vdsr", caffe, _detect_caffe),
    Project("huangzehao/caffe-vdsr (MATLAB)", matlab, _detect_matlab),
]
