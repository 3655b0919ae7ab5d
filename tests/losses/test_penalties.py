import keras
import numpy as np
import pytest
from keras import ops

from tests.helpers.gradients import gradient
from tests.helpers.networks import nhwc
from wdsr_tf.losses import gradient_penalty, r1


@pytest.fixture(scope="module")
def reference_penalties(golden):
    """The arrays of the reference file, its values, and its discriminator as a function of the first kernel."""
    arrays, facts = golden("gan/gan_losses")
    kernels = [arrays[f"w/{layer}.weight"].transpose(2, 3, 1, 0) for layer in (0, 2)]
    biases = [arrays[f"w/{layer}.bias"] for layer in (0, 2)]

    def discriminator(kernel):
        def logits(images):
            x = ops.conv(images / 255, kernel, padding="same") + biases[0]
            x = ops.where(x > 0, x, 0.2 * x)  # the reference has values of exactly 0
            return ops.conv(x, kernels[1], padding="same") + biases[1]

        return logits

    return arrays, facts["values"], discriminator, kernels[0]


def test_r1_equals_the_reference(reference_penalties):
    arrays, values, discriminator, kernel = reference_penalties
    ours = r1(discriminator(kernel), 255 * nhwc(arrays["gp_real"]))
    assert float(ours) == pytest.approx(values["r1_penalty"], rel=1e-6)


def test_a_gradient_penalty_per_pixel_and_its_gradient_equal_the_reference(reference_penalties):
    arrays, values, discriminator, kernel = reference_penalties
    hr, sr = (255 * nhwc(arrays[name]) for name in ("gp_real", "gp_fake"))

    def penalty(kernel):
        return gradient_penalty(discriminator(kernel), hr, sr, arrays["gp_alpha"], axes=(-1,))

    assert float(penalty(ops.convert_to_tensor(kernel))) == pytest.approx(values["gradient_penalty"], rel=1e-6)
    expected = arrays["gp_grad/conv0"].transpose(2, 3, 1, 0)
    np.testing.assert_allclose(gradient(penalty, kernel), expected, rtol=2e-5, atol=2e-6)


def test_the_gradient_of_a_linear_discriminator_has_the_norm_of_its_weights_for_each_image():
    weights = np.random.default_rng(0).normal(size=(4, 5, 3)).astype("float32")
    hr, sr = np.random.default_rng(1).uniform(0, 255, (2, 3, 4, 5, 3)).astype("float32")
    norm = np.sqrt(np.square(weights).sum())

    def discriminator(images):
        return ops.sum(weights * images / 255, axis=(1, 2, 3))

    assert float(r1(discriminator, hr)) == pytest.approx(norm**2, rel=1e-6)
    assert float(gradient_penalty(discriminator, hr, sr, [0.0, 0.3, 1.0])) == pytest.approx((norm - 1) ** 2, rel=1e-6)


def test_a_discriminator_without_a_gradient_gets_a_penalty_of_1_and_no_nan():
    hr = np.zeros((2, 3, 3, 3), "float32")

    def penalty(weight):
        return gradient_penalty(lambda images: weight * ops.sum(images), hr, hr, [0.5, 0.5])

    assert float(penalty(ops.convert_to_tensor(0.0))) == pytest.approx(1)
    assert np.isfinite(gradient(penalty, np.float32(0)))


def test_penalties_are_float32_for_a_discriminator_in_half_precision(policy):
    policy("mixed_bfloat16")
    network = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3), keras.layers.Conv2D(1, 3)])
    hr = np.random.default_rng(0).uniform(0, 255, (2, 6, 6, 3)).astype("float32")
    for penalty in (r1(network, hr), gradient_penalty(network, hr, hr / 2, [0.2, 0.8])):
        assert keras.backend.standardize_dtype(penalty.dtype) == "float32" and np.isfinite(float(penalty))
