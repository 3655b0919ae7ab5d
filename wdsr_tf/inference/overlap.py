"""How far neighboring tiles overlap: by the receptive field's radius, or by what a checkpoint's output depends on.

A deep network's pixels depend on far fewer neighbors than its graph allows. That is measured on a test image: the
overlap at which a tile cut out of it gives what the whole image gives.
"""

import contextlib
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from wdsr_tf.errors import InputError, OutOfMemory
from wdsr_tf.files import atomic, sha256, sweep
from wdsr_tf.inference.engines import Engine
from wdsr_tf.system import caches

LARGEST = 96  # LR pixels: up to that radius tiles are exact
CHOICES = (8, 16, 24, 32, 48, 64, LARGEST)
TOLERANCE = 0.5  # levels
SIDE, CUT = 160, 128  # LR pixels of the test image, and of the tile that starts where it does
METHOD = 1  # raise it with every change of the measurement: older results are then not used


def check_overlap(overlap: int | None) -> None:
    """Raises InputError unless `overlap` is None or a number of pixels."""
    if overlap is not None and (isinstance(overlap, bool) or not isinstance(overlap, int) or overlap < 0):
        raise InputError(f"overlap must be a number of LR pixels, 0 or more, such as 32; it is {overlap!r}.")


def overlapping(engine: Engine, overlap: int) -> Engine:
    """Returns `engine` for tiles that overlap by that many LR pixels on each side, or by its radius if that's less."""
    radius = min(overlap, engine.receptive_field.radius)
    return dataclasses.replace(engine, receptive_field=dataclasses.replace(engine.receptive_field, radius=radius))


def measure(engine: Engine) -> tuple[int, float]:
    """Returns (overlap, difference): the smallest of CHOICES within TOLERANCE, or else the largest.

    The difference is the largest of any value, in levels of 255, between the tile and the whole test image.
    """
    image = drawn_image()[None].astype("float32")
    whole, tile = engine.run(image)[0], engine.run(image[:, :CUT, :CUT])[0]
    difference = np.abs(tile - whole[: len(tile), : len(tile)])
    for overlap in CHOICES:
        kept = engine.scale * (CUT - overlap)
        most = float(difference[:kept, :kept].max())
        if most <= TOLERANCE:
            break
    return overlap, most


def measured_overlap(
    engine: Engine, model: Path | None = None, log: Callable[[str], None] | None = None, name: str = "model"
) -> int:
    """Returns the overlap that `measure` finds; for a model file, it is kept in the user's cache folder.

    Args:
        engine: runs the model.
        model: its file.
        log: called with one line if the overlap is measured now.
        name: of the model, for that line.
    """
    log = log or (lambda line: None)
    kept = model and caches.user_cache() / "overlaps" / f"{sha256(model)}-{engine.precision}-{METHOD}.json"
    if kept and (overlap := _read(kept)):
        return overlap
    try:
        overlap, most = measure(engine)
    except OutOfMemory:
        log(f"{name}: tiles overlap by {LARGEST} pixels; there isn't enough memory to measure a smaller overlap.")
        return LARGEST
    note = "" if most <= TOLERANCE else ", and more would need too much memory"
    log(
        f"{name}: tiles overlap by {overlap} pixels; a tiled test image differs from the whole by {most:.2g} of 255 at "
        f"most{note}."
    )
    if kept:
        sweep(kept.parent)
        with contextlib.suppress(OSError), atomic(kept) as temporary:  # else it's measured again next time
            temporary.write_text(json.dumps({"overlap": overlap, "difference": most}), encoding="utf-8")
    return overlap


def _read(path):
    """The overlap that is kept there, or None."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        overlap = json.loads(path.read_text(encoding="utf-8"))["overlap"]
        return overlap if overlap in CHOICES else None
    return None


def drawn_image() -> np.ndarray:
    """Gray noise of six sizes: edges and detail that networks sharpen as far as they can see."""
    random, levels = np.random.default_rng(0), 0.0
    for block in (1, 2, 4, 8, 16, 32):
        noise = random.normal(0, 1, (SIDE // block, SIDE // block))
        levels = levels + noise.repeat(block, axis=0).repeat(block, axis=1)
    return np.clip(128 + 30 * levels, 0, 255).astype("uint8")[..., None].repeat(3, axis=-1)
