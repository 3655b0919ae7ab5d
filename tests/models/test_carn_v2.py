import keras
import numpy as np
import pytest

from tests.helpers.networks import assert_equals_golden, golden_model, nhwc
from wdsr_tf.errors import InputError
from wdsr_tf.importers import carn_v2
from wdsr_tf.importers.tensors import Tensors
from wdsr_tf.models import create_model
from wdsr_tf.models.carn_v2 import spatial_channel_gate

V1 = {"activation": "selu", "fusion_size": 1, "scse": False, "global_skip": False}
SMALL = {"num_filters": 8}


@pytest.mark.parametrize(
    "how, count",
    [
        ({}, 2_149_607),
        ({"fusion_size": 1}, 969_959),
        ({"fusion_groups": 2}, 1_486_055),
        ({"fusion_groups": 4}, 1_154_279),
    ],
)
def test_parameter_counts_equal_the_published_ones(how, count):
    # The published counts include every module of the code, as the intended pairing runs it. The reference pairing
    # never runs two gates and one unit in each of its three blocks.
    never_run = 3 * (2 * (9 * 64 * 64 + 64) + 2 * (64 * 4 + 4 + 4 * 64 + 64 + 64))
    assert never_run == 225_432
    assert create_model("carn-v2", 2, pairing="intended", **how).count_params() == count
    assert create_model("carn-v2", 4, pairing="reference", **how).count_params() == count - never_run


def test_v1_has_the_parameter_count_of_carn():
    assert create_model("carn-v2", 2, **V1).count_params() == 964_163


@pytest.mark.parametrize("scale", [2, 4])
def test_reference_pairing_equals_the_reference_output(golden, scale):
    arrays, _ = golden(f"carn_v2_c32_x{scale}")
    model = golden_model(arrays, carn_v2.official, "carn-v2", scale, num_filters=32)
    assert_equals_golden(model(255 * nhwc(arrays["input"])) / 255, nhwc(arrays["output"]))


def test_v1_equals_the_reference_output(golden):
    arrays, _ = golden("carn_seedv1_c16_x2")
    model = golden_model(arrays, carn_v2.official, "carn-v2", 2, num_filters=16, **V1)
    assert_equals_golden(model(255 * nhwc(arrays["input"])) / 255, nhwc(arrays["output"]))


def test_scse_equals_the_reference_output(golden):
    arrays, _ = golden("scse_c32")
    x = keras.Input((None, None, 32))
    model = keras.Model(x, spatial_channel_gate(x, name="scse"))
    tensors = Tensors({key[2:]: array for key, array in arrays.items() if key.startswith("w/")})
    for name, weights in carn_v2.scse(tensors, "", "scse").items():
        model.get_layer(name).set_weights(weights)
    assert_equals_golden(model(nhwc(arrays["input"])), nhwc(arrays["output"]))


def test_published_weights_also_fit_the_intended_pairing(golden):
    arrays, _ = golden("carn_v2_c32_x2")
    model = golden_model(arrays, carn_v2.official, "carn-v2", 2, num_filters=32, pairing="intended")
    assert np.array_equal(
        model.get_layer("body_2_scse_2_squeeze").kernel, arrays["w/blocks.2.blocks.5.channel_excite.0.weight"].T
    )


def test_intended_pairing_gates_every_unit():
    gates = [layer for layer in create_model("carn-v2", 2, pairing="intended", **SMALL).layers if "_mean" in layer.name]
    assert len(gates) == 9


def test_residual_add_adds_the_upscaled_input():
    model = create_model("carn-v2", 2, residual_add=True, **SMALL)
    model.get_layer("tail").set_weights([np.zeros((3, 3, 8, 3)), np.zeros(3)])
    lr = np.array([[0.0, 100.0, 200.0]]).reshape(1, 1, 3, 1) * np.ones(3)
    # Bilinear with half-pixel centers and repeated edges: PyTorch's align_corners=False.
    np.testing.assert_allclose(model(lr)[0, 0, :, 0], [0, 25, 75, 125, 175, 200], atol=1e-4)


def test_different_upsampling_convolutions_are_refused(golden):
    arrays, _ = golden("carn_v2_c32_x4")
    arrays["w/upsampler.m.1.0.bias"] = arrays["w/upsampler.m.1.0.bias"] + 1
    with pytest.raises(InputError, match="upsampling convolutions differ"):
        golden_model(arrays, carn_v2.official, "carn-v2", 4, num_filters=32)


def test_the_mean_over_a_large_image_is_finite_in_half_precision(policy):
    policy("mixed_float16")
    x = keras.Input((None, None, 8))
    gate = keras.Model(x, spatial_channel_gate(x, name="scse"))
    assert np.isfinite(gate(np.full((1, 200, 200, 8), 100.0, "float16"))).all()  # the sum is far above 65504


@pytest.mark.parametrize("how", [{"pairing": "refrence"}, {"activation": "relu"}, {"fusion_groups": 3}])
def test_invalid_hyperparameters_are_refused(how):
    with pytest.raises(InputError):
        create_model("carn-v2", 2, **how)


def test_the_last_layer_computes_in_float32(policy):
    policy("mixed_float16")
    assert create_model("carn-v2", 2, **SMALL).get_layer("tail").compute_dtype == "float32"
