import numpy as np
import pytest

from tests.helpers.networks import assert_equals_golden, golden_model, nhwc
from wdsr_tf.importers import edsr, krasserm
from wdsr_tf.models import create_model

BASELINE = {"num_res_blocks": 16, "num_filters": 64}
FULL = {"num_res_blocks": 32, "num_filters": 256, "res_scaling": 0.1}


@pytest.mark.parametrize(
    "how, scale, count",
    [
        ({"num_res_blocks": 8}, 2, 779_011),
        ({"num_res_blocks": 8}, 3, 963_651),
        ({"num_res_blocks": 8}, 4, 926_723),
        (BASELINE, 2, 1_369_859),
        (BASELINE, 3, 1_554_499),
        (BASELINE, 4, 1_517_571),
        (FULL, 2, 40_729_603),
        (FULL, 3, 43_680_003),
        (FULL, 4, 43_089_923),
        (BASELINE | {"weight_norm": True}, 2, 1_369_859 + 2_435),
    ],
)
def test_parameter_counts_equal_the_published_ones(how, scale, count):
    assert create_model("edsr", scale, **how).count_params() == count


@pytest.mark.parametrize("file, scale", [("x2", 2), ("x3", 3), ("x4", 4), ("rs0.1_x2", 2)])
def test_the_official_variant_equals_the_reference_output(golden, file, scale):
    arrays, _ = golden(f"edsr_b2f32_{file}")
    how = {"num_filters": 32, "num_res_blocks": 2, "res_scaling": 0.1 if "rs0.1" in file else None}
    model = golden_model(arrays, edsr.official, "edsr", scale, variant="official", **how)
    assert_equals_golden(model(nhwc(arrays["input"])), nhwc(arrays["output"]))


@pytest.mark.parametrize("file, scale", [("x2", 2), ("x3_rs0.1", 3), ("x4", 4)])
def test_the_krasserm_variant_equals_the_reference_output(golden, file, scale):
    arrays, _ = golden(f"krasserm_edsr_b2f32_{file}")
    scaling = {"res_scaling": 0.1, "scale_identity": True} if "rs0.1" in file else {}
    model = golden_model(arrays, krasserm.in_order, "edsr", scale, num_filters=32, num_res_blocks=2, **scaling)
    assert_equals_golden(model(arrays["input"]), arrays["output"])
    assert_equals_golden(model(arrays["input"], training=True), arrays["output_training"])


def test_the_generator_ends_in_tanh():
    model = create_model("edsr", 2, num_filters=4, num_res_blocks=1, tanh=True)
    model.get_layer("tail").set_weights([np.zeros((3, 3, 4, 3)), np.array([-100.0, 0.0, 100.0])])
    np.testing.assert_allclose(model(np.zeros((1, 2, 3, 3), "uint8"))[0, 0, 0], [0, 127.5, 255], atol=1e-4)
