import math

import numpy as np
import pytest

from wdsr_tf.training import curve

USUAL = [panel for panel in curve.PANELS if panel[0] not in curve.OPTIONAL]
COLORS = {column: color for *_, lines in USUAL for column, (_, color) in lines.items()}
SIZE = (curve.WIDTH, sum(height for _, height, *_ in USUAL))


def row(epoch, **columns):
    return {"epoch": epoch, "learning_rate": 1e-3, "loss": 5 / epoch, "val_psnr": 30 + epoch, **columns}


def pixels(image, color):
    """(y, x) of the pixels of this color, without those in the headings."""
    rgb = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    near = (np.abs(np.asarray(image).astype(int) - rgb).max(axis=-1) <= 2).nonzero()
    tops = np.cumsum([0, *(height for _, height, *_ in USUAL[:-1])])
    inside = [(y, x) for y, x in zip(*near, strict=True) if all(not 0 <= y - top < curve.TOP - 4 for top in tops)]
    return np.array(inside).reshape(-1, 2)


def test_a_line_rises_from_left_to_right_with_its_column():
    found = pixels(curve.draw([row(epoch) for epoch in range(1, 11)]), COLORS["val_psnr"])
    y, x = found[found[:, 0] < curve.PANELS[0][1]].T  # the same color shows the loss below
    assert x.min() <= curve.LEFT + 2 and x.max() >= curve.WIDTH - curve.RIGHT - 3
    heights = [y[x == at].mean() for at in range(100, 900, 100)]
    assert heights == sorted(heights, reverse=True) and heights[0] - heights[-1] > 100


def test_bicubic_is_a_level_line_across_the_epochs():
    y, x = pixels(curve.draw([row(epoch, bicubic_psnr=32.5) for epoch in range(1, 11)]), COLORS["bicubic_psnr"]).T
    assert x.min() <= curve.LEFT + 2 and x.max() >= curve.WIDTH - curve.RIGHT - 3
    assert y.max() - y.min() <= 2


@pytest.mark.parametrize("count", [1, 2, 3000])
def test_any_number_of_epochs_can_be_drawn(count):
    image = curve.draw([row(epoch) for epoch in range(7, 7 + count)])
    assert image.size == SIZE
    assert len(pixels(image, COLORS["val_psnr"])) > 20


def test_an_adversarial_run_has_panels_of_its_own():
    image = curve.draw([row(epoch, real_logit=1.0, fake_logit=-1.0) for epoch in range(1, 4)])
    logits = next(height for title, height, *_ in curve.PANELS if title == "discriminator's logits")
    assert image.size == (curve.WIDTH, SIZE[1] + logits)


def test_missing_and_infinite_values_leave_a_gap():
    rows = [row(epoch, ema_psnr=35.0) for epoch in range(1, 31)]
    for each in rows[10:20]:
        each |= {"val_psnr": math.nan, "loss": math.inf}
        del each["ema_psnr"]
    image = curve.draw(rows)
    for column in ("val_psnr", "ema_psnr"):
        _, x = pixels(image, COLORS[column]).T
        assert not ((x > 390) & (x < 630)).any()  # where epochs 12 to 19 are
        assert (x < 300).any() and (x > 700).any()


@pytest.mark.parametrize("columns", [{}, {"loss": math.nan, "val_psnr": math.nan}, {"loss": 0.0}, {"loss": 1e30}])
def test_a_history_with_few_values_can_be_drawn(columns):
    assert curve.draw([{"epoch": 3, **columns}]).size == SIZE


def test_a_bad_start_does_not_flatten_the_rest():
    rows = [row(epoch, val_psnr=5.0 if epoch < 4 else 30 + epoch / 100) for epoch in range(1, 101)]
    y, _ = pixels(curve.draw(rows), COLORS["val_psnr"]).T
    y = y[y < curve.PANELS[0][1]]
    assert y.max() - y.min() > 150


@pytest.mark.parametrize("values", [[30.0], [1e-6, 1e-3], [0, 0], [34.1, 34.9], [-5, 1e30], [3.0, 3.0 + 1e-9]])
def test_an_axis_includes_all_values_and_a_few_round_numbers(values):
    ticks, low, high = curve._axis(values, 6)
    assert low < min(values) and high > max(values)
    assert 1 <= len(ticks) <= 7
    assert all(low <= tick <= high for tick in ticks)


def test_epochs_are_marked_with_whole_numbers():
    for last in (1, 2, 5, 30, 3000):
        ticks, low, high = curve._axis([1, last], 12, whole=True)
        assert all(tick == round(tick) for tick in ticks) and 1 <= len(ticks) <= 13
        assert last == 1 or (low, high) == (1, last)
