import numpy as np
import pytest

from wdsr_tf.evaluation.consistency import color_shift, lr_consistency
from wdsr_tf.images.resize import imresize

SMOOTH = np.rint(imresize(np.random.default_rng(0).integers(40, 200, (12, 10, 3), "uint8").astype(float), 4)).clip(
    0, 255
)
LR = imresize(SMOOTH.astype("uint8"), 0.25)


def test_hr_is_consistent_with_the_lr_that_was_made_of_it():
    assert lr_consistency(SMOOTH, LR) > 55  # LR is rounded, which alone limits it
    assert color_shift(SMOOTH, LR) < 0.2


@pytest.mark.parametrize("shift", [(3, 3, 3), (6, -2, 1)])
def test_a_tint_is_measured_in_gray_levels_and_in_db(shift):
    tinted = SMOOTH + np.array(shift)
    assert color_shift(tinted, LR) == pytest.approx(np.abs(shift).mean(), abs=0.2)
    assert lr_consistency(tinted, LR) == pytest.approx(20 * np.log10(255 / np.sqrt(np.square(shift).mean())), abs=0.3)


def test_the_edge_is_left_out_because_versions_of_matlab_differ_there():
    repeated = imresize(SMOOTH.astype("uint8"), 0.25, edges="repeat")
    assert (repeated != LR).any()
    assert lr_consistency(SMOOTH, repeated) == lr_consistency(SMOOTH, LR)


def test_noise_that_downscaling_removes_costs_nothing():
    checkerboard = 10 * (np.indices(SMOOTH.shape[:2]).sum(axis=0) % 2 * 2 - 1)[..., None]
    assert lr_consistency(SMOOTH + checkerboard, LR) > 45
    assert lr_consistency(SMOOTH + 10, LR) < 29


def test_an_lr_image_of_less_than_five_pixels_has_no_figure():
    assert np.isnan(lr_consistency(SMOOTH[:16], LR[:4])) and np.isnan(color_shift(SMOOTH[:16], LR[:4]))
