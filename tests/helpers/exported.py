"""Small networks of every kind with random weights, for tests of exports and weight files."""

import numpy as np
from keras import layers

from wdsr_tf.models import get_architecture

SMALLER = {  # in addition to what `small` does
    "dcscn": {"num_filters": 12, "min_filters": 4, "num_layers": 3, "nin_filters": 8, "nin_filters_2": 4},
    "dcscn-12": {"num_filters": 12, "min_filters": 4, "num_layers": 3, "nin_filters": 8, "upsampler_filters": 4},
    "drrn": {"num_units": 2},
}
VARIANTS = [
    ("wdsr-a", 2, {"weight_norm": True, "res_scaling": 0.3}),
    ("wdsr-a", 3, {"weight_norm": True, "variant": "official"}),
    ("wdsr-a", 2, {"variant": "reloaded"}),
    ("edsr", 4, {"res_scaling": 0.1, "scale_identity": True, "tanh": True}),
    ("carn", 4, {"multi_scale": True}),
    ("carn-m", 3, {"multi_scale": True, "groups": 2}),
    ("carn-v2", 2, {"activation": "selu", "fusion_groups": 2, "pairing": "intended", "residual_add": True}),
    ("cunet", 1, {"luma": True, "auxiliary": True}),
    ("dcscn", 3, {"upsampler": "transposed", "separable": True}),
    ("dcscn", 2, {"upsampler": "transposed"}),
    ("drrn", 2, {"batch_norm": True}),
    ("drrn", 3, {"inplace": True}),
    ("espcn-7", 2, {"selection_unit": "gate"}),
    ("msrn", 4, {"variant": "paper"}),
    ("msrn", 2, {"variant": "harish-vnkt", "last_relu": True}),
    ("srcnn", 2, {"padding": "same", "colors": "full-range", "pre_upscaling": "bilinear", "body_size": 5}),
    ("upconv7", 2, {"luma": True}),
    ("vgg7", 2, {"luma": True, "pad": "zeros"}),
]


def small(name):
    """Returns hyperparameters of a small network."""
    known = get_architecture(name).hyperparameters
    usual = {"num_filters": 8, "num_res_blocks": 1}
    return {key: value for key, value in usual.items() if key in known} | SMALLER.get(name, {})


def randomized(model, seed=0):
    """Adds noise to all weights, so that no bias is zero and no slope, gain or statistic is neutral."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        weights = [w + 0.02 * random.standard_normal(w.shape).astype("float32") for w in layer.get_weights()]
        if isinstance(layer, layers.BatchNormalization):
            weights[3] = np.abs(weights[3])
        layer.set_weights(weights)
    return model
