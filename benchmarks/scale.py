"""What shards and Ray cost over the plain loop, for many small images: python -m benchmarks.scale"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.drawn import draw
from benchmarks.measuring import print_header, print_row, protocol
from wdsr_tf import images
from wdsr_tf.commands.command import Command
from wdsr_tf.distributed.report import report
from wdsr_tf.system import extras

UPSCALE = [sys.executable, "-m", "wdsr_tf", "upscale", "--overwrite", "--engine", "onnx"]


def define(flags):
    flags.integer("images", 300, "How many images there are.", minimum=2)
    flags.integer("side", 96, "Height and width of each in pixels.", minimum=8)
    flags.integer("rounds", 3, "Rounds, in each of which every way is measured once.", minimum=1)


def run(flags, _words):
    protocol(
        f"{flags.images} images of {flags.side} x {flags.side} pixels. {flags.rounds} rounds; each runs all ways in "
        "turn, as processes of their own. The clock counts from the first image begun to the last one done; all is "
        "what a person waits for, with Python, the model, and Ray's cluster starting."
    )
    print()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for number, rgb in enumerate(draw(flags.images, flags.side, flags.side)):
            images.write(folder / f"in/{number:04d}.png", rgb)
        ways = {"plain loop": [[]], "2 shards": [["--shard", "0/2"], ["--shard", "1/2"]]}
        if extras.is_installed("ray"):
            for workers, cores in ((1, 1), (1, 2), (2, 1)):
                name = f"Ray, {workers} worker{'s' * (workers > 1)} of {cores} core{'s' * (cores > 1)}"
                ways[name] = [["--ray", "local", "--workers", str(workers), "--cpus-per-worker", str(cores)]]
        else:
            print("Ray isn't installed, so it isn't measured.\n")
        times = {way: [] for way in ways}
        for number in range(flags.rounds):
            for way, processes in ways.items():
                out = folder / f"{number} {way}"
                times[way].append(measured([*UPSCALE, "-i", folder / "in", "-o", out], processes, out, flags.images))
    print_header("", "images/s by the clock", "overhead", "all, s")
    base = [clock for clock, _ in times["plain loop"]]
    for way, pairs in times.items():
        overhead = statistics.median(clock / plain - 1 for (clock, _), plain in zip(pairs, base, strict=True))
        rate = flags.images / statistics.median(clock for clock, _ in pairs)
        print_row(way, f"{rate:.1f}", f"{overhead:+.0%}", f"{statistics.median(total for _, total in pairs):.1f}")


def measured(words, processes, out, count):
    """(seconds by the clock, seconds in all) of processes that run at once."""
    started = time.perf_counter()
    running = [
        subprocess.Popen([*words, *more], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for more in processes
    ]
    errors = [process.communicate()[1] for process in running]
    total = time.perf_counter() - started
    found = report(out)
    if any(process.returncode for process in running) or found.done != count:
        raise RuntimeError(b"".join(errors).decode())
    return found.elapsed, total


COMMAND = Command("scale", "Measures what shards and Ray cost.", define, run)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.scale"))
