import keras
import numpy as np
import pytest
from PIL import Image

from tests.helpers.gradients import squared_error_gradients
from wdsr_tf.errors import InputError
from wdsr_tf.images import rgb_to_y
from wdsr_tf.images.resize import imresize
from wdsr_tf.losses import get_loss
from wdsr_tf.models.luma import Luma, PreUpscale, ReplaceLuma

EXACT = 1e-3  # levels of 255: ten times the error of float32 sums of a dozen products
SIZES = [(1, 1), (2, 3), (7, 5)]  # smaller and larger than the filter


def random_image(height, width, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (1, height, width, channels)).astype("float32")


def result(layer, *inputs):
    return keras.ops.convert_to_numpy(layer(*inputs))


def pillow(channel, scale, filter):
    height, width = channel.shape
    return np.asarray(Image.fromarray(channel).resize((width * scale, height * scale), filter))


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_bicubic_interpolation_equals_matlab_at_any_size(scale):
    for size in SIZES:
        lr = random_image(*size)
        np.testing.assert_allclose(result(PreUpscale(scale), lr)[0], imresize(lr[0], scale), atol=EXACT)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(
    "filter, pillow_filter", [("pillow-bicubic", Image.Resampling.BICUBIC), ("bilinear", Image.Resampling.BILINEAR)]
)
def test_pillow_filters_equal_pillow_at_any_size(filter, pillow_filter, scale):
    for size in SIZES:
        lr = random_image(*size, channels=1)
        expected = pillow(lr[0, :, :, 0], scale, pillow_filter)
        np.testing.assert_allclose(result(PreUpscale(scale, filter), lr)[0, :, :, 0], expected, atol=EXACT)


def test_interpolation_passes_gradients_back():
    layer, lr, hr = PreUpscale(2), random_image(3, 4), random_image(6, 8, seed=1)
    of_lr, *_ = squared_error_gradients(layer, lr, hr)
    step = 1.0  # the error is a quadratic polynomial, so central differences are exact at any step
    moved = np.zeros_like(lr)
    moved[0, 0, 1, 2] = step
    errors = [np.mean(np.square(result(layer, x).astype("float64") - hr)) for x in (lr + moved, lr - moved)]
    assert of_lr[0, 0, 1, 2] == pytest.approx((errors[0] - errors[1]) / (2 * step), rel=1e-3)


def test_luma_equals_matlab():
    rgb = random_image(4, 5)
    np.testing.assert_allclose(result(Luma(peak=255.0), rgb)[..., 0], rgb_to_y(rgb), atol=EXACT)
    np.testing.assert_allclose(result(Luma(), rgb)[..., 0], rgb_to_y(rgb) / 255, atol=EXACT / 255)


def test_full_range_luma_equals_srcnn_pytorch():
    rgb = np.array([[[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]], "float32")
    np.testing.assert_allclose(result(Luma("full-range"), rgb).ravel(), [0.2989, 0.587, 0.114], rtol=1e-6)


@pytest.mark.parametrize("peak", [1.0, 255.0])
def test_replacing_luma_sets_luma_and_keeps_chroma(peak):
    rgb, y = random_image(4, 5), peak * (random_image(4, 5, 1, seed=1) * 219 / 255 + 16) / 255
    replaced = result(ReplaceLuma(peak=peak), [rgb, y])
    np.testing.assert_allclose(result(Luma(peak=peak), replaced), y, atol=peak * EXACT / 255)
    # Cb and Cr are multiples of B - Y and R - Y.
    gain = 255 / 219
    for channel in (0, 2):
        before = rgb[..., channel] - gain * rgb_to_y(rgb)
        after = replaced[..., channel] - gain * rgb_to_y(replaced)
        np.testing.assert_allclose(after, before, atol=EXACT)


def test_replacing_luma_by_itself_changes_nothing():
    rgb = random_image(4, 5)
    np.testing.assert_allclose(result(ReplaceLuma(), [rgb, Luma()(rgb)]), rgb, atol=EXACT)


def test_full_range_recombination_equals_the_formulas_of_srcnn_pytorch():
    rgb, y = random_image(4, 5), random_image(4, 5, 1, seed=1) / 255
    r, g, b = np.moveaxis(rgb / 255, -1, 0)
    pr, pb = 0.5 * r - 0.419 * g - 0.081 * b, -0.169 * r - 0.331 * g + 0.5 * b
    luma = y[..., 0]
    expected = 255 * np.stack([luma + 1.402 * pr, luma - 0.344 * pb - 0.714 * pr, luma + 1.772 * pb], axis=-1)
    np.testing.assert_allclose(result(ReplaceLuma("full-range"), [rgb, y]), expected, atol=EXACT)


def test_rgb_is_cropped_to_a_smaller_luma():
    rgb = random_image(6, 8)
    inner = rgb[:, 1:5, 1:7]
    np.testing.assert_allclose(result(ReplaceLuma(), [rgb, Luma()(inner)]), inner, atol=EXACT)


def test_luma_layers_compute_in_float32_under_mixed_precision(policy):
    rgb = random_image(4, 5)
    exact = result(ReplaceLuma(), [result(PreUpscale(2), rgb), result(Luma(), result(PreUpscale(2), rgb))])
    policy("mixed_float16")
    upscaled = PreUpscale(2)(rgb)
    y = Luma()(upscaled)
    half = result(ReplaceLuma(), [upscaled, y])
    assert [keras.backend.standardize_dtype(x.dtype) for x in (upscaled, y, half)] == ["float32"] * 3
    np.testing.assert_array_equal(half, exact)


@pytest.mark.parametrize(
    "make", [lambda: PreUpscale(2, "cubic"), lambda: Luma("rec709"), lambda: ReplaceLuma("rec709")]
)
def test_an_unknown_filter_or_color_conversion_is_refused(make):
    with pytest.raises(
        InputError, match=r"Choose from bicubic, pillow-bicubic, bilinear|Choose from bt601, full-range"
    ):
        make()


def test_the_weighted_loss_on_rgb_depends_on_luma_alone():
    hr, rgb, wrong = random_image(8, 9), random_image(8, 9, seed=1), random_image(8, 9, 1, seed=2)
    loss, y = get_loss("weighted-mse"), rgb_to_y(hr)[..., None]
    right, off = (float(loss(hr, ReplaceLuma(peak=255.0)([rgb, luma]))) for luma in (y, wrong))
    # The loss rounds the luma weights to five digits, so chroma contributes a few ten-thousandths.
    assert off - right == pytest.approx((255 / 219) ** 2 / 3 * np.mean(np.square(wrong - y)), rel=1e-3)
