"""Memory of this machine and this process: what is free, and the peak that was used (Linux)."""

import math
import re
from pathlib import Path

PROCESS = Path("/proc/self")
SLACK = 64 * 2**20  # resident size may fall between the two lines of one reading
UNKNOWN = 2 * 2**30  # bytes assumed free on systems that don't say


def free(proc=Path("/proc"), cgroups=Path("/sys/fs/cgroup")):
    """Bytes that this process may still take: what the system has left, or less where its control group allows less."""
    return min([_system(proc), *_groups(proc, cgroups)])


def _system(proc):
    try:
        return int(re.search(r"MemAvailable:\s+(\d+) kB", (proc / "meminfo").read_text())[1]) * 1024
    except (OSError, TypeError):
        pass
    try:
        import psutil
    except ImportError:
        return UNKNOWN
    return psutil.virtual_memory().available


def _groups(proc, cgroups):
    """What each control group above this process leaves, of version 2 and of version 1."""
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, names = cgroups, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            root, names = cgroups / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        own = root / path.lstrip("/")
        for folder in (own, *own.parents):
            if folder.is_relative_to(root):
                yield _left(folder, *names)


def _left(folder, limit, used, cached):
    """The limit less what is used, except for files that are held only because there is room; no limit is infinity."""
    try:
        limit = int((folder / limit).read_text())
        used = int((folder / used).read_text())
        cached = int(re.search(rf"^{cached} (\d+)", (folder / "memory.stat").read_text(), re.MULTILINE)[1])
    except (OSError, ValueError, TypeError):  # no such group here, or "max", or no such figure
        return math.inf
    return max(0, limit - used + cached)


def reset_peak():
    """Forgets earlier peaks; whether that worked. Where it does not, `peak` would tell of another's memory."""
    try:
        (PROCESS / "clear_refs").write_text("5", encoding="ascii")
        return peak() - _status("VmRSS") < SLACK
    except (OSError, ValueError, KeyError):
        return False


def peak():
    """The greatest resident size since `reset_peak`, in bytes."""
    return _status("VmHWM")


def _status(name):
    lines = (PROCESS / "status").read_text(encoding="utf-8").splitlines()
    kibibytes = dict(line.split(":", 1) for line in lines if ":" in line)[name]
    return int(kibibytes.split()[0]) * 1024
