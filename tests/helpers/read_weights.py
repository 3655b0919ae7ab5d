"""Reads and recognizes the weights files named on standard input, one per line, and prints a result for each.

Tests run it as a process. It prints a line before it reads a file, so that a test knows which file it died of. If
reading a file runs or writes anything, it exits. With `--fork`, it imports TensorFlow once and forks itself for each
file that a child process reads, which is quicker than starting Python.
"""

import json
import os
import re
import resource
import signal
import sys
from pathlib import Path

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats, recognize
from wdsr_tf.importers.formats import confined, limits

ADDRESS_SPACE = 6 * 2**30  # so that a defect can't exhaust the machine; the memory used is measured
FORBIDDEN = ("os.", "shutil.", "socket.", "subprocess.", "ctypes.", "webbrowser.", "urllib.", "pty.")
HARMLESS = ("os.listdir", "os.scandir", "os.fork", "os.kill", "ctypes.dlopen", "ctypes.dlsym")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def watch(event, arguments):
    """Exits if the reader runs, writes or removes something; the only child that it may start is Python."""
    file, _, flags = arguments if event == "open" else (0, 0, 0)
    if isinstance(flags, int) and flags & WRITING and file != os.devnull and not isinstance(file, int):
        stop(event, arguments)
    if event in ("subprocess.Popen", "os.posix_spawn") and arguments[0] in (
        sys.executable,
        os.fsencode(sys.executable),
    ):
        return
    if event.startswith(FORBIDDEN) and event not in HARMLESS:
        stop(event, arguments)


def stop(event, arguments):
    """Says what was done, and exits."""
    print(json.dumps({"forbidden": f"{event} {arguments}"}), flush=True)
    os._exit(3)


def outcome(path):
    """Returns the result of reading a file."""
    try:
        file = formats.read(path)
    except InputError as error:
        return {"error": str(error)}
    arrays = file.arrays
    good = [a.dtype == np.float32 or a.dtype.kind in "iu" for a in arrays.values()]
    good += [bool(np.isfinite(a).all()) for a in arrays.values()]
    good += [0 < len(arrays) <= limits.MAX_TENSORS, sum(a.nbytes for a in arrays.values()) <= limits.MAX_BYTES]
    if not all(good):
        return {"invalid": len(arrays)}
    try:
        recognize.choose(recognize.recognize(arrays, file.facts))
    except InputError as error:
        return {"read": len(arrays), "refused": str(error)}
    return {"read": len(arrays), "recognized": True}


class Forked:
    """Replaces the child that `confined.start` returns."""

    def __init__(self, *arguments):
        receiver, sender = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            try:
                os.dup2(sender, 1)
                confined.main(*arguments)
            finally:
                os._exit(1)
        os.close(sender)
        self.stdout = os.fdopen(receiver, "rb")

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def communicate(self):
        os.waitpid(self.pid, 0)
        self.stdout.close()


def main():
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    if "--fork" in sys.argv:
        import tensorflow  # noqa: F401

        confined.start = Forked
    sys.addaudithook(watch)
    for line in sys.stdin:
        path = line.rstrip("\n")
        print(json.dumps({"file": path}), flush=True)
        print(json.dumps(outcome(path)), flush=True)
    print(json.dumps({"peak": peak()}))


def peak():
    """Returns the most memory that this process or one of its children used, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    try:  # on Linux, ru_maxrss includes the memory of the process that started this one: all of pytest
        status = Path("/proc/self/status").read_text()
    except OSError:
        return max(children, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
    return max(children, int(re.search(r"VmHWM:\s*(\d+)", status)[1]) * 1024)


if __name__ == "__main__":
    main()
