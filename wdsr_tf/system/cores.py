"""How many CPU cores this process may use."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")  # read when libraries are imported
_most = math.inf  # see `restrict`


def available(proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """Returns the number of cores, at least 1, by CPU affinity (SLURM, `taskset`) and CPU quota (containers)."""
    return max(1, math.ceil(min([_most, _by_affinity(), *_by_quota(proc, cgroups)])))


def restrict(count: int) -> None:
    """From now on, this process uses no more than `count` cores, because others use the rest."""
    global _most
    _most = count
    for name in THREADS:
        os.environ.setdefault(name, str(count))


def limit() -> int | None:
    """Returns `available()` if it's less than the machine has; else None: libraries then choose the best number."""
    count = available()
    return count if count < (os.cpu_count() or 1) else None


def _by_affinity():
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _by_quota(proc, cgroups) -> Iterator[float]:
    """The cores that each control group above this process may use, of version 2 and of version 1."""
    try:
        lines = (proc / "self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, files = cgroups, ("cpu.max",)
        elif "cpu" in controllers.split(","):
            root, files = cgroups / "cpu", ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        else:
            continue
        own = root / path.lstrip("/")
        for folder in (own, *own.parents):
            if folder.is_relative_to(root):
                yield _quota(folder, files)


def _quota(folder, files):
    """Quota divided by period; infinity for "max", -1, or a group that isn't there."""
    try:
        quota, period = map(float, " ".join((folder / name).read_text(encoding="utf-8") for name in files).split())
    except (OSError, ValueError):
        return math.inf
    return quota / period if quota > 0 and period > 0 else math.inf
