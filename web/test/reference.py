"""Prints, as JSON, what the package computes, to compare the page with: `python reference.py`."""

import base64
import io
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))

from wdsr_tf.images.resize import imresize_rows
from wdsr_tf.inference.alpha import bleed
from wdsr_tf.inference.jpeg import jpeg_quality
from wdsr_tf.inference.routing import find_models, passes, routes
from wdsr_tf.inference.tiling import plan
from wdsr_tf.receptive_field import ReceptiveField

PLANS = [
    (height, width, radius, multiple, pixels)
    for height, width in ((1, 1), (200, 320), (613, 997), (2000, 3000), (7, 5000))
    for radius, multiple in ((0, 1), (4, 1), (18, 1), (29, 4), (140, 8))
    for pixels in (2**12, 2**16)
]


def main():
    rng = np.random.default_rng(6)
    result = {"plans": [], "bicubic": [], "bleed": [], "jpegs": [], "routing": routing()}
    for height, width, radius, multiple, pixels in PLANS:
        tiles = plan((height, width), ReceptiveField(radius, multiple), pixels)
        spans = [[[s.start, s.stop, s.low, s.high] for s in axis] for axis in (tiles.rows, tiles.columns)]
        result["plans"].append({"of": [height, width, radius, multiple, pixels], "spans": spans})
    for height, width, scale in ((1, 1, 2), (5, 7, 2), (9, 4, 3), (6, 11, 4)):
        small = rng.integers(0, 256, (height, width, 4), "uint8")
        size = (height * scale, width * scale)
        large = imresize_rows(small, size, 0, size[0])  # rounded once, as the page does
        result["bicubic"].append({"size": [height, width], "scale": scale, "small": flat(small), "large": flat(large)})
    for height, width, part in ((1, 1, 0.0), (9, 14, 0.5), (31, 22, 0.02), (40, 1, 0.1), (8, 8, 0.0), (8, 8, 1.0)):
        rgb = rng.integers(0, 256, (height, width, 3), "uint8")
        alpha = (rng.random((height, width)) < part).astype("uint8") * 77
        given, filled = (np.concatenate([values, alpha[..., None]], -1) for values in (rgb, bleed(rgb, alpha)))
        result["bleed"].append({"size": [height, width], "given": flat(given), "filled": flat(filled)})
    for quality in (1, 20, 50, 75, 92, 93, 95, 100):
        data = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (9, 12, 3), "uint8")).save(data, "JPEG", quality=quality)
        encoded = base64.b64encode(data.getvalue()).decode()
        result["jpegs"].append({"data": encoded, "quality": jpeg_quality(Image.open(data))})
    print(json.dumps(result))


def routing():
    """The bundled models, their routes, and the names that run for each of their scales: [scale, clean, jpeg]."""
    models = find_models()
    names = [[[m.name for m in passes(models, scale, jpeg=jpeg)] for jpeg in (False, True)] for scale in (2, 3, 4)]
    return {
        "models": [{"name": model.name, "scale": model.scale} for model in models],
        "routes": routes(models),
        "passes": [[scale, *pair] for scale, pair in zip((2, 3, 4), names, strict=True)],
    }


def flat(values):
    return values.ravel().tolist()


if __name__ == "__main__":
    main()
