"""A folder of small images upscaled with different --jobs: python -m benchmarks.folder"""

import contextlib
import io
import sys
import tempfile
from pathlib import Path

from benchmarks.drawn import draw
from benchmarks.measuring import interleaved, print_rates, protocol
from wdsr_tf import images
from wdsr_tf.commands import upscale
from wdsr_tf.commands.command import Command


def define(flags):
    flags.integer("images", 200, "How many images there are.", minimum=1)
    flags.integer("side", 96, "Height and width of each in pixels.", minimum=8)
    flags.list("jobs", "1,2,3,4", "Values of --jobs to compare; the first is the base.")
    flags.integer("rounds", 5, "Rounds, in each of which every value is measured once.", minimum=1)
    flags.string("model", None, "As for upscale. Default: the bundled models.", short="m")
    flags.string("engine", "onnx", "As for upscale.")
    flags.string("format", "png", "Of the images and the results.")


def run(flags, _words):
    protocol(
        f"{flags.images} images of {flags.side} x {flags.side} pixels in {flags.format}, in one run of the command, "
        f"which opens the model, too. {flags.rounds} rounds after one that isn't counted; each runs all values in turn."
    )
    print()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for number, rgb in enumerate(draw(flags.images, flags.side, flags.side)):
            images.write(folder / f"in/{number:04d}.{flags.format}", rgb, 95)
        words = ["-i", str(folder / "in"), "--engine", flags.engine, "--format", flags.format, "--overwrite"]
        words += ["-m", flags.model] if flags.model else []
        contestants = {
            f"-j {jobs}": lambda jobs=jobs: upscaled([*words, "-o", str(folder / f"out{jobs}"), "-j", jobs])
            for jobs in flags.jobs
        }
        seconds = interleaved(contestants, flags.rounds)
    print_rates(seconds, f"-j {flags.jobs[0]}", flags.images, "images")


def upscaled(words):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as errors:
        code = upscale.COMMAND.main(words)
    if code:
        raise RuntimeError(errors.getvalue())


COMMAND = Command("folder", "Measures upscaling of a folder of small images.", define, run)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.folder"))
