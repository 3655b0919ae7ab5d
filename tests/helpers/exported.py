"""Networks to export: small ones of every kind, with weights that are not the initial ones."""

import numpy as np
from keras import layers

from wdsr_tf.models import get_architecture

SMALLER = {  # beside what `small` does
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
    ("msrn", 2, {"variant": "seed", "last_relu": True}),
    ("srcnn", 2, {"padding": "same", "colors": "full-range", "pre_upscaling": "bilinear", "body_size": 5}),
    ("upconv7", 2, {"luma": True}),
    ("vgg7", 2, {"luma": True, "pad": "zeros"}),
]


def small(name):
    """Hyperparameters of a small network of that name."""
    known = get_architecture(name).hyperparameters
    usual = {"num_filters": 8, "num_res_blocks": 1}
    return {key: value for key, value in usual.items() if key in known} | SMALLER.get(name, {})


def alive(model, seed=0):
    """Weights that are not the initial ones: no bias is zero, no slope, gain or statistic the neutral one."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        moved = [w + 0.02 * random.standard_normal(w.shape).astype("float32") for w in layer.get_weights()]
        if isinstance(layer, layers.BatchNormalization):
            moved[3] = np.abs(moved[3])
        layer.set_weights(moved)
    return model
