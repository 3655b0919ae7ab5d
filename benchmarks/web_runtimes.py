"""Speed of ONNX Runtime and LiteRT in Chromium, beside native ONNX Runtime.

    make web/node_modules/installed
    (cd web && npm install --no-save @litertjs/core@2.5.3)
    python -m benchmarks.web_runtimes

The page uses ONNX Runtime, and nothing here depends on LiteRT's package, which has 38 MB.
"""

import os
import sys
import tempfile
from pathlib import Path

from benchmarks import measuring
from benchmarks.web import ask, node
from wdsr_tf.commands.command import Command
from wdsr_tf.errors import InputError
from wdsr_tf.system.quiet import load_keras

NATIVE = "ONNX Runtime, native"
WEB = {"ONNX Runtime, Chromium": "onnx", "LiteRT, Chromium": "litert"}
LITERT = Path("web/node_modules/@litertjs/core")


def define(flags):
    flags.list("models", ["wdsr-a-8-x2", "wdsr-b-4-x2"], "Names of checkpoints.")
    flags.string("checkpoints", "wdsr_tf/weights", "Folder of the checkpoints.")
    flags.integer("tile", 256, "Side of the input in LR pixels.", minimum=8)
    flags.switch("int8", False, "Give LiteRT int8 weights; the others stay float32, because ours is for OpenVINO.")
    flags.integer("rounds", 9, "Rounds that count, after two that don't.", minimum=1)


def run(flags, _words):
    if not LITERT.is_dir():
        raise InputError(f"{LITERT} is missing. Run: cd web && npm install --no-save @litertjs/core@2.5.3")
    load_keras()
    measuring.protocol(
        f"x2, {flags.tile} x {flags.tile}, {os.cpu_count()} threads each, {'int8' if flags.int8 else 'float32'} in "
        f"LiteRT, {flags.rounds} rounds in turn after two more."
    )
    for model in flags.models:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(flags.checkpoints) / f"{model}.keras", Path(folder), flags)


def measure(checkpoint, folder, flags):
    import numpy as np

    import wdsr_tf

    side = flags.tile
    lr = np.random.default_rng(1).integers(0, 256, (1, side, side, 3)).astype("float32")
    lr.tofile(folder / "lr.f32")
    wdsr_tf.export(checkpoint, folder, formats=["onnx"])
    wdsr_tf.export(checkpoint, folder, formats=["litert"], tile=side, int8=flags.int8)
    native = session(folder / f"{checkpoint.stem}.onnx")
    expected = native(lr)
    with node("web/test/runtimes.mjs", folder, checkpoint.stem, side, os.cpu_count()) as page:
        for name, runtime in WEB.items():
            ask(page, f"{runtime} {folder}/sr.f32")
            found = np.fromfile(folder / "sr.f32", "float32").reshape(expected.shape)
            print(f"{checkpoint.stem}, {name}: {np.abs(found - expected).max():.4f} of 255 from native", flush=True)
        contestants = {NATIVE: lambda: native(lr)}
        contestants |= {name: lambda runtime=runtime: ask(page, runtime) for name, runtime in WEB.items()}
        seconds = measuring.interleaved(contestants, flags.rounds, warmup=2)
        page.stdin.close()
    print("| model | runtime | ms, median | of native speed |\n| --- | --- | --- | --- |")
    for name, speed in measuring.ratios(seconds, NATIVE).items():
        median = sorted(seconds[name])[len(seconds[name]) // 2]
        print(f"| {checkpoint.stem} | {name} | {1000 * median:.0f} | {measuring.span(*speed)} |", flush=True)


def session(path):
    import onnxruntime

    opened = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda lr: opened.run(["sr"], {"lr": lr})[0]


COMMAND = Command(
    "web_runtimes",
    "Compares runtimes in the browser with native ONNX Runtime.",
    define,
    run,
    description="Each runs the same tile, from array to array, with as many threads as there are CPU cores.",
)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.web_runtimes"))
