"""Reads a format in a child process with bounded memory and time.

This is for libraries in C or C++ that crash on broken bytes, loop forever, or allocate gigabytes: only the child dies.
The child can't write files. It isn't a sandbox against code that a file manages to run.
"""

import contextlib
import dataclasses
import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats import limits


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a child may use: bytes of address space, and seconds of CPU time for a small file."""

    memory: int
    seconds: int


# Fuzzing shows that HDF5 allocates gigabytes for some broken files and never returns from others, and that ONNX's
# protocol buffers take eighty times a hostile file's size. Importing TensorFlow alone takes 1.5 GiB and 5 seconds.
LIMITS = {
    "checkpoint_shapes": Limits(memory=700 * 2**20, seconds=4),
    "hdf5": Limits(memory=700 * 2**20, seconds=4),
    "onnx": Limits(memory=700 * 2**20, seconds=4),
    "tensorflow1": Limits(memory=4 * 2**30, seconds=30),
}
BYTES_PER_SECOND = 10 * 2**20  # a large file gets one more second for each of these
PATIENCE = 10  # seconds of waiting for each second of CPU time, because the machine may be busy


def read(name: str, path: Path, size: int, *selection: str) -> dict[str, np.ndarray]:
    """Returns what the format module `name` reads from `path`, `size` bytes; raises InputError if the child fails.

    `selection` is a pattern for the names of arrays, for modules of SELECTIVE.
    """
    memory, seconds = LIMITS[name].memory, LIMITS[name].seconds + size // BYTES_PER_SECOND
    child = start(name, path, memory, seconds, *selection)
    alarm = threading.Timer(seconds * PATIENCE, child.kill)
    alarm.start()
    try:
        return _received(child.stdout)
    except EOFError as error:
        raise InputError(
            f"the file is damaged: its library crashed, or used more than {seconds} seconds or {memory >> 20} MiB"
        ) from error
    finally:
        alarm.cancel()
        child.kill()
        child.communicate()


def start(name, path, memory, seconds, *selection):
    """Starts the child, whose standard output has the answer."""
    code = f"import {__name__} as it, sys; it.main(*sys.argv[1:])"
    root = str(Path(__file__).parents[3])
    one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # each thread takes address space
    no_gpu = {"CUDA_VISIBLE_DEVICES": "-1"}
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code, name, str(path.absolute()), str(memory), str(seconds), *selection],
        env=os.environ | one_thread | no_gpu | {"PYTHONPATH": os.pathsep.join([root, *filter(None, sys.path)])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _received(pipe):
    """Returns what `_send` wrote: a line with the names, types and shapes of arrays or an error, then their bytes."""
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
        if dtype.kind not in "fiu":  # never build objects from the bytes of a process that may have gone wrong
            raise EOFError
        budget.take(name, shape, dtype.itemsize)
        arrays[name] = np.empty(shape, dtype)
        if pipe.readinto(_bytes(arrays[name])) != arrays[name].nbytes:
            raise EOFError
    return arrays


def main(name, path, memory, seconds, *selection):
    """Runs the child: reads the file and writes its arrays to standard output."""
    _confine(int(memory), int(seconds))
    tempfile.tempdir = os.curdir  # TensorFlow's import asks for one, and looking for it would write files
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not mix with the answer
    with pipe:
        try:
            arrays = limits.plain(importlib.import_module(f"{__package__}.{name}").read(Path(path), *selection))
        except Exception as error:  # as in `formats.read`
            reason = error if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            pipe.write(json.dumps({"error": limits.line(reason)}).encode() + b"\n")
        else:
            _send(pipe, arrays)
    os._exit(0)  # skips the library's cleanup, which may crash


def _send(pipe, arrays):
    header = [(name, array.dtype.str, array.shape) for name, array in arrays.items()]
    pipe.write(json.dumps({"arrays": header}).encode() + b"\n")
    for array in arrays.values():
        pipe.write(_bytes(array))


def _bytes(array):
    return memoryview(array.reshape(-1)).cast("B") if array.size else bytearray()


def _confine(memory, seconds):
    with contextlib.suppress(ImportError):  # Windows has no such limits; there, only waiting is bounded
        import resource

        bounds = {"RLIMIT_AS": memory, "RLIMIT_CPU": seconds, "RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0}
        for limit, most in bounds.items():
            with contextlib.suppress(ValueError, OSError):  # some systems refuse some of them
                resource.setrlimit(getattr(resource, limit), (most, most))
