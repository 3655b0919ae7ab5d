"""Tells video files from others by their first bytes, whatever their names; needs no package."""

import os
from pathlib import Path

SUFFIXES = (".mkv", ".mp4", ".mov", ".webm")  # that are written
LONGEST_START = 4 * 192 + 1
STARTS = (
    b"\x1a\x45\xdf\xa3",  # Matroska, WebM
    b"FLV\1",
    b"OggS",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF: WMV
    b"\0\0\1\xba",  # MPEG program stream: VOB
    b"\0\0\1\xb3",  # MPEG-1 and MPEG-2 video
    b"YUV4MPEG2 ",
    b"DKIF",  # IVF
    b"nut/multimedia container\0",
)
ATOMS = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")  # how QuickTime files without `ftyp` begin
NO_VIDEO = (b"M4A ", b"M4B ", b"avif", b"avis", b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
PACKETS = ((0, 188), (4, 192))  # where an MPEG transport stream's packets begin, and their length


def is_video(path: Path | str) -> bool:
    """Whether the file at `path` is in a format for video; such a file may also hold nothing but sound."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(LONGEST_START)
    except OSError:
        return False
    return starts_video(start)


def starts_video(start: bytes) -> bool:
    """As `is_video`, from the first `LONGEST_START` bytes of a file."""
    if start.startswith(STARTS) or (start[:4] == b"RIFF" and start[8:12] == b"AVI "):
        return True
    if start[4:8] == b"ftyp":
        return start[8:12] not in NO_VIDEO
    if start[4:8] in ATOMS:
        return True
    return any(
        len(start) > first + 3 * length and all(start[first + n * length] == 0x47 for n in range(4))
        for first, length in PACKETS
    )


def find(place: Path | str, without: Path | str | None = None) -> list[Path]:
    """Returns the videos at `place`, a file or a folder that is searched recursively, sorted.

    Hidden files and folders, and what is in the folder `without`, are left out.
    """
    place = Path(place)
    if not place.is_dir():
        return [place] if is_video(place) else []
    without, found = without and Path(without).resolve(), []
    inside = without and place.resolve() in without.parents
    for here, folders, names in os.walk(place):
        here = Path(here)
        folders[:] = [name for name in folders if not name.startswith(".")]
        if inside and here.resolve().is_relative_to(without):
            folders.clear()
            continue
        found += [here / name for name in names if not name.startswith(".") and is_video(here / name)]
    return sorted(found)
