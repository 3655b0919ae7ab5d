"""What int8 costs published weights at x2, in decibels: python -m release.int8 FOLDER"""

import sys
import tempfile
from pathlib import Path

from benchmarks import measuring
from wdsr_tf.commands.command import Command
from wdsr_tf.errors import InputError

BARS = {"wdsr_a_8_e6_x2.npz": 0.05, "edsr_8_x2.npz": 0.05, "carn_x2.npz": 0.06, "carn_m.pth": 0.10}  # dB
BENCHMARKS = ("Set5", "Set14")
PROTOCOL = "paper"


def define(flags):
    flags.list("files", list(BARS), "Weights files in the folder's weights/.")


def run(flags, words):
    if len(words) != 1:
        raise InputError("Name the folder that contains weights/ and images/: python -m release.int8 FOLDER")
    from wdsr_tf import checkpoint
    from wdsr_tf.evaluation.networks import Network

    folder = Path(words[0])
    measuring.protocol(
        "OpenVINO: the loss in dB of int8 against float32; Y, border 2, rounded, LR from the benchmarks' own files. "
        "Calibrated on the demo images and on photographs. The estimate is the loss that the conversion reports, "
        "measured on crops of the calibration images that it held out."
    )
    measuring.print_header("file", "calibrated on", *BENCHMARKS, "estimate", "bar")
    for name in flags.files:
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / "model.keras"
            checkpoint.save(Network(name, folder / "weights" / name).load(2), path)
            measure(name, path, folder / "images")


def measure(name, path, images):
    """Prints a row per set of calibration images."""
    from wdsr_tf.inference.engines import open_engine, quantize

    float32 = open_engine(path, "openvino", "float32")
    before = [psnr(float32, images / "benchmark" / benchmark) for benchmark in BENCHMARKS]
    for what, calibration in (("demo/", None), ("photographs", images / "photos" / "train")):
        int8 = open_engine(path, "openvino", "int8", calibration=calibration, allow_loss=True)
        after = [psnr(int8, images / "benchmark" / benchmark) for benchmark in BENCHMARKS]
        losses = [old - new for old, new in zip(before, after, strict=True)]
        losses.append(quantize.network(path, calibration)[1]["loss"])
        measuring.print_row(name, what, *(f"{loss:.3f}" for loss in losses), BARS.get(name, ""))


def psnr(engine, folder):
    """Mean PSNR of an engine on a benchmark at x2."""
    from wdsr_tf.evaluation import datasets
    from wdsr_tf.evaluation.measure import measure as measure_upscaling
    from wdsr_tf.inference.strips import upscale

    pairs = datasets.of_benchmark(folder, 2)
    return measure_upscaling(engine.name, lambda lr: upscale(engine, lr), pairs, [PROTOCOL]).mean(PROTOCOL)[0]


COMMAND = Command("int8", "Measures what int8 costs published weights at x2.", define, run, "FOLDER")

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m release.int8"))
