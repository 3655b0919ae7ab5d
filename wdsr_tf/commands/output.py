"""Printing that never fails: a closed pipe, a full disk, a missing console or an odd name costs no work."""

import contextlib
import os
import sys
from pathlib import Path

from wdsr_tf.errors import sentence
from wdsr_tf.system.terminal import one_line, printable


def say(*words):
    """Prints a line to stdout and flushes it; control characters are escaped."""
    _print(sys.stdout, words)


def complain(*words):
    """Prints a line to stderr; see `say`."""
    _print(sys.stderr, words)


def complain_of(said, source, error):
    """Prints a line to stderr that `source` failed: `said`, its path, and the reason."""
    complain(f"{said}: {one_line(source)}: {one_line(sentence(error).removeprefix(f'{source}: '))}")


def _print(stream, words):
    if stream is not None:
        stream = _guarded(stream)
        stream.write(printable(" ".join(map(str, words))) + "\n")
        stream.flush()


@contextlib.contextmanager
def guarded_output():
    """Guards stdout and stderr meanwhile, for progress bars and libraries too; missing ones discard what they get."""
    _open_descriptors()
    before = sys.stdout, sys.stderr
    for stream in before:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    with contextlib.ExitStack() as stack:
        streams = [each or stack.enter_context(Path(os.devnull).open("w", encoding="utf-8")) for each in before]
        sys.stdout, sys.stderr = map(_guarded, streams)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            sys.stdout, sys.stderr = before


class _Guarded:
    """A text stream whose `write` and `flush` don't fail."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            encoding = getattr(self._stream, "encoding", None) or "ascii"
            self.write(text.encode(encoding, "backslashreplace").decode(encoding))
        except (OSError, ValueError):  # closed, or its disk is full
            _discard(self._stream)
        return len(text)

    def flush(self):
        try:
            self._stream.flush()
        except (OSError, ValueError):
            _discard(self._stream)

    def __getattr__(self, name):
        return getattr(self._stream, name)


def _guarded(stream):
    return stream if isinstance(stream, _Guarded) else _Guarded(stream)


def _discard(stream):
    """Discards what is buffered and all later output; otherwise Python fails again when it exits."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, ValueError, AttributeError):
        pass


def _open_descriptors():
    """Opens those of 0, 1 and 2 that are closed: else the next file gets the number, and native code prints into it."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
