"""Interleaved timing, peak memory, and the tables that benchmarks print.

Machines drift by a factor of two within seconds, so contestants run in turn and only ratios within a round count.
"""

import os
import platform
import re
import statistics
import sys
import time
from importlib import metadata
from pathlib import Path

from wdsr_tf.errors import InputError, suggestion
from wdsr_tf.system import cpu

PACKAGES = ("tensorflow", "jax", "keras", "onnxruntime", "openvino", "torch", "numpy")


def protocol(text):
    """Prints what reproduces a measurement: the command, the versions, the CPU and its load, and `text`."""
    spec = sys.modules["__main__"].__spec__
    command = f"python -m {spec.name}" if spec else Path(sys.argv[0]).name
    print(" ".join(["$", command, *sys.argv[1:]]))
    print(machine())
    print(text, flush=True)


def machine():
    """The versions of the packages, the CPU, and its load."""
    versions = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{', '.join(versions)}; {os.cpu_count()} CPU cores, {cpu.name()}{load}"


def interleaved(contestants, rounds, warmup=1):
    """Runs each of `{name: function}` once per round, in turn; returns `{name: [seconds per round]}`.

    The first `warmup` rounds aren't counted.
    """
    seconds = {name: [] for name in contestants}
    for i in range(warmup + rounds):
        for name, run in contestants.items():
            started = time.perf_counter()
            run()
            if i >= warmup:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def ratios(seconds, base):
    """`{name: (median, lowest, highest)}`: how many times as fast as `base` each contestant was, paired by round."""
    out = {}
    for name, times in seconds.items():
        paired = [b / t for b, t in zip(seconds[base], times, strict=True)]
        out[name] = (statistics.median(paired), min(paired), max(paired))
    return out


def span(median, low, high, digits=2):
    """`1.20 (1.10-1.30)`."""
    return f"{median:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def print_rates(seconds, base, units, unit):
    """Prints each contestant's median rate, with `units` of `unit` per round, and its ratio to `base`."""
    print_header("", f"{unit}/s", f"times {base} (range)")
    for name, ratio in ratios(seconds, base).items():
        print_row(name, f"{units / statistics.median(seconds[name]):,.2f}", span(*ratio))


def print_header(*titles):
    """Prints the head of a Markdown table."""
    print_row(*titles)
    print_row(*("---" for _ in titles))


def print_row(*cells):
    """Prints a row of a Markdown table."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def peak_memory():
    """The greatest resident size of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux, a process inherits what getrusage returns from its parent
        return 1024 * int(re.search(r"VmHWM:\s*(\d+)", status.read_text(encoding="utf-8"))[1])
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def chosen(names, known, what):
    """Returns `names`, or raises InputError if one isn't among the `known` values of the flag `what`."""
    for name in names:
        if name not in known:
            raise InputError(f"Unknown {what} {name!r}. {suggestion(name, known)}Choose among {', '.join(known)}.")
    return names
