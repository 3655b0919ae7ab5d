import numpy as np

from wdsr_tf.inference.ensemble import self_ensemble

LR = np.random.default_rng(0).integers(0, 256, (5, 7, 3), "uint8")


def nearest(rgb):
    return rgb.repeat(2, axis=0).repeat(2, axis=1).astype("float32")


def test_an_upscaler_that_ignores_position_is_its_own_ensemble():
    np.testing.assert_array_equal(self_ensemble(nearest, LR), nearest(LR))


def test_the_eight_positions_are_different_and_all_flips_and_rotations():
    seen = []
    self_ensemble(lambda rgb: seen.append(rgb.tobytes()) or nearest(rgb), LR)
    flips = [LR[::down, ::across] for down in (1, -1) for across in (1, -1)]
    expected = [position.tobytes() for flip in flips for position in (flip, flip.transpose(1, 0, 2))]
    assert len(set(seen)) == 8 and set(seen) == set(expected)


def test_the_ensemble_is_the_mean_of_the_results_turned_back():
    def brighter_at_the_top(rgb):
        sr = nearest(rgb)
        sr[0] += 8
        return sr

    difference = self_ensemble(brighter_at_the_top, LR) - nearest(LR)
    expected = np.zeros((10, 14, 3))
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        expected[edge] += 2  # each edge is on top in two of the eight positions
    np.testing.assert_allclose(difference, expected, atol=1e-4)  # float32 sums of eight values up to 255
