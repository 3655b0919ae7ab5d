import pytest

from wdsr_tf.models import create_model


@pytest.mark.parametrize(
    "scale, hyperparameters, count",
    [
        (2, {}, 665_921),
        (4, {}, 665_921),
    ],
)
def test_parameter_counts_are_the_published_ones(scale, hyperparameters, count):
    assert create_model("vdsr", scale, **hyperparameters).count_params() == count
