"""Finds image files, and tells their formats from their first bytes, whatever their names."""

import os
from collections.abc import Callable
from pathlib import Path

from wdsr_tf.errors import InputError
from wdsr_tf.images.formats import SUFFIXES

SUFFIX_OF = {  # a file name's usual ending for each format that is read, by Pillow's names
    "PNG": ".png",
    "JPEG": ".jpg",
    "GIF": ".gif",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "AVIF": ".avif",
    "HEIF": ".heic",
    "JXL": ".jxl",
}
STARTS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\xff\x0a": "JXL",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JXL",
}
BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # lengths
AVIF_BRANDS = (b"avif", b"avis")
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
# Images that aren't read. Folders are searched for them only to name what is left out.
OTHER_STARTS = {
    b"8BPS": "Photoshop",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\x76\x2f\x31\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"qoif": "QOI",
    b"DDS ": "DDS",
    b"gimp xcf": "GIMP",
    b"\x8aMNG": "MNG",
    b"\x8bJNG": "JNG",
    b"P1\n": "PBM",
    b"P2\n": "PGM",
    b"P3\n": "PPM",
    b"P4\n": "PBM",
    b"P5\n": "PGM",
    b"P6\n": "PPM",
    b"P7\n": "PAM",
    b"FUJIFILMCCD-RAW": "camera raw",
    b"IIRO": "camera raw",
    b"IIU\0": "camera raw",
    b"FOVb": "camera raw",
    b"II\xbc\x01": "JPEG XR",
    b"\0\0\1\0": "icon",
    b"\0\0\2\0": "icon",
}
OTHER_SUFFIXES = {
    **dict.fromkeys((".psd", ".psb"), "Photoshop"),
    **dict.fromkeys((".jp2", ".j2k", ".jpx", ".jpf", ".j2c"), "JPEG 2000"),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".raf", ".rw2", ".pef", ".srw"), "camera raw"),
    **dict.fromkeys((".svg", ".svgz"), "SVG"),
    **dict.fromkeys((".jxr", ".wdp", ".hdp"), "JPEG XR"),
    **{".exr": "OpenEXR", ".hdr": "Radiance HDR", ".qoi": "QOI", ".dds": "DDS", ".tga": "Targa", ".pcx": "PCX"},
    **{".ppm": "PPM", ".pgm": "PGM", ".pbm": "PBM", ".pam": "PAM", ".ico": "icon", ".cur": "icon", ".xcf": "GIMP"},
}
LONGEST_START = 64


def kind(path: Path | str) -> str | None:
    """Returns the format of an image that can be read, by Pillow's name, or None; never raises."""
    return kind_of(_start(path))


def kind_of(start: bytes) -> str | None:
    """As `kind`, from the first bytes of a file."""
    for magic, name in STARTS.items():
        if start.startswith(magic):
            return name
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start[:2] == b"BM" and int.from_bytes(start[14:18], "little") in BMP_HEADERS:
        return "BMP"
    if start[4:8] == b"ftyp":
        end = min(int.from_bytes(start[:4], "big"), len(start))
        brands = {start[8:12], *(start[at : at + 4] for at in range(16, end - 3, 4))}
        if brands.intersection(AVIF_BRANDS):
            return "AVIF"
        if brands.intersection(HEIF_BRANDS):
            return "HEIF"
    return None


def other_kind(path: Path | str) -> str | None:
    """Returns the name of an image format that isn't read, from the file's first bytes or its suffix, or None."""
    return other_kind_of(_start(path), Path(path).suffix.lower())


def other_kind_of(start: bytes, suffix: str) -> str | None:
    """As `other_kind`, from the first bytes of a file and its suffix in lower case."""
    names = (name for magic, name in OTHER_STARTS.items() if start.startswith(magic))
    return next(names, None) or OTHER_SUFFIXES.get(suffix)


def after_end(rest: bytes) -> list[str]:
    """Returns what to say of the bytes after the end of an image: nothing of zeros and single bytes."""
    if len(rest.strip(b"\0")) < 4:
        return []
    kind = ", a video," if b"ftyp" in rest[:4096] else ""
    return [f"the {len(rest):,} bytes after its end{kind} were left out"]


def find(folder: Path | str, skipped: Callable[[Path, str], None] | None = None) -> list[Path]:
    """Returns the images below `folder`, sorted, without hidden files and folders. Links to folders are followed.

    Args:
        folder: where to search. A file is an image if its content says so, or its suffix does.
        skipped: called with (file, format) for each image of a format that isn't read, such as `.psd`.

    Raises:
        InputError: if no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    found = []
    for path in _files(folder):
        form = kind(path)
        other = other_kind(path) if form in (None, "TIFF") else None  # camera raw files look like TIFF
        if other is None and (form or path.suffix.lower() in SUFFIXES):
            found.append(path)
        elif other and skipped:
            skipped(path, other)
    return sorted(found)


def _files(folder):
    """The files below `folder`, each folder once, so that a link to a parent doesn't lead round in circles."""
    top = folder.resolve()
    seen = {top}
    for here, folders, names in os.walk(folder, followlinks=True):
        here = Path(here)
        entered = []
        for name in sorted(folders):
            target = (here / name).resolve()
            if not name.startswith(".") and target not in seen and target not in top.parents:
                seen.add(target)
                entered.append(name)
        folders[:] = entered
        yield from (here / name for name in names if not name.startswith(".") and (here / name).is_file())


def _start(path):
    try:
        with Path(path).open("rb") as file:
            return file.read(LONGEST_START)
    except OSError:
        return b""
