"""Color descriptions other than ICC profiles: CICP (ITU-T H.273), PNG's gAMA and cHRM; and profiles made from them."""

import struct
from pathlib import Path

import numpy as np

D65, C = (0.3127, 0.3290), (0.310, 0.316)
BT709 = (0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
PRIMARIES = {  # x and y of red, green, blue, and white, by CICP's number
    1: (*BT709, *D65),
    2: (*BT709, *D65),  # unspecified
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, *C),
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *D65),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *D65),
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *D65),
    8: (0.681, 0.319, 0.243, 0.692, 0.145, 0.049, *C),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *D65),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *D65),  # Display P3
    22: (0.630, 0.340, 0.295, 0.605, 0.155, 0.077, *D65),
}
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
VIDEO_CURVE = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
CURVES = {  # parameters of an ICC curve: gamma, or gamma, a, b, c, d
    **dict.fromkeys((2, 13), SRGB_CURVE),
    **dict.fromkeys((1, 6, 14, 15), VIDEO_CURVE),
    **{4: (2.2,), 5: (2.8,), 8: (1.0,), 17: (2.6,)},
}
HDR = {16: "PQ", 18: "HLG"}  # no profile describes these as displays show them
SRGB = ((1, 2), (1, 13), (2, 2), (2, 13))
SRGB_GAMMA = 45455  # in a gAMA chunk, times 100,000
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
D50 = np.array([0.9642, 1.0, 0.8249])
MOST_BYTES = 64 * 2**20  # of a profile
DATE = (2026, 1, 1, 0, 0, 0)  # of profiles; the same, so that files don't change from run to run


def profile_of_bmp(path: Path | str) -> bytes | None:
    """Returns the ICC profile in a BMP file of version 5, or None."""
    with Path(path).open("rb") as file:
        head = file.read(138)
        if len(head) < 138 or head[14:18] != b"\x7c\0\0\0" or head[70:74] != b"DEBM":  # "MBED", embedded
            return None
        at, length = struct.unpack_from("<II", head, 126)
        file.seek(14 + at)
        found = file.read(min(length, MOST_BYTES))
    return found if len(found) == length and found[36:40] == b"acsp" else None


def described(metadata: dict) -> tuple | None:
    """Returns (chromaticities, curve) of the colors that `metadata` describes without a profile; None if it's sRGB.

    Colors of a transfer function that profiles can't describe give None too.
    """
    if "cicp" in metadata:
        primaries, transfer = metadata["cicp"]
        known = primaries in PRIMARIES and transfer in CURVES and (primaries, transfer) not in SRGB
        return (PRIMARIES[primaries], CURVES[transfer]) if known else None
    if "gama" not in metadata and "chrm" not in metadata:
        return None
    gamma = metadata.get("gama", SRGB_GAMMA)
    curve = SRGB_CURVE if abs(gamma - SRGB_GAMMA) < 50 else (100_000 / gamma,)
    places = [value / 100_000 for value in metadata.get("chrm", ())]
    places = (*places[2:], *places[:2]) if places else PRIMARIES[1]
    is_srgb = curve == SRGB_CURVE and np.abs(np.subtract(places, PRIMARIES[1])).max() < 0.001
    return None if is_srgb else (places, curve)


def profile(metadata: dict, gray: bool = False) -> bytes | None:
    """Returns an ICC profile of the colors that `metadata` describes without one; None if they are sRGB or unknown."""
    found = described(metadata)
    if found is None:
        return None
    places, curve = found
    if not gray and not _is_possible(places):
        return None
    kind = 0 if len(curve) == 1 else 3
    trc = b"para" + bytes(4) + struct.pack(">HH", kind, 0) + _fixed(*curve)
    tags = {b"desc": _text("Colors of the original"), b"cprt": _text("CC0"), b"wtpt": _xyz(D50)}
    if gray:
        tags[b"kTRC"] = trc
    else:
        adapted, adaptation = _colorants(places)
        tags |= {name: _xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), adapted.T, strict=True)}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), trc)
        tags[b"chad"] = b"sf32" + bytes(4) + _fixed(*adaptation.ravel())
    return _assembled(tags, b"GRAY" if gray else b"RGB ")


def lost(metadata: dict, gray: bool = False) -> str | None:
    """Returns the name of a color description that neither sRGB nor a profile can express, or None."""
    if "icc_profile" in metadata or ("cicp" in metadata and metadata["cicp"] in SRGB):
        return None
    if "cicp" in metadata and profile(metadata, gray) is None:
        return f"{HDR.get(metadata['cicp'][1], 'CICP')} colors"
    return None


def _is_possible(places):
    x, y = np.array(places).reshape(4, 2).T
    with np.errstate(all="ignore"):
        columns = np.array([x / y, np.ones(4), (1 - x - y) / y])
    return bool(np.isfinite(columns).all() and (y > 0).all() and abs(np.linalg.det(columns[:, :3])) > 1e-6)


def _colorants(places):
    """The colorants adapted to D50, as columns, and the matrix that adapts them."""
    x, y = np.array(places).reshape(4, 2).T
    columns = np.array([x / y, np.ones(4), (1 - x - y) / y])
    white = columns[:, 3]
    scaled = columns[:, :3] * np.linalg.solve(columns[:, :3], white)
    adaptation = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / (BRADFORD @ white)) @ BRADFORD
    return adaptation @ scaled, adaptation


def _fixed(*numbers):
    return struct.pack(f">{len(numbers)}i", *(round(float(number) * 65536) for number in numbers))


def _xyz(values):
    return b"XYZ " + bytes(4) + _fixed(*values)


def _text(text):
    data = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(data), 28) + data


def _assembled(tags, space):
    at = 128 + 4 + 12 * len(tags)
    entries, data = b"", b""
    for name, content in tags.items():
        entries += name + struct.pack(">II", at + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    size = at + len(data)
    head = struct.pack(
        ">I4sI4s4s4s6H4s", size, bytes(4), 0x04300000, b"mntr", space, b"XYZ ", 2026, 1, 1, 0, 0, 0, b"acsp"
    )
    head = (head + bytes(28) + _fixed(*D50)).ljust(128, b"\0")
    return head + struct.pack(">I", len(tags)) + entries + data
