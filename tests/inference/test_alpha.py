import numpy as np
import pytest

from wdsr_tf.inference.alpha import bleed

RNG = np.random.default_rng(0)


def disc(height, width, radius, visible, hidden, dtype="uint8"):
    """A disc of one color on a transparent ground of another."""
    rows, columns = np.mgrid[:height, :width]
    inside = np.hypot(rows - height / 2, columns - width / 2) < radius
    rgb = np.where(inside[..., None], visible, hidden).astype(dtype)
    return rgb, (inside * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_hidden_pixels_take_the_colors_of_visible_ones(dtype):
    red, white = (200, 10, 30), (255, 255, 255)
    rgb, alpha = disc(41, 50, 9, red, white, dtype)
    filled = bleed(rgb, alpha)
    assert filled.dtype == dtype
    assert (filled == np.array(red)).all()


def test_visible_pixels_stay_even_if_hardly_visible():
    rgb = RNG.integers(0, 256, (30, 40, 3), "uint8")
    alpha = RNG.integers(0, 3, (30, 40), "uint8")
    filled = bleed(rgb, alpha)
    np.testing.assert_array_equal(filled[alpha > 0], rgb[alpha > 0])
    assert (filled[alpha == 0] != rgb[alpha == 0]).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 3), (5, 1), (17, 33), (64, 64)])
def test_any_size_is_filled_from_a_single_pixel(shape):
    rgb = np.full((*shape, 3), 255, "uint8")
    alpha = np.zeros(shape, "uint8")
    rgb[-1, 0], alpha[-1, 0] = (9, 80, 7), 255
    assert (bleed(rgb, alpha) == np.array([9, 80, 7])).all()


def test_each_side_takes_its_own_color():
    rgb, alpha = np.full((20, 60, 3), 255, "uint8"), np.zeros((20, 60), "uint8")
    rgb[:, :10], rgb[:, -10:], alpha[:, :10], alpha[:, -10:] = (250, 0, 0), (0, 0, 250), 255, 255
    filled = bleed(rgb, alpha).astype(int)
    assert (filled[:, 10:14] == [250, 0, 0]).all() and (filled[:, -14:-10] == [0, 0, 250]).all()
    assert (filled[..., 1] == 0).all() and (filled[..., 0] + filled[..., 2] >= 249).all()  # nothing of the white


def test_a_neighbor_of_visible_pixels_takes_their_mean():
    rgb, alpha = np.zeros((3, 3, 3), "float32"), np.zeros((3, 3), "float32")
    rgb[0, 0], rgb[2, 1], alpha[0, 0], alpha[2, 1] = 0.2, 0.6, 1, 0.5
    np.testing.assert_allclose(bleed(rgb, alpha)[1, 1], 0.4, rtol=1e-6)


@pytest.mark.parametrize("value", [0, 255])
def test_all_or_nothing_hidden_changes_nothing(value):
    rgb = RNG.integers(0, 256, (8, 9, 3), "uint8")
    np.testing.assert_array_equal(bleed(rgb, np.full((8, 9), value, "uint8")), rgb)
