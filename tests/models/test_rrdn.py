import pytest

from wdsr_tf.models import create_model


@pytest.mark.parametrize(
    "scale, hyperparameters, count",
    [
        pytest.param(4, {}, 7_260_740, marks=pytest.mark.slow),
    ],
)
def test_parameter_counts_are_the_published_ones(scale, hyperparameters, count):
    assert create_model("rrdn", scale, **hyperparameters).count_params() == count
