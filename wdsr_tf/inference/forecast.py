"""What upscaling an image would take: passes, tiles, memory, and time."""

import dataclasses
import math
import time

import numpy as np

from wdsr_tf import images
from wdsr_tf.inference.ensemble import POSITIONS
from wdsr_tf.inference.strips import COPIES

PROBE = 96  # LR pixels a side of the tile that is timed
HELD = 6  # bytes per pixel of a decoded image, or of one between two passes


@dataclasses.dataclass(frozen=True)
class Pass:
    """One run of a model over an image.

    Args:
        model: its name.
        tiles: how many there are.
        tile: (height, width) of each in LR pixels.
        memory: bytes that the model and a row of its output take.
        seconds: about how long it takes.
    """

    model: str
    tiles: int
    tile: tuple[int, int]
    memory: int
    seconds: float


class Forecast:
    """Forecasts for the images of an `Upscaler`; each model is timed once, on a small tile.

    Args:
        upscaler: an `Upscaler`.
        self_ensemble: whether it averages eight runs.
    """

    def __init__(self, upscaler, self_ensemble=False):
        self._upscaler, self._positions, self._speeds = upscaler, POSITIONS if self_ensemble else 1, {}

    def passes(self, source) -> list[Pass]:
        """Returns the passes of an image file; raises InputError if it can't be upscaled."""
        return [self._pass(*each) for each in self._upscaler.plans(source)]

    def _pass(self, model, engine, plan):
        count = len(plan.rows) * len(plan.columns)
        memory = engine.receptive_field.bytes_per_pixel * plan.pixels
        seconds = count * plan.pixels * self._positions * self._seconds_per_pixel(model, engine)
        return Pass(model.name, count, plan.tile, memory, seconds)

    def _seconds_per_pixel(self, model, engine):
        if model not in self._speeds:
            batch = np.zeros((1, PROBE, PROBE, 3), "uint8")
            self._speeds[model] = min(_seconds(engine, batch) for _ in range(3)) / PROBE**2  # the first one prepares
        return self._speeds[model]


def _seconds(engine, batch):
    started = time.perf_counter()
    engine.run(batch)
    return time.perf_counter() - started


@dataclasses.dataclass(frozen=True)
class Footprint:
    """The memory that an image takes while it's upscaled, in bytes.

    Args:
        network: of the model, which runs for one image at a time.
        held: of the decoded image and its result, also while it waits.
    """

    network: float
    held: float


def footprint(upscaler, source) -> Footprint:
    """Returns the `Footprint` of an image file. An animation, or a file with several pages, takes everything."""
    if images.is_animated(source) or images.page_count(source) > 1:
        return Footprint(math.inf, math.inf)
    height, width = images.size(source, upscaler.max_pixels)
    network, row, pixels = 0, 0, height * width
    for model, engine, plan in upscaler.plans(source):
        network = max(network, engine.receptive_field.bytes_per_pixel * plan.pixels)
        height, width = height * model.scale, width * model.scale
        row = max(row, COPIES * 3 * 4 * width * plan.tile[0] * model.scale)
        pixels += height * width
    return Footprint(network, HELD * pixels + row)
