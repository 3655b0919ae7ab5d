import functools

import h5py
import keras
import numpy as np
import pytest

from tests.helpers.networks import assert_equals_golden, golden_model, nhwc
from wdsr_tf.errors import InputError
from wdsr_tf.importers import krasserm, wdsr
from wdsr_tf.importers.tensors import assign
from wdsr_tf.models import create_model

PLAIN_COUNTS = [  # network, blocks, expansion, parameters at x2, x3 and x4
    ("wdsr-a", 8, 4, (596_380, 601_855, 609_520)),
    ("wdsr-a", 16, 4, (1_187_484, 1_192_959, 1_200_624)),
    ("wdsr-a", 32, 4, (2_369_692, 2_375_167, 2_382_832)),
    ("wdsr-a", 8, 6, (891_804, 897_279, 904_944)),
    ("wdsr-a", 16, 6, (1_778_332, 1_783_807, 1_791_472)),
    ("wdsr-a", 32, 6, (3_551_388, 3_556_863, 3_564_528)),
    ("wdsr-b", 8, 6, (152_420, 157_895, 165_560)),
    ("wdsr-b", 16, 6, (299_564, 305_039, 312_704)),
    ("wdsr-b", 32, 6, (593_852, 599_327, 606_992)),
]
WEIGHT_NORM_COUNTS = [
    ("wdsr-a", 8, 4, (597_716, 603_221, 610_928)),
    ("wdsr-a", 16, 4, (1_190_100, 1_195_605, 1_203_312)),
    ("wdsr-a", 32, 4, (2_374_868, 2_380_373, 2_388_080)),
    ("wdsr-a", 32, 6, (3_558_612, 3_564_117, 3_571_824)),
    ("wdsr-b", 8, 6, (154_468, 159_973, 167_680)),
    ("wdsr-b", 16, 6, (303_604, 309_109, 316_816)),
    ("wdsr-b", 32, 6, (601_876, 607_381, 615_088)),
]


def legacy(file):
    """Keras 2's first layout: LAYER/LAYER/{g,kernel,bias}:0, in the order of the attribute layer_names."""
    wrapped = [file[name][name] for name in file.attrs["layer_names"] if name in file and name in file[name]]
    return {f"{group.name}/{part}": group[f"{part}:0"][()] for group in wrapped for part in ("g", "kernel", "bias")}


def layered(file):
    """Keras 2's last layout: layers/LAYER/vars/{0: g, 1: kernel} and layers/LAYER/layer/vars/0, the bias."""
    names = [name for name in file["layers"] if name.startswith("weight_normalization")]
    arrays = {}
    for name in sorted(names, key=lambda name: int(name.removeprefix("weight_normalization").strip("_") or 0)):
        group = file["layers"][name]
        for part, key in (("g", "vars/0"), ("kernel", "vars/1"), ("bias", "layer/vars/0")):
            arrays[f"{name}/{part}"] = group[key][()]
    return arrays


COUNTS = [(*row, False) for row in PLAIN_COUNTS] + [(*row, True) for row in WEIGHT_NORM_COUNTS]


@pytest.mark.parametrize("name, blocks, expansion, counts, weight_norm", COUNTS)
def test_parameter_counts_equal_the_published_ones(name, blocks, expansion, counts, weight_norm):
    how = {"num_res_blocks": blocks, "res_expansion": expansion, "weight_norm": weight_norm}
    assert create_model(name, 2, **how).count_params() == counts[0]
    assert [count - counts[0] for count in counts[1:]] == more_than_at_x2(name, weight_norm)


@functools.cache
def more_than_at_x2(name, weight_norm):
    """The additional parameters of tail and skip at x3 and x4, from one block: deep networks take long to build."""
    of_scale = [create_model(name, n, num_res_blocks=1, weight_norm=weight_norm).count_params() for n in (2, 3, 4)]
    return [count - of_scale[0] for count in of_scale[1:]]


def test_the_large_reloaded_model_has_the_published_parameter_count():
    large = {"num_res_blocks": 32, "num_filters": 128, "weight_norm": True, "variant": "reloaded"}
    assert create_model("wdsr-a", 2, **large).count_params() == 37_808_180


@pytest.mark.parametrize(
    "file, name, scale, more",
    [
        ("wdsr_a_b2_x2", "wdsr-a", 2, {}),
        ("wdsr_a_b2_x3", "wdsr-a", 3, {}),
        ("wdsr_a_b2_x4", "wdsr-a", 4, {}),
        ("wdsr_a_b3_x2_rs0.5", "wdsr-a", 2, {"num_res_blocks": 3, "res_scaling": 0.5}),
        ("wdsr_b_b2_x2", "wdsr-b", 2, {}),
        ("wdsr_b_b2_x3", "wdsr-b", 3, {}),
        ("wdsr_b_b2_x4", "wdsr-b", 4, {}),
    ],
)
def test_the_official_variant_equals_the_reference_output(golden, file, name, scale, more):
    arrays, _ = golden(file)
    how = {"num_res_blocks": 2, "weight_norm": True, "variant": "official"} | more
    model = golden_model(arrays, wdsr.official, name, scale, **how)
    assert_equals_golden(model(nhwc(arrays["input"])), nhwc(arrays["output"]))


@pytest.mark.parametrize("scale", [2, 3])
def test_the_reloaded_variant_equals_the_reference_output(golden, scale):
    arrays, _ = golden(f"wdsr_reloaded_b2_x{scale}")
    model = golden_model(arrays, wdsr.reloaded, "wdsr-a", scale, num_res_blocks=2, weight_norm=True, variant="reloaded")
    assert_equals_golden(model(255 * nhwc(arrays["input"])) / 255, nhwc(arrays["output"]))


@pytest.mark.parametrize(
    "file, name, scale, expansion",
    [
        ("krasserm_wdsr_a_b2_x2", "wdsr-a", 2, 4),
        ("krasserm_wdsr_a_b2_x4_e6", "wdsr-a", 4, 6),
        ("krasserm_wdsr_b_b2_x2", "wdsr-b", 2, 6),
        ("krasserm_wdsr_b_b2_x3", "wdsr-b", 3, 6),
    ],
)
def test_the_krasserm_variant_equals_the_reference_outputs_of_training_and_inference(
    golden, file, name, scale, expansion
):
    arrays, _ = golden(file)
    model = golden_model(arrays, krasserm.in_order, name, scale, num_res_blocks=2, res_expansion=expansion)
    assert_equals_golden(model(arrays["input"]), arrays["output"])
    assert_equals_golden(model(arrays["input"], training=True), arrays["output_training"])


@pytest.mark.parametrize("file, read", [("tfa_wdsr_b_b2_x2.h5", legacy), ("tfa_wdsr_b_b2_x2.weights.h5", layered)])
def test_weights_from_tensorflow_addons_reproduce_its_output(reference, file, read):
    # Its mean is 127.5 and ours is DIV2K's, so we shift the image by the difference.
    model = create_model("wdsr-b", 2, num_res_blocks=2, weight_norm=True, variant="official")
    with h5py.File(reference / "golden" / file) as weights:
        tensors = read(weights)
    assign(model, tensors, krasserm.in_order)
    with np.load(reference / "golden" / "tfa_wdsr_b_b2_x2_io.npz") as io:
        shift = 255 * np.array([0.4488, 0.4371, 0.4040]) - 127.5
        assert_equals_golden(model(io["x"] + shift) - shift, io["y"])


def test_reloaded_gains_are_initialized_as_published():
    model = create_model("wdsr-a", 2, num_res_blocks=4, weight_norm=True, variant="reloaded")
    gains = [float(model.get_layer(n).g[0]) for n in ("head", "body_0_expand", "body_0_project", "tail_x2", "skip_x2")]
    assert gains == [1.0, 2.0, 0.5, 1.0, 1.0]


def test_the_reloaded_variant_is_initialized_alike_with_and_without_weight_norm():
    kernels = []
    for weight_norm in (True, False):
        keras.utils.set_random_seed(0)
        model = create_model("wdsr-a", 2, num_res_blocks=2, variant="reloaded", weight_norm=weight_norm)
        layers = [layer for layer in model.layers if layer.weights]
        kernels.append([keras.ops.convert_to_numpy(layer.kernel) for layer in layers])
    for normalized, plain in zip(*kernels, strict=True):
        np.testing.assert_allclose(plain, normalized, rtol=1e-5)  # float32, rounded in a different order


@pytest.mark.parametrize(
    "name, how", [("wdsr-a", {"variant": "kraserm"}), ("wdsr-b", {"variant": "reloaded"}), ("wdsr-b", {"blocks": 3})]
)
def test_invalid_hyperparameters_are_refused(name, how):
    with pytest.raises(InputError):
        create_model(name, 2, **how)
