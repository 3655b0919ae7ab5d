import io

import numpy as np
import pytest

from wdsr_tf.images.resize import imresize
from wdsr_tf.models import create_model
from wdsr_tf.training import panels


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, "uint8")


def shown(panel, width):
    """The four images of a panel."""
    array = np.asarray(panel)[panels.CAPTION :]
    return [array[:, i * (width + panels.GAP) :][:, :width] for i in range(4)]


def test_a_panel_shows_lr_bicubic_sr_and_hr_side_by_side():
    lr, sr, hr = noise(50, 60, 3), noise(100, 120, 3, seed=1), noise(100, 120, 3, seed=2)
    upscaled = lr.repeat(2, 0).repeat(2, 1)
    for found, expected in zip(shown(panels.draw(lr, sr, hr), 120), [upscaled, imresize(lr, 2), sr, hr], strict=True):
        np.testing.assert_array_equal(found, expected)


def test_small_patches_are_repeated_so_that_captions_have_room():
    hr = noise(24, 24, 3)
    panel = panels.draw(hr[::2, ::2], hr, hr)
    np.testing.assert_array_equal(shown(panel, 96)[3], hr.repeat(4, 0).repeat(4, 1))


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
def test_patches_are_the_centers_of_the_first_images_of_batches(scale):
    batches = [(noise(2, 201, 130, 3, seed=k), noise(2, 201 * scale, 130 * scale, 3, seed=k)) for k in range(9)]
    found, side = panels.patches(iter(batches), scale, count=3), panels.SIDE // scale
    assert len(found) == 3
    for (lr, hr), (lrs, hrs) in zip(found, batches, strict=False):
        top, left = (201 - side) // 2, (130 - side) // 2
        np.testing.assert_array_equal(lr, lrs[0, top : top + side, left : left + side])
        rows, columns = (slice(first * scale, (first + side) * scale) for first in (top, left))
        np.testing.assert_array_equal(hr, hrs[0, rows, columns])


def test_smaller_images_are_shown_whole():
    lr, hr = noise(1, 10, 12, 3), noise(1, 20, 24, 3)
    ((found_lr, found_hr),) = panels.patches([(lr, hr)], 2)
    np.testing.assert_array_equal(found_lr, lr[0])
    np.testing.assert_array_equal(found_hr, hr[0])


@pytest.mark.parametrize("side", [panels.SIDE, 95, 24])
def test_even_noise_takes_less_than_200_kilobytes(side):
    file = io.BytesIO()
    panels.draw(noise(side, side, 3), noise(side, side, 3, seed=1), noise(side, side, 3, seed=2)).save(file, "PNG")
    assert file.tell() < 200_000


def test_sr_is_the_output_of_the_network_and_black_if_that_is_nan():
    model = create_model("wdsr-a", 2, num_filters=2, num_res_blocks=1)
    lr = np.full((48, 50, 3), 90, "uint8")
    (panel,) = panels.draw_all(model, [(lr, lr.repeat(2, 0).repeat(2, 1))])
    expected = np.rint(np.clip(np.asarray(model(lr[None]))[0], 0, 255))
    # A value within float32's error of a half may be rounded either way.
    assert np.abs(shown(panel, 100)[2] - expected).max() <= 1
    for weight in model.trainable_weights:
        weight.assign(np.full(weight.shape, np.nan))
    (panel,) = panels.draw_all(model, [(lr, lr.repeat(2, 0).repeat(2, 1))])
    assert not shown(panel, 100)[2].any()
