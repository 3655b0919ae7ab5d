import keras
import numpy as np
import pytest

from tests.helpers.gradients import gradient_of_penalty
from wdsr_tf.layers import BilinearUpSampling2D


@pytest.mark.parametrize("shape", [(2, 5, 4, 3), (1, 1, 3, 2), (1, 2, 1, 1)])
def test_bilinear_upsampling_equals_that_of_keras(shape):
    x = np.random.default_rng(0).standard_normal(shape).astype("float32")
    layer = BilinearUpSampling2D()
    y = layer(x)
    assert y.shape == layer.compute_output_shape(shape)
    np.testing.assert_allclose(y, keras.layers.UpSampling2D(interpolation="bilinear")(x), rtol=0, atol=1e-6)


def test_a_penalty_on_the_gradient_through_bilinear_upsampling_has_a_gradient():
    layer, pixels = BilinearUpSampling2D(), 9
    matrix = np.asarray(layer(np.eye(pixels, dtype="float32").reshape(pixels, 3, 3, 1))).reshape(pixels, -1).T
    x = np.random.default_rng(0).standard_normal((1, 3, 3, 1)).astype("float32")
    found = gradient_of_penalty(lambda x: keras.ops.sum(keras.ops.square(layer(x))), x)
    square = matrix.T @ matrix
    np.testing.assert_allclose(found.ravel(), 8 * square @ square @ x.ravel(), rtol=1e-4)
