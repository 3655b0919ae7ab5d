import keras
import numpy as np
import pytest

from tests.networks import assert_equals_golden, golden_model, luma_core, nhwc
from wdsr_tf.errors import InputError
from wdsr_tf.importers import srcnn
from wdsr_tf.models import create_model

SEED = {"padding": "same", "colours": "full-range", "enlargement": "bilinear"}


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("body_size, count", [(1, 8_129), (5, 57_281)])
def test_parameter_counts_are_the_published_ones(scale, body_size, count):
    assert create_model("srcnn", scale, body_size=body_size).count_params() == count


@pytest.mark.parametrize("file, body_size", [("srcnn_915", 1), ("srcnn_955", 5), ("srcnn_published", 1)])
def test_srcnn_equals_its_golden_vector(golden, file, body_size):
    arrays, _ = golden(file)
    model = golden_model(arrays, srcnn.seed, "srcnn", 2, body_size=body_size, **SEED)
    assert_equals_golden(luma_core(model, "luma")(nhwc(arrays["input"])), nhwc(arrays["output"]))


def test_published_weights_give_the_published_picture(golden):
    arrays, _ = golden("srcnn_published")
    model = golden_model(arrays, srcnn.seed, "srcnn", 2, **SEED)
    lr = arrays["real_input_rgb_u8"][None]
    enlarged = keras.Model(model.input, model.get_layer("enlarged").output)(lr)
    assert_equals_golden(np.asarray(enlarged) / 255, nhwc(arrays["upscaled_rgb"]))
    sr = keras.ops.convert_to_numpy(model(lr))[0]
    assert_equals_golden(sr / 255, arrays["output_rgb"].transpose(1, 2, 0))
    bytes_ = np.floor(np.clip(sr + 0.5, 0, 255)).astype("uint8")
    # A value within rounding error of a half may fall on either side of it.
    assert np.abs(bytes_.astype(int) - arrays["output_rgb_u8"]).max() <= 1
    assert np.mean(bytes_ != arrays["output_rgb_u8"]) < 1e-3


@pytest.mark.parametrize("body_size, lost", [(1, 12), (5, 16)])
def test_nothing_is_padded_in_training_and_borders_are_repeated_at_inference(body_size, lost):
    model = create_model("srcnn", 2, num_filters=4, body_size=body_size)
    for weights in model.weights:
        weights.assign(np.random.default_rng(0).uniform(0, 0.1, weights.shape))
    lr = np.full((1, 12, 10, 3), 90.0)
    trained, whole = (keras.ops.convert_to_numpy(model(lr, training=training)) for training in (True, False))
    assert trained.shape == (1, 24 - lost, 20 - lost, 3)
    # Of an even picture every border shows: only repeated pixels leave it even.
    np.testing.assert_allclose(whole, np.broadcast_to(trained[:, :1, :1], whole.shape), rtol=1e-5)


def test_one_set_of_weights_serves_every_scale():
    weights = create_model("srcnn", 2).get_weights()
    for scale in (3, 4):
        model = create_model("srcnn", scale)
        model.set_weights(weights)
        assert model(np.zeros((1, 3, 2, 3))).shape == (1, 3 * scale, 2 * scale, 3)


def test_an_unknown_padding_is_refused():
    with pytest.raises(InputError, match="it can be valid, same"):
        create_model("srcnn", 2, padding="edge")
