import pytest

from wdsr_tf.models import create_model


@pytest.mark.parametrize(
    "scale, hyperparameters, count",
    [
        (2, {}, 694_404),
        (3, {}, 703_059),
        (4, {}, 715_176),
    ],
)
def test_parameter_counts_are_the_published_ones(scale, hyperparameters, count):
    assert create_model("imdn", scale, **hyperparameters).count_params() == count
