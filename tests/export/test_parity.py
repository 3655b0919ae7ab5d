import keras
import numpy as np
import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.export import parity
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
    """A runtime that computes what Keras does, and adds `off` to one value."""

    def run(lr):
        sr = np.array(model(lr.astype("float32")))
        sr[0, -1, -1, 0] += off
        return to_uint8(sr) if image else sr

    return run


def test_the_pictures_are_a_tiny_one_a_drawn_one_and_noise(samples):
    tiny, drawn, noise = samples
    assert tiny.lr.shape == (1, 7, 5, 3)
    np.testing.assert_array_equal(drawn.lr[0], imresize(drawn.hr, 1 / 2))
    assert drawn.lr.std() > 20 and noise.lr.std() > 70  # of a uniform distribution of bytes it is 74


def test_where_the_input_has_one_size_all_pictures_have_it(model):
    assert {sample.lr.shape for sample in parity.samples(model, tile=16)} == {(1, 16, 16, 3)}


def test_networks_that_keep_the_size_see_noise_on_the_drawn_picture():
    (_, drawn, _) = parity.samples(create_model("vgg7", 1))
    assert 3 < (drawn.lr[0].astype(float) - drawn.hr).std() < 7


def test_what_equals_keras_passes_and_is_reported(model, samples):
    report = parity.measure(running(model), samples, "float32", image=False)
    assert report["limit"] == 1e-2
    assert [picture["maximum"] for picture in report["pictures"].values()] == [0, 0, 0]
    assert report["pictures"]["drawn"]["psnr_difference"] == 0 and report["seconds_per_megapixel"] > 0


@pytest.mark.parametrize(
    "off, precision, image",
    [(0.02, "float32", False), (0.6, "float16", False), (1e3, "float32", True), (np.nan, "float32", False)],
)
def test_one_value_that_is_off_by_too_much_fails_and_says_by_how_much(model, samples, off, precision, image):
    with pytest.raises(InputError, match=r"differs from Keras by \S+ of 255 on the picture tiny, and \S+ is allowed"):
        parity.measure(running(model, off, image), samples, precision, image)


@pytest.mark.parametrize("off, precision", [(0.008, "float32"), (0.4, "float16")])
def test_the_limits_leave_room_for_rounding(model, samples, off, precision):
    report = parity.measure(running(model, off), samples, precision, image=False)
    assert report["pictures"]["noise"]["maximum"] == pytest.approx(off, rel=0.01)


def test_another_size_or_type_than_was_due_is_refused(model, samples):
    with pytest.raises(InputError, match=r"returns float32 \(1, 7, 5, 3\) where float32 \(1, 14, 10, 3\) was due"):
        parity.measure(lambda lr: lr, samples, "float32", image=False)
    with pytest.raises(InputError, match=r"returns float32 .* where uint8"):
        parity.measure(running(model), samples, "float32", image=True)
