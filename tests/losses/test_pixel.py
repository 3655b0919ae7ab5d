import numpy as np
import pytest

from tests.helpers.gradients import gradient
from tests.helpers.networks import nhwc
from wdsr_tf.losses import LUMA, binary_filters, get_loss

ROUNDING = 1e-6  # relative, of float32 means of a hundred numbers


def value(name, hr, sr):
    return float(get_loss(name)(hr, sr))


@pytest.mark.parametrize(
    "name, golden_name, factor",  # our loss is `factor` times the reference value, which is on 0..1
    [
        ("mae", "l1", 255),
        ("mse", "mse", 255**2),
        ("weighted-mse", "weighted_mse (weights 0.29891,0.58661,0.11448; mean over all elements)", 255**2),
        ("weighted-mse", "weighted_mse weights*3", 255**2 / 3),
        ("charbonnier", "charbonnier eps 1e-3 (not in the references; convenience)", 255),
        ("weighted-huber", "seed WeightedHuber (delta 1, weights*3)", 1),
        ("waifu2x-huber", "waifu2x clipped weighted huber (gamma .1, weights*3, prediction clipped to 0..1)", 1),
    ],
)
def test_losses_equal_the_reference_values(golden, name, golden_name, factor):
    arrays, facts = golden("losses")
    ours = value(name, 255 * nhwc(arrays["target"]), 255 * nhwc(arrays["pred"]))
    assert ours == pytest.approx(factor * facts["values"][golden_name], rel=ROUNDING)


def test_clipped_mse_equals_mse_of_a_clipped_image(golden):
    arrays, facts = golden("losses")
    clipped = np.clip(nhwc(arrays["pred"]), 0, 1)
    ours = value("mse", 255 * nhwc(arrays["target"]), 255 * clipped)
    assert ours == pytest.approx(255**2 * facts["values"]["clipped_mse"], rel=ROUNDING)


def test_huber_is_quadratic_below_its_threshold_and_linear_above():
    hr = np.zeros((1, 1, 2, 3), "float32")
    assert value("huber", hr, hr + 255 * 0.05) == pytest.approx(0.05**2 / 2)
    assert value("huber", hr, hr + 255 * 0.5) == pytest.approx(0.1 * (0.5 - 0.05))


def test_each_color_has_its_own_weight():
    hr = np.zeros((1, 4, 5, 3), "float32")
    for color, weight in enumerate(LUMA):
        sr = hr.copy()
        sr[..., color] = 30
        assert value("weighted-mse", hr, sr) == pytest.approx(weight * 30**2 / 3)


def test_the_gradient_of_waifu2x_huber_skips_the_clip_and_the_weights():
    hr = np.full((1, 1, 3, 3), 0.5, "float32") * 255
    sr = hr + 255 * np.array([0.02, 0.4, 0.7], "float32").reshape(1, 1, 3, 1)  # the last value is clipped to 1
    error = np.multiply.outer([0.02, 0.4, 0.5], 3 * np.array(LUMA))
    expected = np.clip(error, -0.1, 0.1) / 9 / 255
    np.testing.assert_allclose(gradient(lambda x: get_loss("waifu2x-huber")(hr, x), sr)[0, 0], expected, rtol=1e-5)


def test_lbp_compares_the_responses_to_its_filters():
    random = np.random.default_rng(0)
    hr, sr = random.uniform(0, 255, (2, 5, 4, 3)), random.uniform(-60, 315, (2, 5, 4, 3))
    difference = (np.clip(sr, 0, 255) - hr) / 255
    windows = np.lib.stride_tricks.sliding_window_view(difference, (3, 3), axis=(1, 2))
    responses = np.abs(np.einsum("bhwcij,ijcn->bhwn", windows, binary_filters(128, 11)))
    expected = np.where(responses < 0.1, responses**2 / 2, 0.1 * (responses - 0.05)).mean()
    assert value("lbp", hr.astype("float32"), sr.astype("float32")) == pytest.approx(expected, rel=1e-5)


def test_lbp_passes_gradients_through_the_clip():
    hr = np.full((1, 3, 3, 3), 100.0, "float32")
    assert gradient(lambda x: get_loss("lbp")(hr, x), hr + 300).any()


def test_lbp_filters_are_binary_sparse_and_reproducible():
    filters = binary_filters(128, 11)
    assert np.array_equal(filters, binary_filters(128, 11))
    assert not np.array_equal(filters, binary_filters(128, 12))
    assert set(np.unique(filters)) == {-1, 0, 1}
    # 0.9 n draws with replacement miss exp(-0.9) of n positions; 3,375 positions have a standard error of 0.9 %.
    assert (filters[..., 3:] != 0).mean() == pytest.approx(1 - np.exp(-0.9), abs=0.03)
    for color in range(3):
        expected = np.zeros((3, 3, 3))
        expected[1, 1, color] = 1
        assert np.array_equal(filters[..., color], expected)
