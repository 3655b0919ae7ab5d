import keras
import numpy as np
import pytest

from wdsr_tf.layers import TorchBatchNormalization

X = np.random.default_rng(0).normal(2, 3, (2, 3, 4, 5)).astype("float32")


def state(layer):
    """The running mean and variance."""
    return layer.get_weights()[2:]


def test_the_running_variance_is_unbiased_and_a_batch_is_normalized_by_the_biased_one():
    layer = TorchBatchNormalization()
    y = layer(X, training=True)
    mean, biased = X.mean(axis=(0, 1, 2)), X.var(axis=(0, 1, 2))
    np.testing.assert_allclose(y, (X - mean) / np.sqrt(biased + 1e-5), rtol=0, atol=1e-5)
    np.testing.assert_allclose(state(layer)[0], 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(state(layer)[1], 0.9 + 0.1 * X.var(axis=(0, 1, 2), ddof=1), rtol=1e-6)


def test_inference_and_a_frozen_layer_leave_the_running_variance():
    layer = TorchBatchNormalization()
    layer(X)
    layer.trainable = False
    layer(X, training=True)
    np.testing.assert_array_equal(state(layer)[1], np.ones(5))


def test_a_batch_of_one_value_leaves_a_finite_variance():
    layer = TorchBatchNormalization()
    layer(X[:1, :1, :1], training=True)
    np.testing.assert_allclose(state(layer)[1], np.full(5, 0.9), rtol=1e-6)


@pytest.mark.parametrize("momentum", [0.9, 0.5])
def test_its_config_rebuilds_it(momentum):
    layer = TorchBatchNormalization(momentum=momentum)
    back = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(back) is TorchBatchNormalization
    assert (back.momentum, back.epsilon) == (momentum, 1e-5)
