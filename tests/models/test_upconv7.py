import numpy as np
import pytest

from tests.helpers.networks import assert_equals_golden, golden_model, nhwc
from wdsr_tf.errors import InputError
from wdsr_tf.importers import waifu2x
from wdsr_tf.models import create_model


def test_the_parameter_count_equals_the_published_one():
    assert create_model("upconv7", 2).count_params() == 552_480


def test_zero_padding_equals_the_reference_output_in_training_and_at_inference(golden):
    arrays, _ = golden("upconv7_seed")
    model = golden_model(arrays, waifu2x.in_order, "upconv7", 2, pad="zeros")
    for training in (False, True):
        assert_equals_golden(model(255 * nhwc(arrays["input"]), training=training) / 255, nhwc(arrays["output"]))


def test_training_returns_the_inside_of_the_reference_output_clipped(golden):
    arrays, _ = golden("upconv7_seed")
    model = golden_model(arrays, waifu2x.in_order, "upconv7", 2)
    inside = model(255 * nhwc(arrays["input"]), training=True) / 255
    assert inside.shape == (1, 2 * 16 - 28, 2 * 20 - 28, 3)
    assert_equals_golden(inside, np.clip(nhwc(arrays["output"])[:, 14:-14, 14:-14], 0, 1))


def test_inference_repeats_the_edge(golden):
    arrays, _ = golden("upconv7_seed")
    model = golden_model(arrays, waifu2x.in_order, "upconv7", 2)
    lr = 255 * nhwc(arrays["input"])
    padded = np.pad(lr, [(0, 0), (7, 7), (7, 7), (0, 0)], "edge")
    assert_equals_golden(model(lr), np.asarray(model(padded, training=True)))


def test_a_file_may_have_zeros_for_a_missing_bias(golden):
    arrays, _ = golden("upconv7_seed")
    golden_model(arrays | {"w/Sequential.12.bias": np.zeros(3, "float32")}, waifu2x.in_order, "upconv7", 2)
    with pytest.raises(InputError, match="has no bias"):
        golden_model(arrays | {"w/Sequential.12.bias": np.ones(3, "float32")}, waifu2x.in_order, "upconv7", 2)


def test_a_file_with_missing_or_extra_layers_is_refused(golden):
    arrays, _ = golden("upconv7_seed")
    for more in ({"w/extra.weight": np.zeros((3, 3, 3, 3), "float32")}, {"w/Sequential.12.weight": None}):
        given = {name: array for name, array in (arrays | more).items() if array is not None}
        with pytest.raises(InputError, match="don't fit"):
            golden_model(given, waifu2x.in_order, "upconv7", 2)


def test_the_luma_network_has_one_channel_inside():
    model = create_model("upconv7", 2, luma=True)
    assert model.get_layer("tail_x2").kernel.shape == (4, 4, 1, 256)
    assert model(np.zeros((1, 3, 5, 3), "uint8")).shape == (1, 6, 10, 3)
