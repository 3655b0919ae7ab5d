import pytest

from wdsr_tf.models import create_model


@pytest.mark.parametrize(
    "scale, hyperparameters, count",
    [
        (4, {"num_res_blocks": 6}, 4_467_779),
        (2, {"num_res_blocks": 6}, 4_472_963),
        pytest.param(4, {}, 16_697_987, marks=pytest.mark.slow),
        pytest.param(2, {}, 16_703_171, marks=pytest.mark.slow),
        pytest.param(1, {}, 16_723_907, marks=pytest.mark.slow),
        pytest.param(2, {"pixel_unshuffle": False}, 16_661_059, marks=pytest.mark.slow),
        pytest.param(3, {}, 16_661_059, marks=pytest.mark.slow),
        pytest.param(1, {"pixel_unshuffle": False}, 16_624_131, marks=pytest.mark.slow),
        pytest.param(8, {}, 16_734_915, marks=pytest.mark.slow),
    ],
)
def test_parameter_counts_are_the_published_ones(scale, hyperparameters, count):
    assert create_model("rrdbnet", scale, **hyperparameters).count_params() == count
