"""Measures every route of the bundled models, and writes the best to routes.json: python -m release.routes FOLDER

A route is what an image runs through: one model, or two in a row, and antialiased bicubic if that's too large. At each
scale, the best route on held-out photographs wins, and of those within 0.02 dB the one with the fewest multiply-adds.
"""

import itertools
import json
import math
import sys
from pathlib import Path

from benchmarks import measuring
from wdsr_tf import files, weights
from wdsr_tf.commands.command import Command
from wdsr_tf.errors import InputError

SCALES = (2, 3, 4)
TIE = 0.02  # dB
LARGEST = 4 / 3  # times the scale: a larger image on the way would take too much memory
SIDE = 300  # HR pixels of the part of each photograph that's compared, after a reduction by half; fits every scale
JPEG_QUALITY = 75
PROTOCOL = (
    f"Mean PSNR of Y, border = scale, rounded to 8 bits. The central {SIDE} x {SIDE} pixels of each image at half its "
    f"size; LR by imresize; for JPEG files, LR saved at quality {JPEG_QUALITY}. ONNX Runtime."
)


def define(flags):
    pass


def run(flags, words):
    from wdsr_tf import images

    if len(words) != 1 or not (found := images.find(Path(words[0]))):
        raise InputError("Name a folder of photographs that no model was trained on: python -m release.routes FOLDER")
    measuring.protocol(PROTOCOL)
    table = measured(found)
    document = {
        "protocol": PROTOCOL,
        "images": [path.name for path in found],
        "routes": {kind: {str(scale): rows for scale, rows in scales.items()} for kind, scales in table.items()},
    }
    with files.atomic(weights.ROUTES) as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    for kind, scales in table.items():
        measuring.print_header(f"{kind}, scale", "route", "PSNR in dB", "multiply-adds per LR pixel")
        for scale, rows in scales.items():
            for row in rows:
                measuring.print_row(scale, ", ".join(row["models"]), f"{row['psnr']:.3f}", f"{row['cost']:,}")


def measured(found):
    """Returns {"clean" or "jpeg": {scale: rows}}; a row is {"models", "psnr", "cost"}, the chosen one first."""
    from wdsr_tf.inference import routing
    from wdsr_tf.system.quiet import load_keras

    load_keras()
    from wdsr_tf import checkpoint
    from wdsr_tf.models.multiply_adds import multiply_adds

    models = routing.find_models()
    costs = {model: multiply_adds(checkpoint.load(model.source)) for model in models}
    pairs = {kind: {scale: lr_hr(found, scale, kind) for scale in SCALES} for kind in ("clean", "jpeg")}
    return {
        kind: {
            scale: ranked([row(route, scale, pairs[kind][scale], costs) for route in candidates(models, scale, kind)])
            for scale in SCALES
        }
        for kind in pairs
    }


def candidates(models, scale, kind):
    """Yields one or two models in a row that get to `scale` together; those for JPEG come first."""
    first = [model for model in models if model.jpeg <= (kind == "jpeg")]
    clean = [model for model in models if not model.jpeg]
    for route in [*itertools.product(first), *itertools.product(first, clean)]:
        if scale <= math.prod(model.scale for model in route) <= LARGEST * scale:
            yield route


def row(route, scale, pairs, costs):
    import numpy as np

    from wdsr_tf import images
    from wdsr_tf.evaluation.metrics import psnr
    from wdsr_tf.inference.upscaler import Upscaler

    class OfRoute(Upscaler):
        def passes(self, height, width, jpeg=False):
            return list(route)

    upscaler = OfRoute(scale=scale, engine="onnx")
    figures = [psnr(images.rgb_to_y(upscaler.upscale(lr)), images.rgb_to_y(hr), border=scale) for lr, hr in pairs]
    cost, pixels = 0, 1
    for model in route:
        cost += costs[model] * pixels
        pixels *= model.scale**2
    print(f"{scale} {' '.join(model.name for model in route)}: {np.mean(figures):.3f} dB", file=sys.stderr)
    return {"models": [model.name for model in route], "psnr": round(float(np.mean(figures)), 3), "cost": cost}


def ranked(rows):
    """The chosen row first, the others by their PSNR."""
    rows = sorted(rows, key=lambda row: -row["psnr"])
    chosen = min((row for row in rows if row["psnr"] >= rows[0]["psnr"] - TIE), key=lambda row: row["cost"])
    return [chosen, *(row for row in rows if row is not chosen)]


def lr_hr(found, scale, kind):
    """Returns (LR, HR) arrays, uint8."""
    import numpy as np

    from wdsr_tf import images
    from wdsr_tf.data.degrade import jpeg
    from wdsr_tf.images.resize import imresize

    pairs = []
    for path in found:
        photo = imresize(images.read(path), 0.5)
        top, left = ((length - SIDE) // 2 for length in photo.shape[:2])
        hr = np.ascontiguousarray(photo[top : top + SIDE, left : left + SIDE])
        lr = imresize(hr, 1 / scale)
        pairs.append((jpeg(lr, JPEG_QUALITY) if kind == "jpeg" else lr, hr))
    return pairs


COMMAND = Command("routes", "Measures which of the bundled models to run at each scale.", define, run, "FOLDER")

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m release.routes"))
