"""An image through a model, in tiles that fit into memory."""

import math
import types

import numpy as np

from wdsr_tf.errors import InputError, OutOfMemory
from wdsr_tf.inference import budget, tiling
from wdsr_tf.inference.ensemble import POSITIONS
from wdsr_tf.inference.ensemble import self_ensemble as ensemble
from wdsr_tf.inference.overlap import CHOICES, is_deep, measured_overlap, overlapping

COPIES = 4  # of a strip in memory: itself, and what is made of it on its way to a file


class NotFiniteError(InputError):
    """The network's output has values that are infinite or NaN."""


def upscale(network, rgb, memory=None, self_ensemble=False, overlap=measured_overlap, tile=None):
    """Returns `rgb` (H x W x 3, 0..255, uint8 or float) upscaled: float32, neither clipped nor rounded.

    `network` is an `SRModel` or an `Engine`; the other arguments and the errors are those of `strips`.
    """
    height, width = rgb.shape[:2]
    engine = _engine(network)
    sr = np.empty((height * engine.scale, width * engine.scale, 3), "float32")
    top = 0
    for strip in strips(engine, rgb, memory, self_ensemble, overlap=overlap, tile=tile):
        sr[top : top + len(strip)] = strip
        top += len(strip)
    return sr


def strips(engine, rgb, memory=None, self_ensemble=False, watch=None, overlap=measured_overlap, tile=None):
    """Yields the upscaled image from top to bottom as strips: float32 (rows, W * scale, 3), not clipped or rounded.

    A strip is a row of tiles; one is in memory at a time. If memory runs out all the same, tiles are halved, and what
    is finished stays.

    Args:
        engine: an `Engine`.
        rgb: H x W x 3, 0..255, uint8 or float.
        memory: limit for the network and a strip, as text for `budget.parse`; None for that module's default.
        self_ensemble: average the results for eight flips and rotations of each tile.
        watch: called with the number of LR pixels that have been finished since the last call; all calls together get
            H * W, and a little more if memory ran out.
        overlap: LR pixels that neighboring tiles share on each side; or a function from the engine to them, which is
            called for a radius above 96 if the image needs tiles. Smaller radii are used as they are.
        tile: side of a tile in LR pixels, whatever `memory` says. Default: what `memory` allows.

    Raises:
        InputError: the image or the network's output isn't finite, the output has the wrong size, a tile isn't larger
            than what it shares with its neighbors, or not even a small one fits into memory.
    """
    height, width = rgb.shape[:2]
    tiles = _Tiles(engine, rgb, memory, self_ensemble, watch or (lambda pixels: None), overlap, tile)
    yield from tiles.strips(((0, height), (0, width)))


def tiles(engine, size, memory=None, overlap=measured_overlap, tile=None):
    """Returns the `tiling.Plan` by which `strips` begins an image of that size, (height, width)."""
    image = types.SimpleNamespace(shape=(*size, 3))
    return _Tiles(engine, image, memory, False, None, overlap, tile).plan(tuple((0, length) for length in size))


class _Tiles:
    """The tiles of one image; `pixels`, the size of a tile, falls if memory runs out.

    `side` is that of a tile, if it was requested and memory hasn't run out.
    """

    def __init__(self, engine, rgb, memory, self_ensemble, watch, overlap, side):
        self.engine, self.rgb, self.self_ensemble, self.watch, self.overlap = engine, rgb, self_ensemble, watch, overlap
        self.side, self.pixels, self.held = side, math.inf, 0.0
        if side is None:
            self._set_pixels(memory)
        elif max(rgb.shape[:2]) > side:
            self._set_overlap()

    def _set_pixels(self, memory):
        """What memory allows."""
        engine, overlap = self.engine, self.overlap
        strip = 3 * 4 * engine.scale**2  # bytes per LR pixel
        self.held = COPIES * strip / engine.receptive_field.bytes_per_pixel
        free = engine.free()
        least = budget.pixels(overlapping(engine, CHOICES[0]).receptive_field, free, memory)
        if not callable(overlap) or math.prod(self.rgb.shape[:2]) * (1 + self.held) > least:
            self._set_overlap()
        self.pixels = budget.pixels(self.engine.receptive_field, free, memory)

    def _set_overlap(self):
        if not callable(self.overlap):
            self.engine = overlapping(self.engine, self.overlap)
        elif is_deep(self.engine.receptive_field):
            self.engine = overlapping(self.engine, self.overlap(self.engine))

    def strips(self, part):
        """Yields the strips of `part`, ((top, bottom), (left, right)) in LR pixels."""
        (top, bottom), across = part
        while top < bottom:
            tiles = self.plan(((top, bottom), across))
            for row in tiles.rows:
                try:
                    strip = self._strip(tiles, row, across)
                except MemoryError:
                    self._halve(tiles, ((top, bottom), across))
                    break
                yield strip
                top = row.high
                if self.pixels < tiles.pixels:  # memory ran out meanwhile: plan the rest anew
                    break

    def plan(self, part):
        if self.side is not None:
            return tiling.square_plan(self.rgb.shape[:2], self.engine.receptive_field, self.side, part)
        return tiling.plan(self.rgb.shape[:2], self.engine.receptive_field, self.pixels, part, self.held)

    def _strip(self, tiles, row, across):
        scale, (left, right) = self.engine.scale, across
        strip = np.empty((scale * (row.high - row.low), scale * (right - left), 3), "float32")
        done = left
        for column in tiles.columns:
            try:
                sr = self._upscaled(row, column)
            except (OutOfMemory, MemoryError):
                break
            strip[:, scale * (column.low - left) : scale * (column.high - left)] = sr
            done = column.high
        if done < right:
            self._halve(tiles, rest := ((row.low, row.high), (done, right)))
            np.concatenate(list(self.strips(rest)), out=strip[:, scale * (done - left) :])
        return strip

    def _halve(self, tiles, part):
        self.engine.release()
        self.side, self.pixels = None, tiles.pixels // 2
        self._set_overlap()  # if it was to be one tile
        if self.plan(part).pixels >= tiles.pixels:
            height, width = tiles.tile
            raise InputError(
                f"There isn't enough memory to run {self.engine.architecture} on a tile of {height} x {width} pixels. "
                "Close other programs, or use a smaller model."
            )

    def _upscaled(self, row, column):
        """The kept part of the tile where `row` crosses `column`."""
        lr = self.rgb[row.start : row.stop, column.start : column.stop]
        kept = (row.high - row.low) * (column.high - column.low)

        def run(lr):
            sr = self._run(lr)
            self.watch(kept / (POSITIONS if self.self_ensemble else 1))
            return sr

        sr = ensemble(run, lr) if self.self_ensemble else run(lr)
        vertical, horizontal = (
            slice(self.engine.scale * (span.low - span.start), self.engine.scale * (span.high - span.start))
            for span in (row, column)
        )
        return sr[vertical, horizontal]

    def _run(self, lr):
        """A tile through the network, with its output checked."""
        engine = self.engine
        sr = engine.run(lr[None])[0]
        wanted = (lr.shape[0] * engine.scale, lr.shape[1] * engine.scale, 3)
        if sr.shape != wanted:
            raise InputError(
                f"The model {engine.architecture} returned an array of shape {sr.shape}; expected was {wanted}."
            )
        if not np.isfinite(sr).all():
            if not np.isfinite(lr).all():
                raise InputError("The image has values that aren't finite (NaN or infinity).")
            raise NotFiniteError(
                f"The model {engine.architecture} returned values that aren't finite. Its weights are damaged, or "
                f"{engine.precision} isn't precise enough for them; try another checkpoint, or float32."
            )
        return sr


def _engine(network):
    """`network` itself, or the engine of an `SRModel`, which is made once per model."""
    if not hasattr(network, "hyperparameters"):
        return network
    if not hasattr(network, "engine"):
        from wdsr_tf.inference.engines.keras import of_model

        network.engine = of_model(network)
    return network.engine
