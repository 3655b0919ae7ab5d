"""What exported int8 files cost the bundled models on Set5: python -m release.int8_exports FOLDER

The table in docs/export.md. FOLDER contains images/benchmark/Set5.
"""

import dataclasses
import itertools
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import measuring
from release.int8 import psnr
from wdsr_tf import weights
from wdsr_tf.commands.command import Command
from wdsr_tf.errors import InputError

FORMATS = ("openvino", "litert")
SIDE = 96  # of LiteRT's tile: no image of Set5 at x2 is smaller


def define(flags):
    flags.list("models", ["wdsr-a-8-x2", "wdsr-b-4-x2"], "Bundled models.")
    flags.string(
        "calibration", None, "Image, or folder of images, to calibrate on. Default: this project's demo images."
    )


def run(flags, words):
    if len(words) != 1:
        raise InputError("Name the folder that contains images/: python -m release.int8_exports FOLDER")
    import wdsr_tf
    from wdsr_tf.inference.engines import open_engine

    set5 = Path(words[0]) / "images" / "benchmark" / "Set5"
    measuring.protocol(
        "PSNR on Set5: mean over images, Y, border 2, rounded, LR from the benchmark's own files. The estimate is the "
        "loss that the export prints."
    )
    measuring.print_header("model", "format", "bytes", "float32 bytes", "float32", "int8", "loss", "estimate")
    for name in flags.models:
        path = weights.FOLDER / f"{name}.keras"
        engine = open_engine(path, "onnx")
        before = psnr(engine, set5)
        for each in FORMATS:
            with tempfile.TemporaryDirectory() as folder:
                tile = SIDE if each == "litert" else None
                (exact,) = wdsr_tf.export(path, Path(folder) / "float32", formats=[each], tile=tile)
                (card,) = wdsr_tf.export(
                    path, folder, formats=[each], int8=True, calibration=flags.calibration, tile=tile
                )
                after = psnr(dataclasses.replace(engine, name=each, run=opened(folder, card)), set5)
            figures = f"{before:.2f}", f"{after:.2f}", f"{before - after:.3f} dB", f"{card['int8']['loss']:.3f} dB"
            measuring.print_row(name, each, f"{card['bytes']:,}", f"{exact['bytes']:,}", *figures)
    return 0


def opened(folder, card):
    """A function from images of any size to the results of an exported model."""
    from wdsr_tf.export import formats

    run = formats.module(card["file_format"]).opened(Path(folder) / card["file"])
    return tiled(run, card["tile"], card["overlap"], card["scale"]) if "tile" in card else run


def tiled(run, tile, overlap, scale):
    """A function that runs an image of at least the size of a tile in tiles, as docs/export.md describes."""

    def upscaled(lr):
        height, width = lr.shape[1:3]
        sr = np.empty((1, height * scale, width * scale, 3), "float32")
        for (top, low, high), (left, first, last) in itertools.product(
            spans(height, tile[0], overlap), spans(width, tile[1], overlap)
        ):
            part = run(lr[:, top : top + tile[0], left : left + tile[1]].astype("float32"))
            kept = part[:, (low - top) * scale : (high - top) * scale, (first - left) * scale : (last - left) * scale]
            sr[:, low * scale : high * scale, first * scale : last * scale] = kept
        return sr

    return upscaled


def spans(length, tile, overlap):
    """Yields (start, first kept, end of kept) of the tiles along an axis; the last one ends with the image."""
    low = 0
    while low < length:
        start = min(max(0, low - overlap), length - tile)
        high = length if start == length - tile else start + tile - overlap
        yield start, low, high
        low = high


COMMAND = Command("int8_exports", "Measures what exported int8 files cost the bundled models.", define, run, "FOLDER")

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m release.int8_exports"))
