import pytest

from wdsr_tf.models import create_model


@pytest.mark.parametrize(
    "scale, hyperparameters, count",
    [
        (2, {"num_layers": 1, "num_res_blocks": 2, "growth": 4}, 222_075),
        (3, {"num_layers": 1, "num_res_blocks": 2, "growth": 4}, 226_815),
        (8, {"num_layers": 1, "num_res_blocks": 2, "growth": 4}, 278_955),
        (2, {"num_layers": 1, "num_res_blocks": 10}, 693_235),
        (4, {"num_layers": 1, "num_res_blocks": 10}, 704_611),
    ],
)
def test_parameter_counts_are_the_published_ones(scale, hyperparameters, count):
    assert create_model("rdn", scale, **hyperparameters).count_params() == count
