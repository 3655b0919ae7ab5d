"""What this machine's CPU can do."""

import platform
import re
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
FAST_BFLOAT16 = {"amx_bf16", "avx512_bf16"}


def name(cpuinfo: Path = CPUINFO) -> str:
    """Returns the CPU's name as Linux gives it, or what Python knows on other systems."""
    return _value("model name", cpuinfo) or platform.processor() or platform.machine()


def instruction_sets(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """Returns the CPU's feature flags as Linux names them, such as "avx2"; empty on other systems."""
    return frozenset(_value("(?:flags|Features)", cpuinfo).split())


def _value(key, cpuinfo):
    """The first value of a key, a regular expression; empty if there is none."""
    try:
        found = re.search(rf"^{key}\s*:(.*)$", cpuinfo.read_text(encoding="utf-8"), re.MULTILINE)
    except (OSError, UnicodeDecodeError):
        return ""
    return found[1].strip() if found else ""


def bfloat16_instructions(cpuinfo: Path = CPUINFO) -> list[str]:
    """Returns the CPU's instruction sets for bfloat16 matrix products, as Linux names them: of AMX, and of AVX-512.

    Windows doesn't tell, and no Mac has them: there the list is empty. OpenVINO's own OPTIMIZATION_CAPABILITIES aren't
    asked, because that takes an import of OpenVINO.
    """
    return sorted(FAST_BFLOAT16 & instruction_sets(cpuinfo))


def multiplies_bfloat16(cpuinfo: Path = CPUINFO) -> bool:
    """Returns whether the CPU has `bfloat16_instructions`."""
    return bool(bfloat16_instructions(cpuinfo))
