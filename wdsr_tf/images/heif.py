"""AVIF and HEIC beyond what Pillow tells of them: color descriptions, more than 8 bits, and what isn't read."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from wdsr_tf.images import color
from wdsr_tf.system.extras import is_installed

NCLX = re.compile(rb"\0\0\0\x13colrnclx(..)(..)", re.DOTALL)
PIXI = re.compile(rb"pixi\0\0\0\0[\1-\4]([\x08-\x10])")
EXIF_ITEM = re.compile(rb"(infe\x02.{7}|infe\x03.{9})Exif", re.DOTALL)
BROKEN_EXIF = "broken_exif"  # in an opened image's `info`
SEARCHED = 2**20  # bytes at the start of the file
READ = (b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip", b"wide", b"idat")


def cicp_of(path: Path | str) -> tuple[int, int] | None:
    """Returns the CICP (primaries, transfer) of an AVIF or HEIC file; None if it has none, or that of sRGB."""
    with Path(path).open("rb") as file:
        match = NCLX.search(file.read(SEARCHED))
    found = tuple(int.from_bytes(part, "big") for part in match.groups()) if match else None
    return None if found in color.SRGB or (found and max(found) > 255) else found


def bits_of(path: Path | str, image: Image.Image) -> int:
    """Returns the bits per channel of an AVIF or HEIC file, opened as `image`; 8 if it doesn't tell."""
    if "bit_depth" in image.info:
        return image.info["bit_depth"]
    with Path(path).open("rb") as file:
        return max((match[1][0] for match in PIXI.finditer(file.read(SEARCHED))), default=8)


def deep_values(path: Path | str, kind: str, bits: int) -> np.ndarray | None:
    """Returns the still image of a file of more than 8 bits per channel, not yet upright.

    Args:
        path: the file.
        kind: "AVIF" or "HEIF".
        bits: what `bits_of` returned.

    Returns:
        uint16 in 0..65535, H x W x 1 (gray), 2, 3 or 4; None if its decoder is missing, or if it has 8 bits.
    """
    if kind == "HEIF":
        import pillow_heif

        # Values are shifted to the top of 16 bits.
        values = np.asarray(pillow_heif.open_heif(path, convert_hdr_to_8bit=False)) >> (16 - bits)
    elif is_installed("imagecodecs"):
        import imagecodecs

        values = imagecodecs.avif_decode(Path(path).read_bytes(), index=0)
    else:
        return None
    if values.dtype != "uint16":  # what announces more bits is another image of the file
        return None
    values = values[..., None] if values.ndim == 2 else values
    return np.rint(np.minimum(values * (65535 / (2**bits - 1)), 65535)).astype("uint16")


def without_exif(content: bytes) -> bytes:
    """Returns an AVIF whose EXIF no reader finds: libavif refuses the whole file for a broken one."""
    return EXIF_ITEM.sub(rb"\1free", content)


def left_out(path: Path | str, image: Image.Image) -> list[str]:
    """Returns what of the file, opened as `image`, isn't read."""
    notes, info = [], image.info
    others = 0 if image.format == "AVIF" else getattr(image, "n_frames", 1) - 1
    if others:
        notes.append(f"its {others} other images were left out")
    if info.get(BROKEN_EXIF):
        notes.append("its EXIF is broken and was left out")
    maps = [name for name, what in (("depth map", "depth_images"), ("auxiliary image", "aux")) if info.get(what)]
    notes += [f"its {name} was left out" for name in maps]
    boxes = sorted({name.decode("latin-1") for name in _boxes(path) if name not in READ})
    return notes + ([f"its {', '.join(boxes)} boxes, such as a motion photo's video, were left out"] if boxes else [])


def _boxes(path):
    """The names of the boxes at the top of the file."""
    with Path(path).open("rb") as file:
        end, at = file.seek(0, 2), 0
        while at + 8 <= end:
            file.seek(at)
            head = file.read(16)
            size = int.from_bytes(head[:4], "big")
            size = int.from_bytes(head[8:16], "big") if size == 1 else size or end - at
            if size < 8:
                return
            yield head[4:8]
            at += size
