"""How far neighboring tiles overlap: by the receptive field's radius, or by what a checkpoint's output depends on.

A deep network's pixels depend on far fewer neighbors than its graph allows. That is measured on a test image: the
overlap at which a tile cut out of it gives what the whole image gives.
"""

import contextlib
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError, OutOfMemory
from wdsr_tf.files import atomic, is_plain, sha256, sweep
from wdsr_tf.inference.engines import Engine
from wdsr_tf.inference.engines.metadata import describe
from wdsr_tf.receptive_field import ReceptiveField
from wdsr_tf.system import caches

if TYPE_CHECKING:
    from wdsr_tf.models import SRModel

LARGEST = 96  # LR pixels: up to that radius tiles are exact
CHOICES = (8, 16, 24, 32, 48, 64, LARGEST)
TOLERANCE = 0.5  # levels
MAX_RECORD = 1000  # bytes of a measurement that was kept
LARGEST_DIFFERENCE = 2**31  # that a file may record; fresh weights give thousands
FACT = "tiles"  # what a model's facts call its overlap and the difference that remains
SIDE, CUT = 160, 128  # LR pixels of the test image, and of the tile that starts where it does
METHOD = 1  # raise it with every change of the measurement: older results are then not used


def check_overlap(overlap: int | None) -> None:
    """Raises InputError unless `overlap` is None or a number of pixels."""
    if overlap is not None and (isinstance(overlap, bool) or not isinstance(overlap, int) or overlap < 0):
        raise InputError(f"overlap must be a number of LR pixels, 0 or more, such as 32; it is {overlap!r}.")


def check_tile(tile: int | None, overlap: int | None = None, memory: str | int | None = None) -> None:
    """Raises InputError unless `tile` is None, or a side of tiles that can overlap by `overlap`; memory excludes it."""
    if tile is None:
        return
    if isinstance(tile, bool) or not isinstance(tile, int) or tile < 1:
        raise InputError(f"tile must be the side of a tile in LR pixels, such as 256; it is {tile!r}.")
    if memory is not None:
        raise InputError("tile and memory exclude each other: both decide how large tiles are. Pass one of them.")
    if overlap is not None and tile <= 2 * overlap:
        raise InputError(
            f"tile must be more than twice the overlap, because neighbors share {overlap} pixels on each side; it is "
            f"{tile}."
        )


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
    """Returns the overlap that `measure` finds.

    For a file, that is what the file records (see `record`), or what an earlier call kept in the user's cache folder.

    Args:
        engine: runs the model.
        model: its file.
        log: called with one line about the overlap and the difference that remains.
        name: of the model, for that line.
    """
    log = log or (lambda line: None)
    recorded = engine.precision == "float32" and _checked(_facts(model).get(FACT))
    tiles = recorded or _measured(engine, model and sha256(model))
    if not tiles:
        log(f"{name}: tiles overlap by {LARGEST} pixels; there isn't enough memory to measure a smaller overlap.")
        return LARGEST
    note = "" if tiles["difference"] <= TOLERANCE else ", and more would need too much memory"
    log(
        f"{name}: tiles overlap by {tiles['overlap']} pixels; a tiled test image differs from the whole by "
        f"{tiles['difference']:.2g} of 255 at most{note}."
    )
    return tiles["overlap"]


def record(model: "SRModel", digest: str | None = None) -> None:
    """Measures the overlap of a model that sees beyond LARGEST pixels, and adds it to the model's facts as FACT.

    Args:
        model: in float32.
        digest: SHA-256 of its checkpoint, under which an earlier measurement may be kept.
    """
    from wdsr_tf.inference.engines.keras import of_model

    engine = of_model(model)
    if is_deep(engine.receptive_field) and not _checked(model.facts.get(FACT)) and (tiles := _measured(engine, digest)):
        model.facts[FACT] = tiles


def is_deep(receptive_field: ReceptiveField) -> bool:
    """Whether tiles overlap by what is measured, because the radius is too large."""
    return receptive_field.radius > LARGEST


def _measured(engine, digest):
    """{"overlap", "difference"}, kept under the checksum of the model's file; None if memory doesn't suffice."""
    kept = digest and caches.user_cache() / "overlaps" / f"{digest}-{engine.precision}-{METHOD}.json"
    if kept:
        with contextlib.suppress(OSError, ValueError, RecursionError):
            if is_plain(kept, MAX_RECORD) and (tiles := _checked(json.loads(kept.read_text(encoding="utf-8")))):
                return tiles
    try:
        overlap, difference = measure(engine)
    except OutOfMemory:
        return None
    tiles = {"overlap": overlap, "difference": round(difference, 4)}
    if kept:
        sweep(kept.parent)
        with contextlib.suppress(OSError), atomic(kept) as temporary:  # else it's measured again next time
            temporary.write_text(json.dumps(tiles), encoding="utf-8")
    return tiles


def _facts(model):
    """What a checkpoint or an ONNX file of ours records."""
    if model is None:
        return {}
    if model.suffix == ".onnx":
        description = describe(model)
        return description.facts if description else {}
    with contextlib.suppress(InputError):
        return checkpoint.read_config(model).get("facts", {})
    return {}


def _checked(tiles):
    """The recorded value if it is one, else None."""
    with contextlib.suppress(KeyError, TypeError):
        if tiles["overlap"] in CHOICES and 0 <= tiles["difference"] <= LARGEST_DIFFERENCE:
            return {"overlap": int(tiles["overlap"]), "difference": float(tiles["difference"])}
    return None


def drawn_image() -> np.ndarray:
    """Gray noise of six sizes: edges and detail that networks sharpen as far as they can see."""
    random, levels = np.random.default_rng(0), 0.0
    for block in (1, 2, 4, 8, 16, 32):
        noise = random.normal(0, 1, (SIDE // block, SIDE // block))
        levels = levels + noise.repeat(block, axis=0).repeat(block, axis=1)
    return np.clip(128 + 30 * levels, 0, 255).astype("uint8")[..., None].repeat(3, axis=-1)
