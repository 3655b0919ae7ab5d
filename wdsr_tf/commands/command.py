"""A command line: flags, help, and errors that read as sentences.

    def define(flags):
        flags.string("indir", "demo", "Image, or folder of images.", short="i")

    def run(flags, words):
        ...  # `flags.indir`; `words` are the positional arguments; returns the exit code, None for 0

    COMMAND = Command("upscale", "Upscales images.", define, run)
    sys.exit(COMMAND.main(sys.argv[1:]))

Each call has flags of its own, so a test can run a command many times in one process.
"""

import dataclasses
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from wdsr_tf.commands.flags import Flags
from wdsr_tf.commands.help import help_text
from wdsr_tf.errors import InputError


@dataclasses.dataclass(frozen=True)
class Command:
    """One verb.

    Attributes:
        name: the verb, such as "upscale" or "convert numpy".
        summary: one sentence for the list of verbs.
        define: defines the flags on the `Flags` it is given.
        run: `run(flags, words)` does the work and returns the exit code; None is 0.
        words: how help shows the positional arguments; empty if there are none.
        description: what help says below the summary.
        profiles: the folder of `--profile NAME`, for a command that has that flag.
    """

    name: str
    summary: str
    define: Callable
    run: Callable
    words: str = ""
    description: str = ""
    profiles: Path | None = None

    def main(self, argv, program=None):
        """Runs the command with the arguments `argv`, without the program's name, and returns the exit code.

        Errors that the user can fix are one line on stderr and exit code 1; `WDSR_TF_TRACEBACK=1` shows where they
        come from. Ctrl-C is exit code 130.
        """
        prepare_process()
        program = program or f"wdsr-tf {self.name}"
        try:
            if any(word in ("-h", "--help") for word in _before_double_dash(argv)):
                say(help_text(self, program))
                return 0
            flags = self.flags()
            words = flags.parse(argv, self.profiles)
            for sentence in flags.ignored():
                complain(f"{program}: {sentence}")
            if words and not self.words:
                raise InputError(f"Unexpected argument {words[0]!r}. Run '{program} --help' for the flags.")
            return self.run(flags, words) or 0
        except (InputError, OSError) as error:
            if os.environ.get("WDSR_TF_TRACEBACK"):
                raise
            complain(f"{program}: {error}")
            return 1
        except KeyboardInterrupt:
            complain("\nInterrupted.")
            return 130

    def takes_value(self, word):
        """Whether the next argument is the value of the flag `word`."""
        flags = self.flags()
        name = word.lstrip("-").replace("-", "_")
        return "=" not in word and name in flags and not flags[name].boolean

    def flags(self):
        """The command's flags with their defaults."""
        flags = Flags()
        self.define(flags)
        return flags


def prepare_process():
    """Silences TensorFlow's banners, and makes streams print any character."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is imported
    logging.captureWarnings(True)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def say(*words):
    """Prints a line to stdout at once. Output that nobody reads (a closed pipe) is no reason to stop."""
    _print(sys.stdout, *words)


def complain(*words):
    """Prints a line to stderr."""
    _print(sys.stderr, *words)


def _print(stream, *words):
    try:
        print(*words, file=stream, flush=True)
    except (OSError, ValueError):  # closed, or on a full disk
        _discard(stream)


def _discard(stream):
    """Sends what is still buffered, and all that follows, to nowhere; else Python fails again when it exits."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, ValueError, AttributeError):
        pass


def _before_double_dash(argv):
    return argv[: argv.index("--")] if "--" in argv else argv
