"""Architectures that people have files of and this project doesn't build, by telltale names of their tensors.

The names are from memory of the authors' code, or of its copies in BasicSR, neosr and spandrel; none was compared with
a published file. They only choose the words of a refusal.
"""

import re
from collections.abc import Iterable

CONVOLUTIONAL = ("PLKSR", "RealPLKSR")
TELLTALES = {  # tried in this order: all patterns must match the beginning of a name
    "HAT": (r"layers\.0\.residual_group\.blocks\.0\.conv_block\.cab\.", r"layers\.0\.residual_group\.overlap_attn\."),
    "ATD": (r"layers\.0\.residual_group\.layers\.0\.attn_(atd|aca|win)\.",),
    "DRCT": (r"layers\.0\.swin1\.", r"layers\.0\.adjust1\."),
    "DAT": (r"before_RG\.1\.", r"layers\.0\.blocks\.0\.attn\."),
    "SwinIR": (r"layers\.0\.residual_group\.blocks\.0\.attn\.(relative_position_|logit_scale|qkv\.)",),
    "OmniSR": (r"residual_layer\.0\.residual_layer\.0\.layer\.0\.",),
    "RealPLKSR": (r"feats\.1\.lk\.", r"feats\.1\.norm\."),
    "PLKSR": (r"feats\.1\.lk\.",),
}


def named(names: Iterable[str]) -> str:
    """Returns what the file is and why it is refused, or "" if the names don't tell."""
    for architecture, patterns in TELLTALES.items():
        if all(any(re.match(pattern, name) for name in names) for pattern in patterns):
            article = "an" if architecture[0] in "AO" else "a"
            built = "doesn't build it" if architecture in CONVOLUTIONAL else "builds convolutional networks"
            return f"this is {article} {architecture}; this project {built}"
    return ""
