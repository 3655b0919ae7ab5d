import keras
import numpy as np
import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.export import parity
from wdsr_tf.export.form import Form
from wdsr_tf.images import to_uint8
from wdsr_tf.images.resize import imresize
from wdsr_tf.models import create_model


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return create_model("espcn", 2, num_filters=4)


@pytest.fixture(scope="module")
def samples(model):
    return parity.samples(model)


def running(model, off=0.0, image=False):
    """Returns a runtime that computes what Keras does and adds `off` to one value."""

    def run(lr):
        sr = np.array(model(lr.astype("float32")))
        sr[0, -1, -1, 0] += off
        return to_uint8(sr) if image else sr

    return run


def test_the_samples_are_a_tiny_image_a_drawn_image_and_noise(samples):
    tiny, drawn, noise = samples
    assert tiny.lr.shape == (1, 7, 5, 3)
    np.testing.assert_array_equal(drawn.lr[0], imresize(drawn.hr, 1 / 2))
    assert drawn.lr.std() > 20 and noise.lr.std() > 70  # uniform bytes have 74


def test_with_a_fixed_size_all_samples_have_it(model):
    assert {sample.lr.shape for sample in parity.samples(model, tile=(16, 16))} == {(1, 16, 16, 3)}


def test_the_drawn_image_is_noisy_for_networks_that_keep_the_size():
    (_, drawn, _) = parity.samples(create_model("vgg7", 1))
    assert 3 < (drawn.lr[0].astype(float) - drawn.hr).std() < 7


def test_a_model_that_equals_keras_passes(model, samples):
    report = parity.measure(running(model), samples)
    assert report["limit"] == 1e-2
    assert [figures["maximum"] for figures in report["pictures"].values()] == [0, 0, 0]
    assert report["pictures"]["drawn"]["psnr_difference"] == 0 and report["seconds_per_megapixel"] > 0


@pytest.mark.parametrize(
    "off, precision, image",
    [(0.02, "float32", False), (0.6, "float16", False), (1e3, "float32", True), (np.nan, "float32", False)],
)
def test_one_wrong_value_fails_with_its_difference(model, samples, off, precision, image):
    with pytest.raises(InputError, match=r"differs from Keras by \S+ of 255 on the image 'tiny'. The limit is \S+\."):
        parity.measure(running(model, off, image), samples, Form(precision=precision, image=image))


@pytest.mark.parametrize("off, precision", [(0.008, "float32"), (0.4, "float16")])
def test_rounding_errors_are_within_the_limits(model, samples, off, precision):
    report = parity.measure(running(model, off), samples, Form(precision=precision))
    assert report["pictures"]["noise"]["maximum"] == pytest.approx(off, rel=0.01)


def test_a_wrong_shape_or_dtype_is_refused(model, samples):
    with pytest.raises(InputError, match=r"is float32 \(1, 7, 5, 3\) instead of float32 \(1, 14, 10, 3\)"):
        parity.measure(lambda lr: lr, samples)
    with pytest.raises(InputError, match=r"is float32 .* instead of uint8"):
        parity.measure(running(model), samples, Form(image=True))
