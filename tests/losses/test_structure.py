import keras
import numpy as np
import pytest

from tests.helpers.gradients import gradient
from wdsr_tf.errors import InputError
from wdsr_tf.evaluation import metrics
from wdsr_tf.losses import get_loss
from wdsr_tf.losses.structure import ms_ssim


def value(name, hr, sr):
    return float(get_loss(name)(hr, sr))


@pytest.fixture(scope="module")
def pair():
    """HR with structure, and SR with some of it."""
    random = np.random.default_rng(5)
    hr = np.cumsum(random.normal(size=(2, 37, 50, 3)), axis=2) * 8 + 128
    return [np.clip(x, 0, 255).astype("float32") for x in (hr, hr + random.normal(size=hr.shape) * 12)]


def test_fft_is_the_mean_absolute_difference_of_real_and_imaginary_parts(pair):
    hr, sr = pair
    transform = np.fft.fft2((sr.astype("float64") - hr) / 255, axes=(1, 2))
    frequencies = np.mean([np.abs(transform.real), np.abs(transform.imag)])
    assert value("fft", hr, sr) == pytest.approx(frequencies, rel=1e-5)
    assert value("mae-fft", hr, sr) == pytest.approx(np.abs(sr - hr).mean() / 255 + 0.1 * frequencies, rel=1e-5)


def test_fft_of_a_flat_error_is_its_size_because_one_frequency_holds_all_pixels():
    hr = np.zeros((1, 4, 6, 3), "float32")
    assert value("fft", hr, hr + 51) == pytest.approx(0.2 / 2)


def test_gradient_weighted_counts_errors_by_the_sobel_filters_of_the_error():
    random = np.random.default_rng(6)
    hr, sr = random.uniform(0, 255, (2, 2, 6, 5, 3)).astype("float32")
    error = (sr.astype("float64") - hr) / 255
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(error, ((0, 0), (1, 1), (1, 1), (0, 0))), (3, 3), (1, 2))
    sobel = np.outer([1, 2, 1], [-1, 0, 1])
    dx, dy = (np.abs(np.einsum("bhwcij,ij->bhwc", windows, kernel)) for kernel in (sobel, sobel.T))
    expected = ((1 + 4 * dx) * (1 + 4 * dy) * np.abs(error)).mean()
    assert value("gradient-weighted", hr, sr) == pytest.approx(expected, rel=1e-5)


def test_gradient_weighted_is_the_absolute_error_inside_a_flat_error():
    hr = np.zeros((1, 3, 3, 3), "float32")
    loss = get_loss("gradient-weighted").call(hr, hr + 51)
    assert float(loss[0, 1, 1]) == pytest.approx(0.2)
    assert float(loss[0, 0, 1]) == pytest.approx(0.2 * (1 + 4 * 4 * 0.2))  # the border has zeros on one side


@pytest.mark.parametrize("side", [16, 37])  # at 16, windows are as small as one pixel
def test_ms_ssim_equals_the_metric(side, pair):
    hr, sr = (images[:, :side] for images in pair)
    expected = [metrics.ms_ssim(*images) for images in zip(sr, hr, strict=True)]
    assert np.asarray(ms_ssim(hr / 255, sr / 255)) == pytest.approx(expected, abs=2e-5)
    assert value("ms-ssim", hr, sr) == pytest.approx(1 - np.mean(expected), abs=2e-5)
    mixed = 0.16 * np.abs(sr - hr).mean() / 255 + 0.84 * (1 - np.mean(expected))
    assert value("mae-ms-ssim", hr, sr) == pytest.approx(mixed, abs=2e-5)


def test_ms_ssim_has_a_finite_gradient_where_images_are_opposites(pair):
    hr, _ = pair
    assert np.isfinite(gradient(lambda sr: get_loss("ms-ssim")(hr, sr), 255 - hr)).all()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="shapes are always known on JAX")
@pytest.mark.parametrize("name", ["fft", "gradient-weighted", "ms-ssim"])
def test_patches_of_several_scales_share_a_graph_that_does_not_know_their_size(name, pair):
    import tensorflow as tf

    loss = get_loss(name)
    unknown = tf.TensorSpec((None, None, None, 3), "float32")
    traced = tf.function(loss, input_signature=[unknown, unknown])
    for side in (37, 20):
        hr, sr = (images[:, :side] for images in pair)
        assert float(traced(hr, sr)) == pytest.approx(float(loss(hr, sr)), rel=1e-5, abs=2e-6)


def test_patches_that_are_too_small_for_ms_ssim_are_refused():
    hr = np.zeros((1, 15, 20, 3), "float32")
    with pytest.raises(InputError, match=r"at least 16 x 16 pixels.* 15 x 20 are too few.*larger patches"):
        get_loss("ms-ssim")(hr, hr)
