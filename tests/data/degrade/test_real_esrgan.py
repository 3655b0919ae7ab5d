import dataclasses
from collections import Counter

import numpy as np
import pytest

from wdsr_tf.data import degrade
from wdsr_tf.data.degrade import compression, operations, real_esrgan

HR = np.random.default_rng(0).integers(0, 256, (160, 168, 3), "uint8")


@pytest.mark.parametrize("jpeg_last, output", [(True, "output_order1"), (False, "output_order2")])
def test_degradation_equals_the_reference(golden, jpeg_last, output):
    arrays, _ = golden("gan/second_order_chain")

    def add(noise):
        return lambda image: np.clip(image + noise, 0, 1)

    plan = real_esrgan.Plan(
        real_esrgan.Order(arrays["kernel1"][0], 0.55, "bicubic", add(arrays["noise1"][0]), 57),
        real_esrgan.Order(arrays["kernel2"][0], 0.83, "area", add(arrays["noise2"][0]), 72),
        "bilinear",
        arrays["sinc_kernel"][0],
        jpeg_last,
    )
    sharp = operations.sharpen(arrays["input"][0])
    np.testing.assert_allclose(sharp, arrays["s0_usm"][0], rtol=0, atol=5e-6)
    lr = real_esrgan.degrade(sharp, 4, plan, compression.diff_jpeg)
    difference = np.abs(lr - arrays[output][0]) * 255
    # Values at .5 may be rounded the other way.
    assert difference.max() <= 1.001 and np.mean(difference > 0.5) < 0.01


def test_choices_have_the_published_probabilities():
    rng = np.random.default_rng(0)
    plans = [real_esrgan.draw(real_esrgan.REAL, rng) for _ in range(2000)]
    # Bounds: four standard errors of 2,000 draws are at most 0.045.
    assert all(plan.first.kernel is not None for plan in plans)
    assert np.mean([plan.second.kernel is not None for plan in plans]) == pytest.approx(0.8, abs=0.045)
    assert np.mean([plan.kernel is not None for plan in plans]) == pytest.approx(0.8, abs=0.045)
    assert np.mean([plan.jpeg_last for plan in plans]) == pytest.approx(0.5, abs=0.045)
    for name, up, down, low, high in (("first", 0.2, 0.7, 0.15, 1.5), ("second", 0.3, 0.4, 0.3, 1.2)):
        factors = np.array([getattr(plan, name).factor for plan in plans])
        assert np.mean(factors > 1) == pytest.approx(up, abs=0.045)
        assert np.mean(factors < 1) == pytest.approx(down, abs=0.045)
        assert low <= factors.min() < low + 0.05 and high - 0.05 < factors.max() <= high
        qualities = np.array([getattr(plan, name).quality for plan in plans])
        assert 30 <= qualities.min() < 32 and 93 < qualities.max() <= 95
    assert all(abs(plan.first.kernel.sum() - 1) < 1e-9 and plan.first.kernel.shape == (21, 21) for plan in plans)
    modes = Counter(plan.mode for plan in plans)
    assert set(modes) == set(real_esrgan.MODES) and min(modes.values()) > 580


def test_light_never_blurs_or_compresses_as_strongly():
    rng = np.random.default_rng(0)
    plans = [real_esrgan.draw(real_esrgan.LIGHT, rng) for _ in range(300)]
    assert all(order.quality >= 75 and 0.4 <= order.factor <= 1.5 for p in plans for order in (p.first, p.second))
    assert all(plan.kernel is None for plan in plans)
    assert 0.25 < np.mean([plan.first.kernel is not None for plan in plans]) < 0.55


def test_network_learns_sharpened_hr_unless_told_otherwise():
    cut = np.s_[48:-48, 48:-48]
    _, target = degrade.parse("real-esrgan", 4).pair(HR, np.random.default_rng(0))
    assert np.array_equal(target, real_esrgan.sharpened(HR)[cut])
    assert not np.array_equal(target, HR[cut])
    _, target = degrade.parse("real-esrgan,sharpen=False", 4).pair(HR, np.random.default_rng(0))
    assert np.array_equal(target, HR[cut])


def test_lr_shows_the_same_place_as_its_target():
    """Without noise, blur and compression, LR is HR downscaled, at the same place."""
    ranges = real_esrgan.Ranges(blur=0, resize=(0, 0), noise=0, quality=(100, 100))
    plain = real_esrgan.Strength(ranges, ranges, final_sinc=0)
    smooth = np.add.outer(np.arange(160), 0.5 * np.arange(168))[..., None].repeat(3, 2).astype("uint8")
    make, margin = real_esrgan.recipe(plain, "plain", 4, sharpen=False)
    recipe = degrade.Recipe("plain", 4, margin, make)
    lr, target = recipe.pair(smooth, np.random.default_rng(0))
    means = target.reshape(lr.shape[0], 4, lr.shape[1], 4, 3).mean((1, 3))
    assert np.abs(means - lr).max() < 3  # a ramp: a shift by one LR pixel would differ by 2 to 4 everywhere
    assert abs((means - lr).mean()) < 0.5


def test_both_compressions_can_be_chosen():
    lrs = [degrade.parse(f"real-esrgan,jpeg={name}", 4)(HR, np.random.default_rng(3)) for name in ("pillow", "diff")]
    assert not np.array_equal(*lrs) and np.abs(lrs[0].astype(int) - lrs[1]).mean() < 20


def test_ranges_are_values():
    stronger = dataclasses.replace(real_esrgan.REAL.first, sigma=(2, 3))
    assert real_esrgan.REAL.first.sigma == (0.2, 3) and stronger.sigma == (2, 3)
