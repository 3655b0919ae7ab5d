"""Quality of a bundled model: on benchmarks, and on a computed image that every clone can make."""

import numpy as np

from wdsr_tf import checkpoint
from wdsr_tf.data.degrade import jpeg
from wdsr_tf.evaluation import datasets, measure
from wdsr_tf.evaluation.metrics import PROTOCOLS
from wdsr_tf.evaluation.networks import Network
from wdsr_tf.images.resize import imresize

PROTOCOL = "paper"
JPEG_QUALITY = 75  # of LR, for models that remove JPEG artifacts
BENCHMARKS = ("Set5", "Set14")


def on_benchmarks(path, benchmarks, names=BENCHMARKS):
    """{benchmark: psnr, ssim, PSNR of bicubic, protocol} of the checkpoint at `path`.

    Args:
        path: the checkpoint.
        benchmarks: the folder that contains the benchmarks' folders.
        names: the benchmarks to measure on.
    """
    recipe = checkpoint.read_config(path)
    quality = JPEG_QUALITY if recipe["facts"].get("jpeg") else None
    found = {}
    for name in names:
        pairs = datasets.of_benchmark(benchmarks / name, recipe["scale"], jpeg_quality=quality)
        psnr, ssim, _ = measure.measure_network(Network(path.stem, path), pairs, [PROTOCOL]).mean(PROTOCOL)
        bicubic, _ = measure.measure_bicubic(pairs, [PROTOCOL])
        found[f"{name}, JPEG {quality}" if quality else name] = {
            "psnr": round(psnr, 4),
            "ssim": round(ssim, 4),
            "bicubic": round(bicubic.mean(PROTOCOL)[0], 4),
            "protocol": PROTOCOL,
        }
    return found


def on_computed_image(path):
    """PSNR in dB of the checkpoint at `path` on `computed_image()`, by the same protocol."""
    from wdsr_tf.inference.strips import upscale

    model, hr = checkpoint.load(path), computed_image()
    lr = imresize(hr, 1 / model.scale)
    if model.facts.get("jpeg"):
        lr = jpeg(lr, JPEG_QUALITY, datasets.SUBSAMPLING)
    return PROTOCOLS[PROTOCOL].measure(upscale(model, lr), hr, model.scale)[0]


def computed_image(height=144, width=192):
    """An image made by formulas alone: rings that get finer, slanted stripes, discs, a smooth sky."""
    y, x = np.mgrid[0:height, 0:width].astype("float64")
    rings = np.cos((x**2 + y**2) / (2.5 * width))
    stripes = np.sign(np.sin(0.45 * x + 0.2 * y)) * np.exp(-(((x - 150) / 40) ** 2) - ((y - 40) / 40) ** 2)
    discs = sum(
        np.clip(r - np.hypot(x - cx, y - cy), 0, 1) for cx, cy, r in ((40, 110, 20), (90, 120, 9), (112, 96, 4))
    )
    sky = y / height + 0.3 * np.sin(x / 31)
    channels = [
        120 + 60 * rings + 70 * stripes + 40 * sky - 80 * discs,
        110 + 50 * rings - 60 * stripes + 60 * sky + 60 * discs,
        130 + 40 * rings + 40 * stripes - 50 * sky + 20 * discs,
    ]
    return np.rint(np.clip(np.stack(channels, axis=-1), 0, 255)).astype("uint8")
