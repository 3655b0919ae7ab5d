"""Peak memory of enlarging one large picture into a file.

python -m benchmarks.upscaling_memory
"""

import dataclasses
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import app, flags

from benchmarks import timing
from wdsr_tf.commands import flags as cli

FLAGS = flags.FLAGS
flags.DEFINE_string("network", "wdsr-a", "Which network, at x2, with its defaults and fresh weights.")
flags.DEFINE_integer("width", 5000, "Width of the picture in LR pixels.")
flags.DEFINE_multi_integer("height", [5000, 2500], "Heights in LR pixels, each in a process of its own.")
flags.DEFINE_string("memory", None, "As demo.py takes it.")
flags.DEFINE_bool("child", False, "Measure one picture and print the figures as JSON.")


def main(_):
    if FLAGS.child:
        print(json.dumps(measured(FLAGS.height[0])))
        return
    timing.protocol(
        f"{FLAGS.network} x2 on noise, float32, --memory {FLAGS.memory or 'by default'}, each strip written to a PNG "
        "as it is made. Memory: by how much the greatest resident size of the process, picture included, exceeds "
        "that after the network was built and run on 64 x 64 pixels. Estimate: what the tile was granted."
    )
    print("\n| LR | SR, megapixels | tile | peak over the bare runtime | less the LR picture | estimate | minutes |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for height in FLAGS.height:
        figures = child(height)
        peak, own = figures["peak"], 3 * height * FLAGS.width
        print(
            f"| {FLAGS.width} x {height} | {4e-6 * height * FLAGS.width:.0f} | {figures['tile']} "
            f"| {peak / 2**20:,.0f} MiB | {(peak - own) / 2**20:,.0f} MiB | {figures['estimate'] / 2**20:,.0f} MiB "
            f"| {figures['seconds'] / 60:.1f} |",
            flush=True,
        )


def child(height):
    """The figures of one height, from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.upscaling_memory", "--child", f"--height={height}"]
    command += [f"--{name}={FLAGS[name].value}" for name in ("network", "width", "memory") if FLAGS[name].value]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def measured(height):
    """Bytes by which enlarging raises this process's greatest resident size, the tile and the seconds it takes."""
    cli.load_keras()
    from wdsr_tf.images import Picture
    from wdsr_tf.inference.engines.keras import of_model
    from wdsr_tf.inference.picture import upscale_to_file
    from wdsr_tf.models import create_model

    engine = of_model(create_model(FLAGS.network, 2))
    tiles, whole = [], engine.run

    def run(lr):
        tiles.append(lr.shape[1:3])
        return whole(lr)

    engine.run(np.zeros((1, 64, 64, 3), "uint8"))
    bare = resident()
    rgb = np.random.default_rng(0).integers(0, 256, (height, FLAGS.width, 3), dtype="uint8")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        watched = dataclasses.replace(engine, run=run)
        upscale_to_file(Path(folder) / "large.png", watched, Picture(rgb), memory=FLAGS.memory)
    tile = max(tiles)
    return {
        "peak": resident() - bare,
        "tile": "{} x {}".format(*tile),
        "estimate": engine.receptive_field.bytes_per_pixel * tile[0] * tile[1],
        "seconds": time.perf_counter() - started,
    }


def resident():
    """The greatest resident size so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
