import pytest

from wdsr_tf.models import create_model


@pytest.mark.parametrize(
    "scale, hyperparameters, count",
    [
        (2, {}, 410_700),
        (4, {}, 426_288),
        (4, {"branches": True}, 1_840_488),
        (2, {"num_filters": 52}, 481_324),
        (4, {"num_filters": 52}, 498_208),
    ],
)
def test_parameter_counts_are_the_published_ones(scale, hyperparameters, count):
    assert create_model("span", scale, **hyperparameters).count_params() == count
