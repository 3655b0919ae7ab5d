"""Where tiles start and what each keeps: pure functions of lengths in LR pixels.

All tiles of a plan have one shape. On each axis they start at multiples of the receptive field's `multiple`, overlap by
its radius, or the overlap that is used instead, on either side of a seam and no more, and end exactly where the image
ends: at its borders a tile sees the same as the whole image would, and keeps everything. One tile runs at a time: it
takes no more memory than two of half its area side by side, and computes what those share once.
"""

import dataclasses
import math

from wdsr_tf.errors import InputError

CALL = 1000  # LR pixels that take as long as starting one more tile


@dataclasses.dataclass(frozen=True)
class Span:
    """A tile along one axis: it sees `start` to `stop`, and `low` to `high` of that is kept."""

    start: int
    stop: int
    low: int
    high: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """Tiles of one shape: each of `rows` crosses each of `columns`."""

    rows: tuple
    columns: tuple

    @property
    def tile(self):
        """Height and width of every tile."""
        return tuple(spans[0].stop - spans[0].start for spans in (self.rows, self.columns))

    @property
    def pixels(self):
        """LR pixels of every tile."""
        return math.prod(self.tile)


def plan(size, receptive_field, pixels, part=None, held=0.0):
    """Returns the `Plan` with the least work for an image in tiles of at most `pixels`.

    If no tile fits into `pixels`, tiles are the smallest possible, three to four times as long as the radius.

    Args:
        size: (height, width) of the image.
        receptive_field: of the network.
        pixels: limit for a tile.
        part: ((top, bottom), (left, right)) that is left to do; tiles may look beyond it. Default: everything.
        held: memory that a pixel of a finished row takes, as a share of what a pixel in the network takes; it counts
            too.
    """
    (height, width), (vertical, horizontal) = size, part or ((0, size[0]), (0, size[1]))
    tall, wide = _Axis(height, *vertical, receptive_field), _Axis(width, *horizontal, receptive_field)
    heights, widths = list(tall.choices()), list(wide.choices())
    across = horizontal[1] - horizontal[0]

    def work(h, w):
        return tall.count(h) * wide.count(w) * (h * w + CALL)

    fitting = []
    for w in widths:
        high = [h for h in heights if h * (w + held * across) <= pixels]
        if high:
            fitting.append((high[0], w))  # heights fall
    h, w = min(fitting, key=lambda tile: work(*tile)) if fitting else (heights[-1], widths[-1])
    return Plan(tall.spans(h), wide.spans(w))


def square_plan(size, receptive_field, side, part=None):
    """Returns the `Plan` in tiles of at most `side` LR pixels on each axis; the other arguments are those of `plan`.

    Raises:
        InputError: neighbors share so much of such a tile that nothing would be kept.
    """
    parts = part or ((0, size[0]), (0, size[1]))
    axes = [_Axis(length, *span, receptive_field) for length, span in zip(size, parts, strict=True)]
    tiles = [axis.at_most(side) for axis in axes]
    if any(axis.count(tile) == math.inf for axis, tile in zip(axes, tiles, strict=True)):
        least = 2 * (receptive_field.radius + receptive_field.multiple)
        raise InputError(
            f"Tiles of {side} pixels are too small: they overlap by {receptive_field.radius} pixels on each side. Pass "
            f"a tile of {least} or more, or a smaller overlap."
        )
    return Plan(*(axis.spans(tile) for axis, tile in zip(axes, tiles, strict=True)))


class _Axis:
    """One axis of an image of `length`, with `low` to `high` to be kept."""

    def __init__(self, length, low, high, receptive_field):
        self.length, self.low, self.high = length, low, high
        self.radius, self.multiple = receptive_field.radius, receptive_field.multiple
        self.first = self._down(max(0, low - self.radius))
        self.seen = min(length, high + self.radius) - self.first

    def choices(self):
        """Lengths of tiles in falling order: the shortest for one tile, for two, and so on."""
        tile, count = self._fit(self.seen), 1
        while count == 1 or tile >= max(3 * self.radius, 2 * self.radius + self.multiple):
            yield tile
            last = tile
            while tile >= last and count < self.seen:
                count += 1 + count // 32
                tile = self._fit(-(-(self.seen + 2 * self.radius * (count - 1)) // count))
                while self.count(tile) > count:
                    tile += self.multiple
            if tile >= last:
                return

    def count(self, tile):
        """How many tiles of that length are needed."""
        beyond = self.seen - tile
        step = self._down(tile - 2 * self.radius)
        if beyond <= 0:
            return 1
        return 1 + math.ceil(beyond / step) if step > 0 else math.inf

    def at_most(self, tile):
        """The longest length up to `tile` that ends with the image if it starts at a multiple."""
        return self.length if self.length <= tile else tile - (tile - self.length) % self.multiple

    def spans(self, tile):
        """Tiles of that length, from `low` to `high`."""
        spans, low = [], self.low
        for i in range(self.count(tile)):
            start = min(self.first + i * self._down(tile - 2 * self.radius), self.length - tile)
            stop = start + tile
            high = self.high if stop == self.length else min(self.high, stop - self.radius)
            spans.append(Span(start, stop, low, high))
            low = high
        return tuple(spans)

    def _fit(self, tile):
        """The next length that ends with the image if it starts at a multiple."""
        return min(self.length, tile + (self.length - tile) % self.multiple)

    def _down(self, position):
        return position // self.multiple * self.multiple
