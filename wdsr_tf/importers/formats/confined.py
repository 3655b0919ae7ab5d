"""A format read in a process of its own, with bounded memory and time.

For a library in C that takes memory as broken bytes say, loops for ever on some of them, or crashes: it is this child
then that dies. The child may write no file. It is no sandbox against code that a file manages to run.
"""

import contextlib
import importlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats import limits

MEMORY = 700 * 2**20  # of addresses: Python and a library take a quarter; our own process has the arrays, too
SECONDS = 4  # of computing time, and one more ...
BYTES_PER_SECOND = 10 * 2**20  # ... for so much of a file
PATIENCE = 10  # seconds of waiting for each of them, because a busy machine computes little


def read(name, path):
    """What the format's module `name` reads from `path`; InputError where its process fails."""
    seconds = SECONDS + path.stat().st_size // BYTES_PER_SECOND
    root = str(Path(__file__).parents[3])
    one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # each takes addresses
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", f"import {__name__} as it; it.main()", name, str(path.absolute()), str(seconds)],
        env={**os.environ, **one_thread, "PYTHONPATH": os.pathsep.join([root, *filter(None, sys.path)])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    alarm = threading.Timer(seconds * PATIENCE, child.kill)
    alarm.start()
    try:
        return _received(child.stdout)
    except EOFError as error:
        raise InputError(
            f"its library crashed on it, or took more than {seconds} seconds or {MEMORY >> 20} MiB: it is damaged"
        ) from error
    finally:
        alarm.cancel()
        child.kill()
        child.communicate()


def _received(pipe):
    """The arrays that `_send` wrote: a line of their names, types and shapes, or of an error; then their bytes."""
    line = pipe.readline(limits.MAX_LINE)
    if not line.endswith(b"\n"):
        raise EOFError
    answer = json.loads(line)
    if "error" in answer:
        raise InputError(answer["error"])
    budget = limits.Budget()
    arrays = {}
    for name, code, shape in answer["arrays"]:
        dtype = np.dtype(code)
        if dtype.kind not in "fiu":  # bytes of a process that may have gone wrong must not become objects
            raise EOFError
        budget.take(name, shape, dtype.itemsize)
        arrays[name] = np.empty(shape, dtype)
        if pipe.readinto(_bytes(arrays[name])) != arrays[name].nbytes:
            raise EOFError
    return arrays


def main():
    """The child: reads what its arguments say and writes it to its standard output."""
    name, path, seconds = sys.argv[1:]
    _confine(int(seconds))
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    with pipe:
        try:
            arrays = limits.plain(importlib.import_module(f"{__package__}.{name}").read(Path(path)))
        except Exception as error:  # as in `formats.read`
            said = error if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            pipe.write(json.dumps({"error": limits.line(said)}).encode() + b"\n")
        else:
            _send(pipe, arrays)
    os._exit(0)  # without the library's cleaning up, which may crash


def _send(pipe, arrays):
    facts = [(name, array.dtype.str, array.shape) for name, array in arrays.items()]
    pipe.write(json.dumps({"arrays": facts}).encode() + b"\n")
    for array in arrays.values():
        pipe.write(_bytes(array))


def _bytes(array):
    return memoryview(array.reshape(-1)).cast("B") if array.size else bytearray()


def _confine(seconds):
    with contextlib.suppress(ImportError):  # Windows has no such limits: there, patience alone bounds it
        import resource

        bounds = {"RLIMIT_AS": MEMORY, "RLIMIT_CPU": seconds, "RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0}
        for limit, most in bounds.items():
            with contextlib.suppress(ValueError, OSError):  # some systems refuse some of them
                resource.setrlimit(getattr(resource, limit), (most, most))
