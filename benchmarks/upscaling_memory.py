"""Peak memory of upscaling one large image into a file: python -m benchmarks.upscaling_memory"""

import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import measuring
from wdsr_tf.commands.command import Command
from wdsr_tf.system.quiet import load_keras


def define(flags):
    flags.string("network", "wdsr-a", "Network, at x2, with its defaults and fresh weights.")
    flags.integer("width", 5000, "Width of the image in LR pixels.", minimum=1)
    flags.list("heights", ["5000", "2500"], "Heights in LR pixels, each measured in a fresh process.")
    flags.string("memory", None, "Memory for tiles, as demo.py takes it.")
    flags.switch("child", False, "Measure the first height and print the figures as JSON.")


def run(flags, _words):
    heights = list(map(int, flags.heights))
    if flags.child:
        print(json.dumps(measured(flags.network, heights[0], flags.width, flags.memory)))
        return
    measuring.protocol(
        f"{flags.network} x2 on noise, float32, memory for tiles: {flags.memory or 'the default'}; each strip is "
        "written to a PNG file when it's done. Memory: by how much the greatest resident size of the process, image "
        "included, exceeds that after the network ran on 64 x 64 pixels. Estimate: what the tile was planned to take."
    )
    print()
    measuring.print_header(
        "LR", "SR, megapixels", "tile", "peak above the bare runtime", "less the LR image", "estimate", "minutes"
    )
    for height in heights:
        figures = child(flags, height)
        peak, own = figures["peak"], 3 * height * flags.width
        measuring.print_row(
            f"{flags.width} x {height}",
            f"{4e-6 * height * flags.width:.0f}",
            figures["tile"],
            *(f"{size / 2**20:,.0f} MiB" for size in (peak, peak - own, figures["estimate"])),
            f"{figures['seconds'] / 60:.1f}",
        )


def child(flags, height):
    """The figures of one height, from a fresh process."""
    command = [sys.executable, "-m", "benchmarks.upscaling_memory", "--child", f"--heights={height}"]
    command += [f"--{name}={flags[name].value}" for name in ("network", "width", "memory") if flags[name].value]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def measured(network, height, width, memory):
    """Bytes by which upscaling raises this process's greatest resident size, its tile, and the seconds it takes."""
    load_keras()
    import numpy as np

    from wdsr_tf.images import Picture
    from wdsr_tf.inference.engines.keras import of_model
    from wdsr_tf.inference.picture import upscale_to_file
    from wdsr_tf.models import create_model

    engine = of_model(create_model(network, 2))
    tiles = []

    def watched(lr):
        tiles.append(lr.shape[1:3])
        return engine.run(lr)

    engine.run(np.zeros((1, 64, 64, 3), "uint8"))
    bare = measuring.peak_memory()
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype="uint8")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.png"
        upscale_to_file(path, dataclasses.replace(engine, run=watched), Picture(rgb), memory=memory)
    tile = max(tiles)
    return {
        "peak": measuring.peak_memory() - bare,
        "tile": "{} x {}".format(*tile),
        "estimate": engine.receptive_field.bytes_per_pixel * tile[0] * tile[1],
        "seconds": time.perf_counter() - started,
    }


COMMAND = Command("upscaling_memory", "Measures the peak memory of upscaling large images.", define, run)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.upscaling_memory"))
