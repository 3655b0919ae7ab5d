import numpy as np
import pytest

from wdsr_tf import images
from wdsr_tf.images.grain import GRAINY, grain


def scene(sigma, gray=False):
    """Smooth shades with edges, texture, and white, plus noise."""
    random, (y, x) = np.random.default_rng(0), np.mgrid[:192, :256]
    levels = 120 + 60 * np.sin(x / 60) * np.cos(y / 45)
    levels[60:120, 100:180] = 255
    levels[130:, :90] += 40 * np.sign(np.sin(x[130:, :90]) * np.cos(y[130:, :90]))
    noise = random.normal(0, sigma, (192, 256, 1 if gray else 3))
    return images.Picture(images.to_uint8(levels[..., None] + noise + np.zeros(3)))


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("sigma", [5, 10, 15, 25])
def test_the_standard_deviation_of_noise_is_found_beside_edges_texture_and_white(sigma, gray):
    assert grain(scene(sigma, gray)) == pytest.approx(sigma, rel=0.2)


def test_a_clean_image_has_no_grain():
    assert grain(scene(0)) < 1 < GRAINY


def test_depth_does_not_matter():
    noisy = scene(10)
    assert grain(images.change_depth(noisy, "uint16")) == pytest.approx(grain(noisy), rel=1e-3)


@pytest.mark.parametrize("values", [np.zeros((8, 9, 3), "uint8"), np.full((100, 100, 3), 255, "uint8")])
def test_images_that_cannot_tell_have_none(values):
    assert grain(images.Picture(values)) == 0


def test_photographs_have_little_and_noise_shows(reference):
    alarms = found = count = 0
    for path in images.find(reference / "images/photos/valid"):
        rgb = images.read(path)[300:700, 300:700]
        noise = np.random.default_rng(0).normal(0, 8, rgb.shape)
        alarms += grain(images.Picture(rgb)) >= GRAINY
        found += grain(images.Picture(images.to_uint8(rgb + noise))) >= GRAINY
        count += 1
    assert alarms == 0 and found >= 0.9 * count
