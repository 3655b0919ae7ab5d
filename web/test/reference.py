"""Prints, as JSON, what the package computes, to compare the page with: `python reference.py`."""

import base64
import io
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from networks import index

from wdsr_tf.images.formats import format_of, save_options
from wdsr_tf.images.resize import imresize_rows
from wdsr_tf.inference.alpha import bleed
from wdsr_tf.inference.jpeg import jpeg_quality
from wdsr_tf.inference.routing import find_models, passes
from wdsr_tf.inference.size import parse_size
from wdsr_tf.inference.tiling import plan
from wdsr_tf.receptive_field import ReceptiveField

PLANS = [
    (height, width, radius, multiple, pixels)
    for height, width in ((1, 1), (200, 320), (613, 997), (2000, 3000), (7, 5000))
    for radius, multiple in ((0, 1), (4, 1), (18, 1), (29, 4), (140, 8))
    for pixels in (2**12, 2**16)
]


WIDTHS = ((613, 997, 1024), (3, 2, 5), (5, 2, 3), (1000, 10, 640), (200, 320, 100))  # some end in a half
ENCODED = [(37, 53, quality, False) for quality in (1, 35, 50, 75, 95, 100)] + [(8, 16, 95, False), (21, 9, 80, True)]
RESIZED = (
    (1, 1, 2, 2),
    (5, 7, 10, 14),
    (9, 4, 27, 12),
    (6, 11, 24, 44),
    (16, 12, 12, 9),
    (7, 9, 3, 20),
    (40, 30, 1, 2),
)


def main():
    rng = np.random.default_rng(6)
    result = {"plans": [], "bicubic": [], "bleed": [], "jpegs": [], "routing": routing()}
    for height, width, radius, multiple, pixels in PLANS:
        tiles = plan((height, width), ReceptiveField(radius, multiple), pixels)
        spans = [[[s.start, s.stop, s.low, s.high] for s in axis] for axis in (tiles.rows, tiles.columns)]
        result["plans"].append({"of": [height, width, radius, multiple, pixels], "spans": spans})
    for height, width, tall, wide in RESIZED:
        for dtype in ("uint8", "uint16"):
            small = rng.integers(0, np.iinfo(dtype).max + 1, (height, width, 4), dtype)
            large = imresize_rows(small, (tall, wide), 0, tall)  # rounded once, as the page does
            sizes = {"from": [height, width], "to": [tall, wide], "depth": 8 * small.itemsize}
            result["bicubic"].append({**sizes, "small": flat(small), "large": flat(large)})
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
    result["encoded"] = [jpeg_file(rng, *case) for case in ENCODED]
    print(json.dumps(result))


def jpeg_file(rng, height, width, quality, gray):
    """Pixels, smooth and noisy, and the JPEG file of them."""
    y, x = np.mgrid[:height, :width]
    noise = rng.integers(-60, 61, (height, width, 3)) * (x > width // 2)[..., None]
    rgb = np.stack([x * 3, y * 5, 255 - x - y], -1) % 256 + noise
    rgb = np.clip(rgb, 0, 255).astype("uint8")
    rgb = rgb[..., :1].repeat(3, -1) if gray else rgb
    data = io.BytesIO()
    image = Image.fromarray(rgb[..., 0] if gray else rgb)
    image.save(data, "JPEG", **save_options(format_of("a.jpg"), quality, gray))
    rgba = np.concatenate([rgb, np.full_like(rgb[..., :1], 255)], -1)
    file = base64.b64encode(data.getvalue()).decode()
    return {"size": [height, width], "values": flat(rgba), "quality": quality, "gray": gray, "file": file}


def routing():
    """The page's methods, and for the bundled models the names that run: [factor, clean, jpeg, denoise]."""
    bundled = find_models()
    checkpoints = [model.source for model in bundled]
    factors = [0.3, 0.7, 1, 1.5, 2, 2.1, 3, 3.7, 4, 5, 6.5, 8, 11, 16, 40, 64]
    kinds = ({}, {"jpeg": True}, {"noise": 1})
    found = [[factor, *([m.name for m in passes(bundled, factor, **kind)] for kind in kinds)] for factor in factors]
    sizes = [[height, width, wish, parse_size(size=f"{wish}x").of(height, width)] for height, width, wish in WIDTHS]
    return {"index": index(checkpoints), "passes": found, "widths": sizes}


def flat(values):
    return values.ravel().tolist()


if __name__ == "__main__":
    main()
