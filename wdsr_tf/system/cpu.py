"""What this machine's CPU can do."""

import re
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
FAST_BFLOAT16 = {"amx_bf16", "avx512_bf16"}


def instruction_sets(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """Returns the CPU's feature flags as Linux names them, such as "avx2"; empty on other systems."""
    try:
        found = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo.read_text(encoding="utf-8"), re.MULTILINE)
    except (OSError, UnicodeDecodeError):
        return frozenset()
    return frozenset(found[1].split() if found else ())


def multiplies_bfloat16(cpuinfo: Path = CPUINFO) -> bool:
    """Returns whether the CPU has instructions for bfloat16 matrix products: AMX_BF16 or AVX512_BF16.

    Windows doesn't tell, and no Mac has them: there the answer is False.
    """
    return bool(FAST_BFLOAT16 & instruction_sets(cpuinfo))
