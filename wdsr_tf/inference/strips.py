"""A picture through a network: in tiles that fit into memory, checked before anyone sees it."""

import numpy as np

from wdsr_tf.errors import InputError, OutOfMemory
from wdsr_tf.inference import budget
from wdsr_tf.inference.ensemble import self_ensemble as ensemble
from wdsr_tf.inference.tiling import plan

COPIES = 4  # of a strip: itself, and what is made of it on its way into a file


def upscale(network, rgb, memory=None, self_ensemble=False):
    """`rgb` (H x W x 3, 0..255, uint8 or float) enlarged: float32, neither clipped nor rounded.

    `network` is a Keras model of this house or an `Engine`; the rest and the errors are as in `strips`.
    """
    height, width = rgb.shape[:2]
    engine = _engine(network)
    sr = np.empty((height * engine.scale, width * engine.scale, 3), "float32")
    top = 0
    for strip in strips(engine, rgb, memory, self_ensemble):
        sr[top : top + len(strip)] = strip
        top += len(strip)
    return sr


def strips(engine, rgb, memory=None, self_ensemble=False):
    """Yields the enlarged picture from top to bottom: float32 strips (rows, W * scale, 3), neither clipped nor rounded.

    One strip is in memory at a time: a row of tiles. `memory` is what the network and a strip may take, as a text for
    `budget.parse`; None is that module's default. Where it is not enough after all, tiles are halved and the work goes
    on behind those that are finished. `self_ensemble` is the mean over eight positions of each tile.

    Raises InputError where the network returns another size than `scale` times its input's or values that are not
    finite, and where not even a small tile fits into memory.
    """
    height, width = rgb.shape[:2]
    pixels = budget.pixels(engine.receptive_field, engine.free(), memory)
    yield from _Tiles(engine, rgb, pixels, self_ensemble).strips(((0, height), (0, width)))


class _Tiles:
    """The tiles of one picture; `pixels`, how many run at once, falls where they do not fit into memory."""

    def __init__(self, engine, rgb, pixels, self_ensemble):
        self.engine, self.rgb, self.pixels, self.self_ensemble = engine, rgb, pixels, self_ensemble
        strip = 3 * 4 * engine.scale**2  # bytes per LR pixel
        self.held = COPIES * strip / engine.receptive_field.bytes_per_pixel

    def strips(self, part):
        """Yields the strips of `part`, ((top, bottom), (left, right)) in LR pixels."""
        (top, bottom), across = part
        while top < bottom:
            tiles = self._plan(((top, bottom), across))
            for row in tiles.rows:
                yield self._strip(tiles, row, across)
                top = row.high
                if self.pixels < tiles.pixels:  # since then memory ran out: what is left is planned anew
                    break

    def _plan(self, part):
        return plan(self.rgb.shape[:2], self.engine.receptive_field, self.pixels, part, self.held)

    def _strip(self, tiles, row, across):
        scale, (left, right) = self.engine.scale, across
        strip = np.empty((scale * (row.high - row.low), scale * (right - left), 3), "float32")
        done = left
        for column in tiles.columns:
            try:
                sr = self._upscaled(row, column)
            except OutOfMemory:
                break
            strip[:, scale * (column.low - left) : scale * (column.high - left)] = sr
            done = column.high
        if done < right:
            self._halve(tiles, rest := ((row.low, row.high), (done, right)))
            np.concatenate(list(self.strips(rest)), out=strip[:, scale * (done - left) :])
        return strip

    def _halve(self, tiles, part):
        self.pixels = tiles.pixels // 2
        if self._plan(part).pixels >= tiles.pixels:
            height, width = tiles.tile
            raise InputError(
                f"there is not enough memory for {self.engine.architecture} on a tile of {height} x {width} pixels: "
                "close other programs, or use a smaller network"
            )

    def _upscaled(self, row, column):
        """What is kept of the tile where `row` crosses `column`."""
        lr = self.rgb[row.start : row.stop, column.start : column.stop]
        sr = ensemble(self._run, lr) if self.self_ensemble else self._run(lr)
        vertical, horizontal = (
            slice(self.engine.scale * (span.low - span.start), self.engine.scale * (span.high - span.start))
            for span in (row, column)
        )
        return sr[vertical, horizontal]

    def _run(self, lr):
        """A whole tile through the network, looked through."""
        engine = self.engine
        sr = engine.run(lr[None])[0]
        wanted = (lr.shape[0] * engine.scale, lr.shape[1] * engine.scale, 3)
        if sr.shape != wanted:
            raise InputError(
                f"the network {engine.architecture} returned {sr.shape} where {wanted} was due: nothing is written"
            )
        if not np.isfinite(sr).all():
            raise InputError(
                f"the network {engine.architecture} returned values that are not finite in {engine.precision}: its "
                "weights are damaged, or its precision is too low for them; try another checkpoint, or float32"
            )
        return sr


def _engine(network):
    """`network` itself, or the engine of a Keras model, which is made once per model."""
    if not hasattr(network, "hyperparameters"):
        return network
    if not hasattr(network, "engine"):
        from wdsr_tf.inference.engines.keras import of_model

        network.engine = of_model(network)
    return network.engine
