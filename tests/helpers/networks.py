"""Compares networks with reference outputs."""

import keras
import numpy as np

from wdsr_tf.importers.tensors import assign
from wdsr_tf.models import create_model

TOLERANCE = 2e-5  # of the output's maximum: ten times the difference of two independent float32 implementations
COMPACT_DCSCN = {
    "num_filters": 32,
    "min_filters": 8,
    "num_layers": 7,
    "gamma": 1.2,
    "nin_filters": 24,
    "nin_filters_2": 8,
    "upsampler_filters": 1,
}


def golden_model(arrays, layout, name, scale, **hyperparameters):
    """Returns the network `name` with the weights `w/...` of a reference file, imported by the function `layout`."""
    model = create_model(name, scale, **hyperparameters)
    tensors = {key[2:]: array for key, array in arrays.items() if key.startswith("w/")}
    assign(model, tensors, layout)
    return model


def luma_core(model, *names):
    """Returns a luma network without its color conversions: from the outputs of the layers `names` to luma."""
    inputs = [model.get_layer(name).output for name in names]
    return keras.Model(inputs if len(names) > 1 else inputs[0], model.get_layer("sr").input[1])


def nhwc(array):
    """Transposes a reference array of a PyTorch project, which is NCHW."""
    return array.transpose(0, 2, 3, 1)


def assert_equals_golden(actual, expected):
    """Asserts that the difference is at most TOLERANCE times the output's maximum."""
    difference = np.abs(np.asarray(actual) - expected).max()
    assert difference <= TOLERANCE * np.abs(expected).max(), f"differs by {difference / np.abs(expected).max():.1e}"
