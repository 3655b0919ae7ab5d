from collections import Counter

import numpy as np
import pytest

from wdsr_tf.data.degrade import bsrgan


def test_order_is_random_but_the_second_resize_comes_after_the_first():
    rng = np.random.default_rng(0)
    orders = [bsrgan.ordered(rng) for _ in range(1000)]
    assert all(Counter(order) == Counter(bsrgan.STEPS) for order in orders)
    assert all(order.index("shrink") < order.index("fit") for order in orders)
    assert len(set(map(tuple, orders))) == 180  # 6! orders; the two blurs are alike, and the resizes have one order
    assert {order[0] for order in orders} == {"blur", "shrink", "noise", "jpeg"}


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_lr_shows_the_same_place_as_hr(scale):
    """Averaged over many degradations of a ramp, LR is HR downscaled: a shift by a pixel would show as a difference."""
    ramp = np.add.outer(np.arange(48 * scale), np.arange(48 * scale)) / (96 * scale)
    hr = np.stack([ramp] * 3).astype("float32")
    rng = np.random.default_rng(0)
    mean = np.mean([bsrgan.degrade(hr, scale, rng) for _ in range(60)], axis=0)[:, 12:-12, 12:-12]
    expected = hr.reshape(3, 48, scale, 48, scale).mean((2, 4))[:, 12:-12, 12:-12]
    assert abs((mean - expected).mean()) < 0.1 / 48  # a shift by one LR pixel, both ways, is 1 / 48


def test_noise_is_of_each_channel_of_all_or_correlated():
    flat, rng, kinds = np.full((3, 60, 60), 0.5, "float32"), np.random.default_rng(0), Counter()
    for _ in range(200):
        noise = bsrgan.add_noise(flat, 10 / 255, rng) - flat
        correlation = np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]
        kinds["gray" if correlation > 0.999 else "color" if abs(correlation) < 0.08 else "correlated"] += 1
    # 0.4, 0.4 and 0.2 of 200, with four standard errors
    assert 52 <= kinds["color"] <= 108 and 52 <= kinds["gray"] <= 108 and 17 <= kinds["correlated"] <= 63
