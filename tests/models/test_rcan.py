import pytest

from wdsr_tf.models import create_model


@pytest.mark.parametrize(
    "scale, hyperparameters, count",
    [
        pytest.param(2, {}, 15_444_643, marks=pytest.mark.slow),
        pytest.param(3, {}, 15_629_283, marks=pytest.mark.slow),
        pytest.param(4, {}, 15_592_355, marks=pytest.mark.slow),
    ],
)
def test_parameter_counts_are_the_published_ones(scale, hyperparameters, count):
    assert create_model("rcan", scale, **hyperparameters).count_params() == count
