"""What int8 costs published weights at x2, in decibels: python -m release.int8 ../shared"""

import tempfile
from pathlib import Path

import numpy as np
from absl import app, flags

from benchmarks import timing
from wdsr_tf import checkpoint, images
from wdsr_tf.errors import InputError
from wdsr_tf.evaluation.metrics import PROTOCOLS
from wdsr_tf.evaluation.networks import Network
from wdsr_tf.inference.engines import open_engine, quantize
from wdsr_tf.inference.strips import upscale

BARS = {"wdsr_a_8_e6_x2.npz": 0.05, "edsr_8_x2.npz": 0.05, "carn_x2.npz": 0.06, "carn_m.pth": 0.10}  # dB
SETS = ("Set5", "Set14")

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("file", list(BARS), "Which files of the folder's weights/.")


def main(argv):
    if len(argv) != 2:
        raise InputError("name the folder that holds weights/ and images/: python -m release.int8 ../shared")
    folder = Path(argv[1])
    timing.protocol(
        "OpenVINO, the loss in dB of int8 against float32: Y, border 2, rounded, LR from the benchmarks' own files. "
        "Calibrated on the project's demo pictures, and on photographs; the estimate is what the conversion says, from "
        "parts of these pictures that it held back."
    )
    print("| file | calibrated on | Set5 | Set14 | estimate | bar |\n| --- | --- | --- | --- | --- | --- |")
    for name in FLAGS.file:
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / "network.keras"
            checkpoint.save(Network(name, folder / "weights" / name).load(2), path)
            measure(name, path, folder / "images")


def measure(name, path, pictures):
    """Prints a row per set of calibration pictures."""
    float32 = open_engine(path, "openvino")
    before = [psnr(float32, pictures / "benchmark" / which) for which in SETS]
    for what, calibration in (("demo/", None), ("photographs", pictures / "photos" / "train")):
        int8 = open_engine(path, "openvino", "int8", calibration=calibration, allow_loss=True)
        losses = [own - psnr(int8, pictures / "benchmark" / which) for own, which in zip(before, SETS, strict=True)]
        estimate = quantize.network(path, calibration)[1]["loss"]
        cells = " | ".join(f"{loss:.3f}" for loss in (*losses, estimate))
        print(f"| {name} | {what} | {cells} | {BARS.get(name, '')} |", flush=True)


def psnr(engine, folder):
    """Mean PSNR of a benchmark's x2 pictures."""
    figures = []
    for hr in sorted((folder / "image_SRF_2").glob("*_HR.png")):
        lr = hr.with_name(hr.name.replace("_HR", "_LR"))
        sr = upscale(engine, images.read(lr))
        figures.append(PROTOCOLS["paper"].measure(sr, images.read(hr), 2)[0])
    return np.mean(figures)


if __name__ == "__main__":
    app.run(main)
