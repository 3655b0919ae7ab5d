"""The installed command: `wdsr-tf VERB`."""

import sys

from wdsr_tf import __version__
from wdsr_tf.commands.command import say
from wdsr_tf.commands.group import Group

VERBS = Group(
    "",
    "Single-image super-resolution: upscales images, and trains, ranks and converts models.",
    {
        verb: f"wdsr_tf.commands.{verb}"
        for verb in ("upscale", "train", "bench", "convert", "export", "interpolate", "report", "doctor")
    },
)


def main(argv=None):
    """Runs the verb that `argv` (default: the command line's arguments) names, and returns its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["--version"]:
        say(f"wdsr-tf {__version__}")
        return 0
    return VERBS.main(argv)
