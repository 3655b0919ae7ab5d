import numpy as np
import pytest

from wdsr_tf.models import create_model


def parameters(n, blocks, factors):
    """Counts by hand: convolutions with bias, four numbers per normalized channel, one slope per activated channel."""
    conv = 9 * n * n + n
    block = 2 * (conv + 4 * n) + n
    stages = sum(n * f**2 * (9 * n + 1) + n for f in factors)
    return (81 * 3 * n + n + n) + blocks * block + (conv + 4 * n) + stages + (81 * n * 3 + 3)


@pytest.mark.parametrize("scale, factors, count", [(2, [2], 1_407_107), (3, [3], 1_591_747), (4, [2, 2], 1_554_883)])
def test_parameter_counts_equal_those_by_hand(scale, factors, count):
    assert create_model("sr-resnet", scale).count_params() == parameters(64, 16, factors) == count


def test_the_output_ends_in_tanh():
    model = create_model("sr-resnet", 2, num_filters=4, num_res_blocks=1)
    model.get_layer("tail").set_weights([np.zeros((9, 9, 4, 3)), np.array([-100.0, 0.0, 100.0])])
    np.testing.assert_allclose(model(np.zeros((1, 2, 3, 3), "uint8"))[0, 0, 0], [0, 127.5, 255], atol=1e-4)
