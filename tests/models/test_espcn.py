import keras
import numpy as np
import pytest

from tests.helpers.networks import assert_equals_golden, golden_model, luma_core, nhwc
from wdsr_tf.errors import InputError
from wdsr_tf.importers import espcn
from wdsr_tf.importers.tensors import assign
from wdsr_tf.models import create_model


@pytest.mark.parametrize("scale, without, with_units", [(2, 1_173_068, 1_345_996), (3, 1_207_643, 1_380_571)])
@pytest.mark.parametrize("unit", ["replace", "gate"])
def test_parameter_counts_of_espcn_7_equal_the_published_ones(scale, without, with_units, unit):
    assert create_model("espcn-7", scale).count_params() == without
    assert create_model("espcn-7", scale, selection_unit=unit).count_params() == with_units


def test_parameter_counts_of_espcn_7_at_x4_equal_the_published_ones():
    assert create_model("espcn-7", 4).count_params() == 1_256_048
    assert create_model("espcn-7", 4, selection_unit="replace").count_params() == 1_428_976


@pytest.mark.parametrize("scale, kernels", [(2, 21_184), (3, 22_624), (4, 24_640)])
def test_espcn_has_the_number_of_weights_in_its_paper(scale, kernels):
    biases = 64 + 32 + scale**2
    assert create_model("espcn", scale).count_params() == kernels + biases


@pytest.mark.parametrize("file, unit", [("espcn7_x2", None), ("espcn7_su_x2", "replace")])
def test_espcn_7_equals_the_reference_output(golden, file, unit):
    arrays, _ = golden(file)
    model = golden_model(arrays, espcn.yu45020, "espcn-7", 2, selection_unit=unit)
    sr = keras.ops.convert_to_numpy(model(255 * nhwc(arrays["input"])))
    assert_equals_golden(sr / 255, nhwc(arrays["output"]))


def test_a_gate_multiplies_the_features():
    x = np.random.default_rng(0).normal(size=(1, 3, 4, 4)).astype("float32")
    model = create_model("espcn-7", 2, num_filters=4, selection_unit="gate")
    unit = keras.Model(model.get_layer("body_0_selu").output, model.get_layer("body_0_select_multiply").output)
    kernel, bias = model.get_layer("body_0_select").get_weights()
    gate = 1 / (1 + np.exp(-(np.maximum(x, 0) @ kernel[0, 0] + bias)))
    np.testing.assert_allclose(unit(x), x * gate, atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_espcn_7_stays_in_range(training):
    model = create_model("espcn-7", 2, num_filters=4)
    model.get_layer("tail_x2").set_weights([np.zeros((3, 3, 16, 12)), np.linspace(-1, 2, 12)])
    sr = keras.ops.convert_to_numpy(model(np.full((1, 3, 4, 3), 90.0), training=training))
    assert sr.min() == 0
    assert sr.max() == 255


def test_espcn_imports_pytorch_weights():
    rng = np.random.default_rng(0)
    sizes = {"first_part.0": (64, 1, 5, 5), "first_part.2": (32, 64, 3, 3), "last_part.0": (4, 32, 3, 3)}
    arrays = {f"{name}.weight": rng.normal(0, 0.1, shape) for name, shape in sizes.items()}
    arrays |= {f"{name}.bias": rng.normal(0, 0.1, shape[0]) for name, shape in sizes.items()}
    model, tensors = create_model("espcn", 2), arrays
    assign(model, tensors, espcn.pytorch)

    y = rng.uniform(size=(1, 5, 5, 1))
    hidden = np.tanh(np.tensordot(arrays["first_part.0.weight"], y[0, :, :, 0], 2)[:, 0] + arrays["first_part.0.bias"])
    first = np.asarray(keras.Model(model.get_layer("luma").output, model.get_layer("head_tanh").output)(y))
    np.testing.assert_allclose(first[0, 2, 2], hidden, atol=1e-5)
    assert luma_core(model, "luma")(y).shape == (1, 10, 10, 1)


def test_an_unknown_selection_unit_is_refused():
    with pytest.raises(InputError, match="Choose from None, gate, replace"):
        create_model("espcn-7", 2, selection_unit="paper")


def test_espcn_7_is_initialized_like_pytorch():
    model = create_model("espcn-7", 2, selection_unit="gate")
    for name, inputs in (("body_5", 9 * 256), ("body_5_select", 256), ("tail_x2", 9 * 256)):
        kernel, bias = model.get_layer(name).get_weights()
        found = [kernel] if name == "tail_x2" else [kernel, bias]  # the bias of the tail isn't PyTorch's
        for weights in found:
            # The maximum of hundreds of uniform values is close to the limit.
            assert np.abs(weights).max() == pytest.approx(inputs**-0.5, rel=0.05)
    np.testing.assert_array_equal(bias, 0.5)
