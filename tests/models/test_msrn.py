import numpy as np
import pytest

from tests.helpers.networks import assert_equals_golden, golden_model, nhwc
from wdsr_tf.errors import InputError
from wdsr_tf.images import rgb_to_y
from wdsr_tf.importers import msrn
from wdsr_tf.models import create_model

SMALL = {"num_filters": 16, "num_res_blocks": 2}


@pytest.mark.parametrize(
    "variant, scale, count",
    [
        ("official", 2, 5_930_307),
        ("official", 3, 6_114_947),
        ("official", 4, 6_078_019),
        ("official", 8, 6_225_731),
        ("paper", 2, 5_891_073),
        ("harish-vnkt", 2, 5_893_379),
        ("harish-vnkt", 3, 6_078_019),
        ("harish-vnkt", 4, 6_336_515),
    ],
)
def test_parameter_counts_equal_the_published_ones(variant, scale, count):
    assert create_model("msrn", scale, variant=variant).count_params() == count


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_official_variant_equals_the_reference_output(golden, scale):
    arrays, _ = golden(f"msrn_b2f16_x{scale}")
    model = golden_model(arrays, msrn.official, "msrn", scale, **SMALL)
    assert_equals_golden(model(nhwc(arrays["input"])), nhwc(arrays["output"]))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_harish_vnkt_variant_equals_the_reference_output_with_channels_swapped_to_rgb(golden, scale):
    arrays, _ = golden(f"msrn_seed_b2f16_x{scale}")
    model = golden_model(arrays, msrn.harish_vnkt, "msrn", scale, variant="harish-vnkt", last_relu=True, **SMALL)
    assert_equals_golden(model(nhwc(arrays["input"])[..., ::-1]), nhwc(arrays["output"])[..., ::-1])


def test_the_harish_vnkt_variant_goes_below_the_mean_color_without_its_last_relu(golden):
    arrays, _ = golden("msrn_seed_b2f16_x2")
    model = golden_model(arrays, msrn.harish_vnkt, "msrn", 2, variant="harish-vnkt", **SMALL)
    sr = np.asarray(model(nhwc(arrays["input"])[..., ::-1]))
    clipped = nhwc(arrays["output"])[..., ::-1]
    mean = clipped.min(axis=(0, 1, 2))  # where the ReLU returned zero
    assert (sr < mean).any()
    assert_equals_golden(np.maximum(sr, mean), clipped)


def test_the_paper_variant_changes_luma_and_keeps_the_colors():
    model = create_model("msrn", 2, variant="paper", **SMALL)
    model.get_layer("tail").set_weights([np.zeros((3, 3, 16, 1)), np.array([0.5])])
    red = np.zeros((1, 4, 5, 3), "uint8") + np.array([200, 60, 60], "uint8")
    sr = np.asarray(model(red))
    np.testing.assert_allclose(rgb_to_y(sr), 127.5, atol=1e-3)
    np.testing.assert_allclose(sr[..., 0] - sr[..., 1], 140, atol=1e-3)  # constant Cb and Cr


@pytest.mark.parametrize("how", [{"variant": "oficial"}, {"last_relu": True}])
def test_invalid_hyperparameters_are_refused(how):
    with pytest.raises(InputError):
        create_model("msrn", 2, **how)


@pytest.mark.parametrize(
    "how", [{"variant": "paper"}, {"variant": "official"}, {"variant": "harish-vnkt", "last_relu": True}]
)
def test_the_last_layers_compute_in_float32(policy, how):
    policy("mixed_float16")
    model = create_model("msrn", 2, **how, **SMALL)
    last = [layer for layer in model.layers if layer.name.startswith("tail")]
    assert {layer.compute_dtype for layer in last} == {"float32"}
