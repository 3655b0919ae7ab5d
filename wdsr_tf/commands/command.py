"""A command: flags, help, and errors in one sentence.

    def define(flags):
        flags.string("indir", "demo", "Image, or folder of images.", short="i")

    def run(flags, words):
        ...  # `flags.indir`; `words` are the positional arguments; returns the exit code, None for 0

    COMMAND = Command("upscale", "Upscales images.", define, run)
    sys.exit(COMMAND.main(sys.argv[1:]))

Flags are created anew for each call, so a test can run a command many times in one process.
"""

import contextlib
import dataclasses
import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from wdsr_tf.commands import limits
from wdsr_tf.commands.flags import Flags
from wdsr_tf.commands.help import help_text
from wdsr_tf.commands.output import complain, guarded_output, say
from wdsr_tf.errors import InputError, sentence


@dataclasses.dataclass(frozen=True)
class Command:
    """A verb of `wdsr-tf`, or a mode of `wdsr-tf convert`.

    Args:
        name: such as "upscale" or "convert numpy".
        summary: one sentence, for help.
        define: function that defines the flags on the `Flags` that it is given.
        run: function of (flags, positional arguments) that returns the exit code; None is 0.
        words: how help shows the positional arguments; empty if there are none.
        description: what help says below the summary; a blank line separates paragraphs.
        profiles: folder of `--profile NAME`, if the command has that flag.
    """

    name: str
    summary: str
    define: Callable
    run: Callable
    words: str = ""
    description: str = ""
    profiles: Path | None = None

    def main(self, argv, program=None):
        """Runs the command and returns its exit code.

        An error that the user can fix is printed in one sentence, and the exit code is 1; set WDSR_TF_TRACEBACK=1 to
        see where it comes from. Ctrl-C is exit code 130, SIGTERM 143.

        Args:
            argv: the arguments, without the program's name.
            program: how the user started the command, for messages; default: "wdsr-tf NAME".
        """
        prepare_process()
        with guarded_output(), _terminable() as is_terminated:
            return self._main(argv, program or f"wdsr-tf {self.name}", is_terminated)

    def _main(self, argv, program, is_terminated):
        try:
            if any(word in ("-h", "--help") for word in _before_double_dash(argv)):
                say(help_text(self, program))
                return 0
            flags = self.flags()
            words = flags.parse(argv, self.profiles)
            for line in flags.ignored():
                complain(f"{program}: {line}")
            if words and not self.words:
                raise InputError(f"Unexpected argument {words[0]!r}. '{program} --help' lists the flags.")
            with limits.applied(flags):
                return self.run(flags, words) or 0
        except (InputError, OSError) as error:
            if os.environ.get("WDSR_TF_TRACEBACK"):
                raise
            complain(f"{program}: {sentence(error)}")
            return 1
        except KeyboardInterrupt:
            if is_terminated():  # Ray raises an interrupt of its own in the place of ours
                complain("\nTerminated.")
                return 143
            complain("\nInterrupted.")
            return 130

    def takes_value(self, word):
        """Whether `word` is a flag whose value is the next argument."""
        flags = self.flags()
        name = word.lstrip("-").replace("-", "_")
        return "=" not in word and name in flags and not flags[name].boolean

    def flags(self):
        """Returns new `Flags` with their defaults."""
        flags = Flags()
        self.define(flags)
        return flags


def prepare_process():
    """Silences TensorFlow's banners."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is imported
    logging.captureWarnings(True)


class Terminated(KeyboardInterrupt):
    """SIGTERM, as schedulers send it: ends the process as Ctrl-C does, so that temporary files are removed."""


@contextlib.contextmanager
def _terminable():
    """Yields a function that tells whether SIGTERM has arrived."""
    arrived = threading.Event()

    def terminate(number, frame):
        arrived.set()
        raise Terminated

    is_ours = threading.current_thread() is threading.main_thread()
    is_ours = is_ours and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if is_ours:
        signal.signal(signal.SIGTERM, terminate)
    try:
        yield arrived.is_set
    finally:
        if is_ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _before_double_dash(argv):
    return argv[: argv.index("--")] if "--" in argv else argv
