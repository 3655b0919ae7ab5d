"""Reads and recognizes weight files, each named in a line of standard input, and prints how each ended.

Tests run it as a process.

A line is printed before a file is read, so that the one at which the process dies is known. What the process does
beside reading (running or writing anything) ends it.
"""

import json
import os
import re
import resource
import sys
from pathlib import Path

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats, recognize
from wdsr_tf.importers.formats import limits

ADDRESSES = 6 * 2**30  # so that a defect cannot take the whole machine; what is taken is measured
FORBIDDEN = ("os.", "shutil.", "socket.", "subprocess.", "ctypes.", "webbrowser.", "urllib.", "pty.")
HARMLESS = (
    "os.listdir",
    "os.scandir",
    "os.kill",
    "ctypes.dlopen",
    "ctypes.dlsym",
)  # it kills the child that it started
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def watch(event, arguments):
    """Ends the process when the reader runs, writes or removes something; the one child that it may start is Python."""
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING and arguments[0] != os.devnull:
        stop(event, arguments)
    if event in ("subprocess.Popen", "os.posix_spawn") and arguments[0] in (
        sys.executable,
        os.fsencode(sys.executable),
    ):
        return
    if event.startswith(FORBIDDEN) and event not in HARMLESS:
        stop(event, arguments)


def stop(event, arguments):
    """Says what was done, and ends."""
    print(json.dumps({"forbidden": f"{event} {arguments}"}), flush=True)
    os._exit(3)


def outcome(path):
    """How reading a file ended."""
    try:
        arrays = formats.read(path).arrays
    except InputError as error:
        return {"error": str(error)}
    good = [a.dtype == np.float32 or a.dtype.kind in "iu" for a in arrays.values()]
    good += [bool(np.isfinite(a).all()) for a in arrays.values()]
    good += [0 < len(arrays) <= limits.MAX_TENSORS, sum(a.nbytes for a in arrays.values()) <= limits.MAX_BYTES]
    if not all(good):
        return {"unlawful": len(arrays)}
    try:
        recognize.choose(recognize.recognize(arrays))
    except InputError as error:
        return {"read": len(arrays), "refused": str(error)}
    return {"read": len(arrays), "recognized": True}


def main():
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    sys.addaudithook(watch)
    for line in sys.stdin:
        path = line.rstrip("\n")
        print(json.dumps({"file": path}), flush=True)
        print(json.dumps(outcome(path)), flush=True)
    print(json.dumps({"peak": peak()}))


def peak():
    """The most memory that this process or one of its children had, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    try:  # Linux counts in ru_maxrss what the process had that started this one: all of pytest
        status = Path("/proc/self/status").read_text()
    except OSError:
        return max(children, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
    return max(children, int(re.search(r"VmHWM:\s*(\d+)", status)[1]) * 1024)


if __name__ == "__main__":
    main()
