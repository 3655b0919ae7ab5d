import numpy as np
import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.inference.tiling import CALL, plan, square_plan
from wdsr_tf.receptive_field import ReceptiveField

CASES = 300


def cases(seed):
    """Random sizes, receptive fields and budgets; most images are larger than their tiles."""
    random = np.random.default_rng(seed)
    for _ in range(CASES):
        size = tuple(int(length) for length in np.exp(random.uniform(0, np.log(900), 2)))
        receptive_field = ReceptiveField(int(random.integers(0, 40)), int(random.choice([1, 1, 2, 3, 4])))
        yield size, receptive_field, int(np.exp(random.uniform(np.log(100), np.log(200_000)))), random


def parts(size, random):
    """The whole image, and a part of it."""
    yield None
    yield tuple(tuple(sorted(random.choice(length + 1, 2, replace=False).tolist())) for length in size)


def axes(tiles, size, part):
    return zip((tiles.rows, tiles.columns), size, part or [(0, length) for length in size], strict=True)


def test_every_pixel_is_kept_exactly_once():
    for size, receptive_field, pixels, random in cases(0):
        for part in parts(size, random):
            for spans, _, (low, high) in axes(plan(size, receptive_field, pixels, part), size, part):
                assert [spans[0].low, *(span.high for span in spans)] == [*(span.low for span in spans), high]
                assert spans[0].low == low
                assert all(span.low < span.high for span in spans)


def test_a_tile_has_all_that_its_kept_pixels_see_or_ends_with_the_image():
    for size, receptive_field, pixels, random in cases(1):
        for part in parts(size, random):
            for spans, length, _ in axes(plan(size, receptive_field, pixels, part), size, part):
                for span in spans:
                    assert 0 <= span.start < span.stop <= length
                    assert span.start == 0 or span.low - span.start >= receptive_field.radius
                    assert span.stop == length or span.stop - span.high >= receptive_field.radius


def test_all_tiles_have_one_shape_and_start_on_the_grid_of_strides():
    for size, receptive_field, pixels, random in cases(2):
        for part in parts(size, random):
            for spans, length, _ in axes(plan(size, receptive_field, pixels, part), size, part):
                assert len({span.stop - span.start for span in spans}) == 1
                # From either end of the image, so that flipped tiles and the padding at the end fit too.
                assert all(span.start % receptive_field.multiple == 0 for span in spans)
                assert all((length - span.stop) % receptive_field.multiple == 0 for span in spans)


def test_tiles_fit_into_the_budget_unless_they_are_as_small_as_possible():
    for size, receptive_field, pixels, random in cases(3):
        for part in parts(size, random):
            tiles = plan(size, receptive_field, pixels, part)
            if tiles.pixels > pixels:
                assert max(tiles.tile) <= 4 * (receptive_field.radius + receptive_field.multiple)


def test_a_row_of_tiles_counts_as_memory_too():
    receptive_field = ReceptiveField(10)
    tiles = plan((2000, 5000), receptive_field, 100_000, held=0.1)
    height, width = tiles.tile
    assert height * width + 0.1 * height * 5000 <= 100_000
    assert height < plan((2000, 5000), receptive_field, 100_000).tile[0]


@pytest.mark.parametrize(
    "size, radius, pixels, most",
    [
        ((5000, 5000), 18, 1_000_000, 1.08),
        ((1404, 2040), 18, 1_000_000, 1.06),
        ((3000, 4000), 4, 300_000, 1.05),
        ((3000, 4000), 36, 600_000, 1.22),
        ((600, 600), 18, 1_000_000, 1.0),
        ((20000, 300), 18, 300_000, 1.05),
    ],
)
def test_overlaps_cost_little(size, radius, pixels, most):
    tiles = plan(size, ReceptiveField(radius), pixels)
    work = len(tiles.rows) * len(tiles.columns) * np.prod(tiles.tile)
    assert work <= most * np.prod(size)


def test_no_regular_grid_within_the_budget_is_cheaper():
    for size, receptive_field, pixels, _ in cases(4):
        tiles = plan(size, receptive_field, pixels)
        work = len(tiles.rows) * len(tiles.columns) * (np.prod(tiles.tile) + CALL)
        for rows in range(1, 12):
            for columns in range(1, 12):
                tile = [
                    -(-(length + 2 * receptive_field.radius * (count - 1)) // count) + 2 * receptive_field.multiple
                    for length, count in zip(size, (rows, columns), strict=True)
                ]
                if np.prod(tile) <= pixels and min(tile) >= 3 * receptive_field.radius + 2 * receptive_field.multiple:
                    assert work <= rows * columns * (np.prod(tile) + CALL)


def test_an_image_that_fits_is_one_tile():
    tiles = plan((100, 80), ReceptiveField(18, 4), 8000)
    assert tiles.tile == (100, 80)
    assert len(tiles.rows) == len(tiles.columns) == 1


def test_finished_pixels_are_read_no_further_than_the_radius():
    tiles = plan((1000, 1000), ReceptiveField(18), 100_000, part=((500, 600), (300, 1000)))
    assert tiles.rows[0].start >= 500 - 18
    assert tiles.columns[0].start >= 300 - 18
    assert tiles.rows[-1].stop <= 600 + 18 + len(tiles.rows)


def test_planning_the_largest_images_takes_no_time():
    tiles = plan((200_000, 200_000), ReceptiveField(2), 5_000)
    assert tiles.pixels <= 5_000


def test_tiles_of_a_requested_side_are_as_large_as_that_allows_and_cover_the_image():
    for size, receptive_field, _, random in cases(5):
        side = 2 * (receptive_field.radius + receptive_field.multiple) + int(random.integers(0, 200))
        for part in parts(size, random):
            tiles = square_plan(size, receptive_field, side, part)
            for spans, length, (low, high) in axes(tiles, size, part):
                tile = spans[0].stop - spans[0].start
                assert min(length, side) - receptive_field.multiple < tile <= side
                assert [spans[0].low, *(span.high for span in spans)] == [*(span.low for span in spans), high]
                assert spans[0].low == low
                for span in spans:
                    assert span.start == 0 or span.low - span.start >= receptive_field.radius
                    assert span.stop == length or span.stop - span.high >= receptive_field.radius
                    assert span.start % receptive_field.multiple == (length - span.stop) % receptive_field.multiple == 0


def test_tiles_that_neighbors_would_cover_are_refused_if_there_are_neighbors():
    with pytest.raises(InputError, match=r"Tiles of 36 pixels are too small.* 18 pixels .*Pass a tile of 38 or more"):
        square_plan((100, 30), ReceptiveField(18), 36)
    assert len(square_plan((36, 30), ReceptiveField(18), 36).rows) == 1
    assert len(square_plan((100, 30), ReceptiveField(18), 38).rows) > 1
