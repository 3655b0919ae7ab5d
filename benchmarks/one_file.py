"""Measures one published weights file in a process of its own, for `benchmarks.zoo`.

    python -m benchmarks.one_file quality FILE [FOLDER]
    python -m benchmarks.one_file memory FILE
    python -m benchmarks.one_file speed FILE

Prints one line of JSON. FOLDER is a benchmark, on which the file is measured at each of its scales. Conversions go to
the user's cache folder, so XDG_CACHE_HOME decides whether they are made anew.
"""

import functools
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.measuring import interleaved, peak_memory
from wdsr_tf.importers.load import checkpoint_of, scales_of
from wdsr_tf.inference.engines import open_engine

PROTOCOL = "paper"
ENGINES = ("keras", "onnx", "openvino")
SIDE, ROUNDS = 128, 3  # LR pixels of the timed image, and rounds after the first
SLOW = 5_000_000  # multiply-adds per LR pixel: such networks get an image of half the side, and one round
MEMORY_SIDE = 256  # LR pixels of the image whose memory is measured


def quality(path, folder=None):
    """What the file is recognized as, and its figures on the benchmark in `folder`, in ONNX Runtime."""
    from wdsr_tf import checkpoint

    known = scales_of(path)
    converted = checkpoint_of(path, scale=known[0])
    model = checkpoint.load(converted)
    open_engine(converted, "onnx")  # converts it for `memory`
    upscaling = [scale for scale in known if 1 < scale <= 4] if folder else []
    return {
        "network": model.architecture,
        "project": model.facts["project"],
        "hyperparameters": model.hyperparameters,
        "scales": list(known),
        "parameters": model.count_params(),
        "psnr": {f"x{scale}": round(psnr(path, folder, scale), 4) for scale in upscaling},
    }


def psnr(path, folder, scale):
    """The file's PSNR on the benchmark at `scale`, in dB."""
    from wdsr_tf.evaluation import datasets, measure
    from wdsr_tf.inference import strips

    engine = open_engine(checkpoint_of(path, scale=scale), "onnx")
    pairs = datasets.of_benchmark(folder, scale)
    row = measure.measure(path, functools.partial(strips.upscale, engine), pairs, [PROTOCOL])
    return row.mean(PROTOCOL)[0]


def memory(path):
    """The greatest resident size, in bytes, of upscaling one image in ONNX Runtime without Keras."""
    from wdsr_tf.inference import strips

    engine = open_engine(checkpoint_of(path, scale=scales_of(path)[0]), "onnx")
    strips.upscale(engine, noise(MEMORY_SIDE)[0])
    if "keras" in sys.modules:
        raise RuntimeError("Keras was loaded: measure the quality first, which converts the file")
    return {"memory": peak_memory()}


def speed(path):
    """Seconds of the conversion, and per megapixel of the output in each engine, in turn."""
    from wdsr_tf.system.quiet import load_keras

    load_keras()
    scale = scales_of(path)[0]
    started = time.perf_counter()
    converted = checkpoint_of(path, scale=scale)
    seconds = time.perf_counter() - started
    from wdsr_tf import checkpoint
    from wdsr_tf.models.multiply_adds import multiply_adds

    slow = multiply_adds(checkpoint.load(converted)) > SLOW
    side, rounds = (SIDE // 2, 1) if slow else (SIDE, ROUNDS)
    runs = {name: functools.partial(open_engine(converted, name).run, noise(side)) for name in ENGINES}
    megapixels = (scale * side) ** 2 / 1e6
    times = interleaved(runs, rounds)
    return {
        "convert": round(seconds, 2),
        "seconds": {name: float(f"{statistics.median(times[name]) / megapixels:.3g}") for name in ENGINES},
    }


def noise(side):
    """An NHWC batch of one uint8 image."""
    return np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype="uint8")


if __name__ == "__main__":
    kind, file, *words = sys.argv[1:]
    print(json.dumps({"quality": quality, "memory": memory, "speed": speed}[kind](Path(file), *words)))
