"""The greatest resident size of this process while something runs, where Linux tells it."""

from pathlib import Path

PROCESS = Path("/proc/self")
SLACK = 64 * 2**20  # resident size may fall between the two lines of one reading


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
