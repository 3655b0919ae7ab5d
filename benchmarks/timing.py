"""Side by side in one run: machines drift by a factor of two within seconds, so only paired ratios mean anything."""

import platform
import statistics
import sys
import time
from importlib import metadata


def protocol(text):
    """Prints the command, the versions and `text`, so that a figure can be had again."""
    versions = []
    for name in ("tensorflow", "jax", "keras", "torch", "numpy"):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    print(
        f"$ python -m benchmarks.{sys.argv[0].rsplit('/', 1)[-1].removesuffix('.py')} {' '.join(sys.argv[1:])}".rstrip()
    )
    print(f"Python {platform.python_version()}, {', '.join(versions)}")
    print(text, flush=True)


def interleaved(contestants, rounds, warmup=1):
    """Runs each of `{name: function}` once per round, in turn; returns `{name: [seconds per round]}`.

    The first `warmup` rounds are not counted.
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
    """`{name: (median, lowest, highest)}` of how many times as fast as `base` each one was, paired by round."""
    out = {}
    for name, times in seconds.items():
        paired = [b / t for b, t in zip(seconds[base], times, strict=True)]
        out[name] = (statistics.median(paired), min(paired), max(paired))
    return out


def print_table(seconds, base, units, unit):
    """A Markdown table: each contestant's median rate (`units` of `unit` a round) and its ratio to `base`."""
    print(f"| | {unit}/s | times {base} (range) |\n| --- | --- | --- |")
    for name, (median, low, high) in ratios(seconds, base).items():
        rate = units / statistics.median(seconds[name])
        print(f"| {name} | {rate:,.2f} | {median:.2f} ({low:.2f}-{high:.2f}) |", flush=True)
