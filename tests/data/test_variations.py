"""waifu2x's variations of HR."""

import numpy as np
import pytest

from wdsr_tf.data.augment import augment
from wdsr_tf.data.degrade.waifu2x import downscale_blurred
from wdsr_tf.data.variations import HALVING, Variations, color_noise, half_size, overlay, unsharp_mask

PICTURE = np.random.default_rng(0).integers(60, 180, (20, 20, 3), dtype="uint8")


def rng(seed=0):
    return np.random.default_rng(seed)


class Drawn:
    """A generator that draws given numbers, and remembers the ranges."""

    def __init__(self, *numbers):
        self.numbers, self.ranges = list(numbers), []

    def uniform(self, *limits):
        self.ranges.append(limits)
        return self.numbers.pop(0)


@pytest.mark.parametrize("seed", range(5))
def test_color_noise_scales_the_principal_components_by_a_tenth_at_most(seed):
    colors = PICTURE.reshape(-1, 3).astype("float64") @ [[1, 0.3, 0], [0, 0.8, 0.2], [0, 0, 0.5]]
    hr = np.rint(colors).clip(0, 255).astype("uint8").reshape(PICTURE.shape)
    pixels = hr.reshape(-1, 3).astype("float64")
    matrix, *_ = np.linalg.lstsq(pixels, color_noise(hr, rng(seed)).reshape(-1, 3).astype("float64"), rcond=None)
    # Rounded to bytes: each of 400 pixels of about 100 is off by up to a half, so the nine numbers by some 1e-3.
    factors, axes = np.linalg.eigh((matrix + matrix.T) / 2)
    np.testing.assert_allclose(matrix, matrix.T, atol=5e-3)
    assert factors.min() > 1 / 1.1 - 5e-3 and factors.max() < 1.1 + 5e-3 and np.ptp(factors) > 0.01
    spread = axes.T @ np.cov(pixels, rowvar=False) @ axes
    deviations = np.sqrt(np.diag(spread))
    assert np.abs((spread / np.outer(deviations, deviations))[np.triu_indices(3, 1)]).max() < 0.3  # uncorrelated


def test_gray_stays_gray_with_color_noise():
    gray = np.repeat(PICTURE[..., :1], 3, axis=2)
    varied = color_noise(gray, rng()).astype(int)
    assert np.ptp(varied, axis=2).max() <= 1 and (varied != gray).any()  # rounding may part the colors by one


def test_overlay_blends_with_any_of_eight_symmetries_in_any_proportion():
    seen, shares = set(), []
    for seed in range(100):
        blended = overlay(PICTURE, rng(seed)).astype("float64")
        for symmetry in [(flipped, turns) for flipped in (False, True) for turns in range(4)]:
            change = augment(PICTURE, PICTURE, *symmetry)[0].astype("float64") - PICTURE
            share = (change * (blended - PICTURE)).sum() / max(1, np.square(change).sum())
            if np.abs(PICTURE + share * change - blended).max() <= 0.6:  # rounding, and that of the share
                seen.add(symmetry)
                shares.append(share)
    assert len(seen) == 8 and min(shares) < 0.1 and max(shares) > 0.9


def test_unsharp_mask_adds_a_part_of_what_a_gaussian_filter_removes():
    sigma, amount = 0.8, 0.7
    random = Drawn(sigma, amount, 0.0)
    sharp = unsharp_mask(PICTURE, random).astype("float64")
    assert random.ranges == [(0.5, 1.5), (0.1, 0.9), (0, 0.05)]
    radius = 3
    line = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = np.outer(line, line) / line.sum() ** 2
    wide = np.pad(PICTURE.astype("float64"), [(radius, radius)] * 2 + [(0, 0)], "edge")
    blurred = sum(
        kernel[i, j] * wide[i : i + 20, j : j + 20] for i in range(2 * radius + 1) for j in range(2 * radius + 1)
    )
    expected = np.clip(PICTURE + amount * (PICTURE - blurred), 0, 255)
    assert np.abs(sharp - expected).max() < 0.51  # rounded to bytes


def test_unsharp_mask_leaves_small_differences_alone():
    faint, strong = (np.where(np.arange(20)[:, None, None] < 10, 128, 128 + step) for step in (5, 50))
    faint, strong = (np.broadcast_to(each, (20, 20, 3)).astype("uint8") for each in (faint, strong))
    np.testing.assert_array_equal(unsharp_mask(faint, Drawn(1.0, 0.9, 0.05)), faint)  # below 255 * 0.05 / 2
    assert (unsharp_mask(faint, Drawn(1.0, 0.9, 0.0)) != faint).any()
    assert (unsharp_mask(strong, Drawn(1.0, 0.9, 0.05)) != strong).any()


def test_half_size_uses_each_of_waifu2xs_filters():
    possible = {downscale_blurred(PICTURE, 2, name).tobytes() for name in HALVING}
    assert {half_size(PICTURE, rng(seed)).tobytes() for seed in range(30)} == possible
    assert len(possible) == 3


@pytest.mark.parametrize("name", ["color_noise", "overlay", "unsharp_mask"])
def test_each_variation_happens_as_often_as_asked(name):
    vary = Variations(**{name: 0.3})
    changed = [not np.array_equal(vary(PICTURE, rng(seed)), PICTURE) for seed in range(400)]
    assert 0.2 < np.mean(changed) < 0.4  # four standard deviations; an overlay of itself changes nothing


def test_patches_are_halved_as_often_as_asked():
    assert 0.2 < np.mean([Variations(half_size=0.3).halves(rng(seed)) for seed in range(400)]) < 0.4


def test_without_variations_nothing_is_drawn():
    random = Drawn()
    assert Variations()(PICTURE, random) is PICTURE and not Variations().halves(random)
