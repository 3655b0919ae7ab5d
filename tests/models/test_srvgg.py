import numpy as np
import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.layers import BicubicShrink
from wdsr_tf.models import create_model


@pytest.mark.parametrize(
    "scale, hyperparameters, count",
    [
        (1, {}, 595_459),
        (2, {}, 600_652),
        (3, {}, 609_307),
        (4, {}, 621_424),
        (1, {"num_res_blocks": 32}, 1_187_331),
        (4, {"num_res_blocks": 32}, 1_213_296),
        (2, {"inner_scale": 4}, 621_424),
    ],
)
def test_parameter_counts_are_the_published_ones(scale, hyperparameters, count):
    assert create_model("srvgg", scale, **hyperparameters).count_params() == count


def test_the_final_resize_has_no_antialiasing_and_repeats_edges():
    """Against ncnn's formula written out for one row: a = -0.75, half-pixel centers, edges repeated."""
    values = np.array([3, 200, 10, 90, 250, 0, 30, 60], "float32")
    made = BicubicShrink(1, 2)(values.reshape(1, 1, 8, 1).repeat(2, axis=1))
    padded = np.pad(values, 1, "edge")
    weights = np.array([-0.09375, 0.59375, 0.59375, -0.09375])  # halfway between two pixels
    expected = [weights @ padded[k : k + 4] for k in range(0, 8, 2)]
    np.testing.assert_allclose(np.asarray(made).ravel(), expected, rtol=1e-6)


def test_a_network_that_is_smaller_inside_than_outside_is_refused():
    with pytest.raises(InputError, match="inner_scale=2"):
        create_model("srvgg", 4, inner_scale=2)
