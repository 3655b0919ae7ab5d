"""LR and HR stay aligned, pixel for pixel, through crops, flips and rotations."""

import numpy as np
import pytest

from wdsr_tf.data.augment import augment, crop, flip, rotate

SYMMETRIES = [(flipped, turns) for flipped in (False, True) for turns in range(4)]


def tracked(height, width, scale):
    """A pair whose LR pixels encode their positions and whose HR repeats each LR pixel."""
    lr = np.stack([*np.mgrid[:height, :width], np.full((height, width), 7)], axis=-1).astype("uint8")
    return lr, upscaled(lr, scale)


def upscaled(lr, scale):
    return lr.repeat(scale, axis=0).repeat(scale, axis=1)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("flipped, turns", SYMMETRIES)
def test_lr_and_hr_patches_show_the_same(scale, flipped, turns):
    patches = crop(*tracked(12, 17, scale), top=3, left=8, size=5, scale=scale)
    lr, hr = augment(*patches, flipped, turns)
    np.testing.assert_array_equal(hr, upscaled(lr, scale))


def test_crop_begins_at_the_given_position():
    lr, hr = crop(*tracked(12, 17, 2), top=3, left=8, size=5, scale=2)
    assert lr.shape == (5, 5, 3) and hr.shape == (10, 10, 3)
    assert lr[0, 0].tolist() == hr[0, 0].tolist() == hr[1, 1].tolist() == [3, 8, 7]
    assert lr[4, 4].tolist() == hr[9, 9].tolist() == [7, 12, 7]


def test_crop_can_include_the_last_row_and_column():
    lr, hr = crop(*tracked(12, 17, 3), top=7, left=12, size=5, scale=3)
    assert lr[-1, -1].tolist() == hr[-1, -1].tolist() == [11, 16, 7]


@pytest.mark.parametrize("flipped, turns", SYMMETRIES)
def test_images_are_flipped_and_then_rotated_counterclockwise(flipped, turns):
    rng = np.random.default_rng(0)
    lr, hr = rng.integers(0, 256, (4, 5, 3)), rng.integers(0, 256, (8, 10, 3))
    for ours, x in zip(augment(lr, hr, flipped, turns), (lr, hr), strict=True):
        np.testing.assert_array_equal(ours, np.rot90(np.fliplr(x) if flipped else x, turns))


def test_all_eight_symmetries_differ():
    lr, hr = tracked(3, 3, 2)
    assert len({augment(lr, hr, *symmetry)[0].tobytes() for symmetry in SYMMETRIES}) == 8


def test_four_quarter_turns_or_two_flips_change_nothing():
    pair = tracked(3, 4, 2)
    for same in (rotate(*rotate(*pair, 3), 1), rotate(*pair, -4), flip(*flip(*pair))):
        for ours, x in zip(same, pair, strict=True):
            np.testing.assert_array_equal(ours, x)
