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

EXACT = 1e-3  # levels of 255: float32 sums of a dozen products against float64 are wrong by a tenth of this
SIZES = [(1, 1), (2, 3), (7, 5)]  # smaller than the filter, and not


def picture(height, width, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (1, height, width, channels)).astype("float32")


def result(layer, *inputs):
    return keras.ops.convert_to_numpy(layer(*inputs))


def pillow(channel, scale, filter):
    height, width = channel.shape
    return np.asarray(Image.fromarray(channel).resize((width * scale, height * scale), filter))


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_bicubic_enlargement_is_matlabs_at_any_size(scale):
    for size in SIZES:
        lr = picture(*size)
        np.testing.assert_allclose(result(PreUpscale(scale), lr)[0], imresize(lr[0], scale), atol=EXACT)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(
    "filter, pillows", [("pillow-bicubic", Image.Resampling.BICUBIC), ("bilinear", Image.Resampling.BILINEAR)]
)
def test_pillows_enlargements_are_pillows_at_any_size(filter, pillows, scale):
    for size in SIZES:
        lr = picture(*size, channels=1)
        expected = pillow(lr[0, :, :, 0], scale, pillows)
        np.testing.assert_allclose(result(PreUpscale(scale, filter), lr)[0, :, :, 0], expected, atol=EXACT)


def test_enlargement_hands_gradients_back():
    layer, lr, hr = PreUpscale(2), picture(3, 4), picture(6, 8, seed=1)
    of_lr, *_ = squared_error_gradients(layer, lr, hr)
    step = 1.0  # the error is a polynomial of second degree: its central difference is exact at any step
    moved = np.zeros_like(lr)
    moved[0, 0, 1, 2] = step
    errors = [np.mean(np.square(result(layer, x).astype("float64") - hr)) for x in (lr + moved, lr - moved)]
    assert of_lr[0, 0, 1, 2] == pytest.approx((errors[0] - errors[1]) / (2 * step), rel=1e-3)


def test_luma_is_matlabs():
    rgb = picture(4, 5)
    np.testing.assert_allclose(result(Luma(peak=255.0), rgb)[..., 0], rgb_to_y(rgb), atol=EXACT)
    np.testing.assert_allclose(result(Luma(), rgb)[..., 0], rgb_to_y(rgb) / 255, atol=EXACT / 255)


def test_full_range_luma_is_the_seeds():
    rgb = np.array([[[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]], "float32")
    np.testing.assert_allclose(result(Luma("full-range"), rgb).ravel(), [0.2989, 0.587, 0.114], rtol=1e-6)


@pytest.mark.parametrize("peak", [1.0, 255.0])
def test_a_replaced_luma_is_found_again_and_the_chroma_is_kept(peak):
    rgb, y = picture(4, 5), peak * (picture(4, 5, 1, seed=1) * 219 / 255 + 16) / 255
    replaced = result(ReplaceLuma(peak=peak), [rgb, y])
    np.testing.assert_allclose(result(Luma(peak=peak), replaced), y, atol=peak * EXACT / 255)
    # Cb and Cr are multiples of B - Y and R - Y.
    gain = 255 / 219
    for channel in (0, 2):
        before = rgb[..., channel] - gain * rgb_to_y(rgb)
        after = replaced[..., channel] - gain * rgb_to_y(replaced)
        np.testing.assert_allclose(after, before, atol=EXACT)


def test_a_picture_with_its_own_luma_stays_as_it_is():
    rgb = picture(4, 5)
    np.testing.assert_allclose(result(ReplaceLuma(), [rgb, Luma()(rgb)]), rgb, atol=EXACT)


def test_the_seeds_recombination_follows_its_formulas():
    rgb, y = picture(4, 5), picture(4, 5, 1, seed=1) / 255
    r, g, b = np.moveaxis(rgb / 255, -1, 0)
    pr, pb = 0.5 * r - 0.419 * g - 0.081 * b, -0.169 * r - 0.331 * g + 0.5 * b
    luma = y[..., 0]
    expected = 255 * np.stack([luma + 1.402 * pr, luma - 0.344 * pb - 0.714 * pr, luma + 1.772 * pb], axis=-1)
    np.testing.assert_allclose(result(ReplaceLuma("full-range"), [rgb, y]), expected, atol=EXACT)


def test_the_picture_is_cropped_to_a_smaller_luma():
    rgb = picture(6, 8)
    inner = rgb[:, 1:5, 1:7]
    np.testing.assert_allclose(result(ReplaceLuma(), [rgb, Luma()(inner)]), inner, atol=EXACT)


def test_everything_is_float32_under_half_precision(policy):
    rgb = picture(4, 5)
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
def test_an_unknown_filter_or_convention_is_refused_with_the_known_ones(make):
    with pytest.raises(InputError, match=r"it can be bicubic, pillow-bicubic, bilinear|it can be bt601, full-range"):
        make()


def test_the_weighted_loss_on_rgb_is_that_of_luma_and_a_constant():
    hr, rgb, wrong = picture(8, 9), picture(8, 9, seed=1), picture(8, 9, 1, seed=2)
    loss, y = get_loss("weighted-mse"), rgb_to_y(hr)[..., None]
    right, off = (float(loss(hr, ReplaceLuma(peak=255.0)([rgb, luma]))) for luma in (y, wrong))
    # The loss rounds the weights of luma to five digits: what it sees of chroma is a few ten-thousandths.
    assert off - right == pytest.approx((255 / 219) ** 2 / 3 * np.mean(np.square(wrong - y)), rel=1e-3)
