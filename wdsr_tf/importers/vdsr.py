"""VDSR's published layouts: `conv{1..20}` of caffe-vdsr, and the authors' MATLAB struct, `weight1`, `bias1`, ..."""

import numpy as np

from wdsr_tf.importers.project import Project, Recipe

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


def _caffe_recipes(published):
    if not published.has("conv1.weight", "conv2.weight") or published.shape("conv1.weight")[1:] != (1, 3, 3):
        return
    filters = published.shape("conv1.weight")[0]
    layers = sum(name.endswith(".weight") for name in published.shapes)
    kernels = [(filters, filters, 3, 3)] * (layers - 2) + [(1, filters, 3, 3)]
    # VGG7's names are alike, but its widths grow.
    if [published.shapes.get(f"conv{i}.weight") for i in range(2, layers + 1)] == kernels:
        yield Recipe("vdsr", SCALES, {"num_filters": filters, "num_layers": layers})


def _matlab_recipes(published):
    if not published.has("weight1", "weight2", "bias1"):
        return
    filters = int(np.prod(published.shapes["bias1"]))
    layers = sum(name.startswith("weight") for name in published.shapes)
    yield Recipe("vdsr", SCALES, {"num_filters": filters, "num_layers": layers})


PROJECTS = [
    Project("huangzehao/caffe-vdsr", caffe, _caffe_recipes),
    Project("huangzehao/caffe-vdsr (MATLAB)", matlab, _matlab_recipes),
]
