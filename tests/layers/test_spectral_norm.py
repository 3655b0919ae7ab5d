import keras
import numpy as np
import pytest

from tests.helpers.gradients import squared_error_gradients
from tests.helpers.networks import nhwc
from wdsr_tf.layers import SpectralNormConv2D

ROUNDING = 1e-6  # of the largest value: float32 sums in a different order
PICTURES = np.random.default_rng(0).standard_normal((2, 8, 6, 5)).astype("float32")


def close(actual, expected, tolerance=ROUNDING):
    difference = np.abs(keras.ops.convert_to_numpy(actual) - expected).max()
    assert difference <= tolerance * np.abs(expected).max()


def kernel_of(weight):
    """PyTorch's (out, in, height, width) as Keras has it."""
    return weight.transpose(2, 3, 1, 0)


def vector_of(v):
    """PyTorch's v, over (channel, row, column), in the order of a Keras kernel's rows."""
    return v.reshape(5, 3, 3).transpose(1, 2, 0).ravel()


@pytest.fixture(scope="module")
def steps(golden):
    """The reference's three iterations and three steps of descent."""
    return golden("gan/spectral_norm_steps")


@pytest.fixture
def layer(steps):
    """The reference's convolution before its first call."""
    arrays, _ = steps
    layer = SpectralNormConv2D(6, 3, use_bias=False)
    layer.build((None, None, None, 5))
    layer.set_weights([kernel_of(arrays["w/weight_orig"]), arrays["w/weight_u"], vector_of(arrays["w/weight_v"])])
    return layer


def small(**arguments):
    layer = SpectralNormConv2D(6, 3, **arguments)
    layer.build((None, None, None, 5))
    return layer


def test_inference_uses_the_stored_vectors_and_leaves_them(steps, layer):
    arrays, _ = steps
    before = layer.get_weights()
    for call in ({}, {"training": False}):
        close(layer(nhwc(arrays["input"]), **call), nhwc(arrays["output_eval"]))
    for weight, expected in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_each_call_in_training_makes_the_iteration_of_the_reference(steps, layer):
    arrays, facts = steps
    x = nhwc(arrays["input"])
    for i, sigma in enumerate(facts["values"]["sigma_after_iteration_1_2_3"], start=1):
        y = layer(x, training=True)
        close(layer.u, arrays[f"iter{i}/u"])
        close(layer.v, vector_of(arrays[f"iter{i}/v"]))
        close(layer.sigma, sigma)
    close(y, nhwc(arrays["iter3/output"]))
    close(layer.kernel / layer.sigma, kernel_of(arrays["iter3/weight"]))
    np.testing.assert_array_equal(layer.get_weights()[0], kernel_of(arrays["w/weight_orig"]))


def test_gradients_run_through_sigma_as_in_the_reference(steps, layer):
    arrays, _ = steps
    x, target = nhwc(arrays["input"]), nhwc(arrays["target"])
    for i in (1, 2, 3):
        _, gradient = squared_error_gradients(layer, x, target, training=True)
        close(gradient, kernel_of(arrays[f"step{i}/grad"]))
        layer(x, training=True)  # the iteration that the gradient has seen and forgotten
        close(layer.u, arrays[f"step{i}/u"])
        close(layer.v, vector_of(arrays[f"step{i}/v"]))
        close(layer.kernel / layer.sigma, kernel_of(arrays[f"step{i}/weight"]))
        layer.kernel.assign(layer.kernel - 0.5 * gradient)
        close(layer.kernel, kernel_of(arrays[f"step{i}/weight_orig"]))


def test_iterations_converge_to_the_largest_singular_value(layer):
    for _ in range(60):
        layer(PICTURES, training=True)
    largest = np.linalg.svd(layer.get_weights()[0].reshape(-1, 6), compute_uv=False)[0]
    close(layer.sigma, largest, tolerance=1e-5)


def test_vectors_start_as_random_unit_vectors_from_the_seed_of_keras():
    def vectors(seed):
        keras.utils.set_random_seed(seed)
        return small(use_bias=False).get_weights()[1:]

    u, v = vectors(7)
    assert u.shape == (6,) and v.shape == (45,)
    for vector, again, other in zip((u, v), vectors(7), vectors(8), strict=True):
        np.testing.assert_allclose(np.linalg.norm(vector), 1, rtol=1e-6)
        np.testing.assert_array_equal(vector, again)
        assert not np.allclose(vector, other)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_rounds_neither_the_kernel_nor_the_vectors(policy, precision):
    """Keras's SpectralNormalization overwrites the kernel with a rounded one at every call."""
    exact = small()
    exact.bias.assign(np.linspace(-1, 1, 6))
    policy(precision)
    layer = small()
    layer.set_weights(exact.get_weights())
    for _ in range(3):
        expected, y = exact(PICTURES, training=True), layer(PICTURES, training=True)
    assert keras.backend.standardize_dtype(y.dtype) == precision.removeprefix("mixed_")
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    for ours, theirs in zip(layer.get_weights(), exact.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    epsilon = 2.0**-8 if precision == "mixed_bfloat16" else 2.0**-11
    close(keras.ops.cast(y, "float32"), keras.ops.convert_to_numpy(expected), tolerance=4 * epsilon)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("strides", [1, 2])
def test_it_has_the_padding_strides_and_bias_of_a_plain_convolution(padding, strides):
    layer = small(strides=strides, padding=padding, bias_initializer="ones")
    plain = keras.layers.Conv2D(6, 3, strides, padding)
    plain.build(PICTURES.shape)
    plain.set_weights([layer.get_weights()[0] / np.asarray(layer.sigma), layer.get_weights()[1]])
    y = layer(PICTURES)
    assert y.shape == layer.compute_output_shape(PICTURES.shape)
    close(y, keras.ops.convert_to_numpy(plain(PICTURES)))


def test_it_is_saved_with_its_vectors(tmp_path):
    image = keras.Input((None, None, 5))
    model = keras.Model(image, SpectralNormConv2D(6, 4, 2, "valid", use_bias=False)(image))
    model(PICTURES, training=True)
    model.save(tmp_path / "model.keras")
    back = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(back(PICTURES), model(PICTURES))
    np.testing.assert_array_equal(back(PICTURES, training=True), model(PICTURES, training=True))
