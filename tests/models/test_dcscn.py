import keras
import numpy as np
import pytest

from tests.helpers.networks import COMPACT_DCSCN, assert_equals_golden, golden_model, luma_core, nhwc
from wdsr_tf.errors import InputError
from wdsr_tf.images import rgb_to_y
from wdsr_tf.importers import dcscn
from wdsr_tf.importers.tensors import assign
from wdsr_tf.models import create_model

SMALL = {"num_filters": 8, "min_filters": 4, "num_layers": 3, "nin_filters": 6, "nin_filters_2": 3}


@pytest.mark.parametrize(
    "name, scale, count, how",
    [
        ("dcscn", 2, 1_754_942, {}),
        ("dcscn", 3, 2_170_142, {}),
        ("dcscn", 4, 2_087_102, {}),
        ("dcscn", 2, 687_268, {"num_layers": 8, "num_filters": 96}),
        ("dcscn", 2, 27_209, COMPACT_DCSCN),
        ("dcscn", 3, 28_654, COMPACT_DCSCN),
        ("dcscn", 4, 64_201, COMPACT_DCSCN),
        ("dcscn-12", 2, 1_889_974, {}),
        ("dcscn-12", 3, 2_258_774, {}),
        ("dcscn-12", 4, 2_775_094, {}),
        ("dcscn-12", 2, 1_564_086, {"nin_filters": 64}),
    ],
)
def test_parameter_counts_equal_the_published_ones(name, scale, count, how):
    assert create_model(name, scale, **how).count_params() == count


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_published_compact_weights_reproduce_the_reference_outputs(golden, scale):
    arrays, _ = golden(f"dcscn_c_published_x{scale}")
    model = golden_model(arrays, dcscn.authors, "dcscn", scale, **COMPACT_DCSCN)
    core = luma_core(model, "luma", "enlarged_luma")
    assert_equals_golden(core([arrays["input"], arrays["input_up"]]), arrays["output"])
    assert_equals_golden(core([arrays["real_y"], arrays["real_y_up"]]), arrays["real_output"])
    # From the image itself, including color conversion and Pillow's interpolation.
    sr = keras.ops.convert_to_numpy(model(arrays["real_input_u8"][None]))
    assert_equals_golden(rgb_to_y(sr)[..., None], arrays["real_output"])


def test_dcscn_12_equals_the_reference_output(golden):
    arrays, _ = golden("dcscn_seed_small_x2")
    how = {"num_filters": 48, "min_filters": 12, "nin_filters": 16, "upsampler_filters": 8}
    model = golden_model(arrays, dcscn.yu45020, "dcscn-12", 2, **how)
    core = keras.Model([model.get_layer(name).output for name in ("normalize", "enlarged")], model.layers[-1].input)
    assert_equals_golden(core([nhwc(arrays["input"]), nhwc(arrays["input_up"])]), nhwc(arrays["output"]))


def test_importing_a_training_checkpoint_ignores_adams_moments(golden):
    arrays, _ = golden("dcscn_c_published_x2")
    weights = {key[2:]: array for key, array in arrays.items() if key.startswith("w/")}
    moments = {f"{name}/{moment}": array for name, array in weights.items() for moment in ("Adam", "Adam_1")}
    tensors = weights | moments | {"beta1_power": np.float32(0.9), "beta2_power": np.float32(0.99)}
    model = create_model("dcscn", 2, **COMPACT_DCSCN)
    assign(model, tensors, dcscn.authors)


def test_dropout_is_active_in_training_only():
    model = create_model("dcscn", 2, **SMALL)
    lr = np.random.default_rng(0).uniform(0, 255, (1, 6, 5, 3))
    np.testing.assert_array_equal(model(lr), model(lr))
    assert np.any(np.asarray(model(lr, training=True)) != np.asarray(model(lr)))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_transposed_upsampler_starts_as_bilinear_interpolation(scale):
    model = create_model("dcscn", scale, upsampler="transposed", **SMALL)
    upsampler = model.get_layer(f"upsampler_x{scale}")
    ramp = np.tile(np.arange(6.0), (1, 4, 1))[..., None] * np.ones(9)
    upscaled = np.asarray(upsampler(ramp))[0, 2 * scale, scale:-scale]  # without the borders, where zeros come in
    expected = (np.arange(scale, 5 * scale) + 0.5) / scale - 0.5
    np.testing.assert_allclose(upscaled, np.repeat(expected[:, None], 9, axis=1), atol=1e-5)
    assert model(np.zeros((1, 4, 3, 3))).shape == (1, 4 * scale, 3 * scale, 3)


def test_separable_convolutions_are_smaller():
    counts = [create_model("dcscn", 2, separable=separable, **SMALL).count_params() for separable in (True, False)]
    assert counts[0] < counts[1] / 2


def test_an_unknown_upsampler_is_refused():
    with pytest.raises(InputError, match="Choose from shuffle, transposed"):
        create_model("dcscn", 2, upsampler="nearest")


def test_a_transposed_upsampler_refuses_a_number_of_filters():
    with pytest.raises(InputError, match="Leave upsampler_filters at 0"):
        create_model("dcscn", 2, upsampler="transposed", upsampler_filters=16)
