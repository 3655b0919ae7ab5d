"""What Pillow's plugin for JPEG XL doesn't tell: depth, animation, size before decoding, XMP; see ISO/IEC 18181."""

import dataclasses
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.images.high_depth import library, unit_floats

CODESTREAM, PART, XMP, EXIF, JPEG, COMPRESSED = b"jxlc", b"jxlp", b"xml ", b"Exif", b"jbrd", b"brob"
READ = (b"JXL ", b"ftyp", b"jxll", b"jxli", CODESTREAM, PART, XMP, EXIF, JPEG)  # boxes; an index and a level are ours
HEADER = 256  # bytes at the start of a codestream; its header is shorter
MOST_BYTES = 64 * 2**20  # of XMP; a real file has less
RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # width to height


@dataclasses.dataclass(frozen=True)
class Header:
    """Width and height before the orientation, bits per channel, and whether it is an animation."""

    width: int
    height: int
    bits: int
    animated: bool


def header(path: Path | str) -> Header:
    """Reads the header of the image; raises InputError if it is broken."""
    start = b""
    with Path(path).open("rb") as file:
        if file.read(2) == b"\xff\x0a":
            start = file.read(HEADER)
        else:
            for name, size in _boxes(file):
                if name in (CODESTREAM, PART):
                    file.seek(4 if name == PART else 0, 1)
                    start += file.read(min(HEADER, max(0, size - 4 * (name == PART))))
            start = start[2:] if start[:2] == b"\xff\x0a" else b""
    if not start:
        raise InputError("the file is truncated")
    bits = _Bits(start)
    width, height = _size(bits)
    if bits.take(1):  # everything else is the default
        return Header(width, height, 8, False)
    animated = _skip_to_animation(bits) if bits.take(1) else False
    is_float = bits.take(1)
    depths = ((32, 0), (16, 0), (24, 0), (1, 6)) if is_float else ((8, 0), (10, 0), (12, 0), (1, 6))
    return Header(width, height, bits.choice(*depths), animated)


def xmp(path: Path | str) -> bytes | None:
    """Returns the XMP, or None."""
    with Path(path).open("rb") as file:
        return next((file.read(size) for name, size in _boxes(file) if name == XMP and size <= MOST_BYTES), None)


def first_values(path: Path | str) -> np.ndarray:
    """Decodes the first frame, upright: uint8, uint16 or float32 in its full range, H x W x 1 (gray), 2, 3 or 4.

    Pillow's plugin reduces it to 8 bits, and decodes the last frame of an animation.
    """
    bits = header(path).bits
    values = library("imagecodecs").jpegxl_decode(Path(path).read_bytes(), index=0)
    values = values[..., None] if values.ndim == 2 else values
    if values.dtype.kind == "f":
        return unit_floats(values)
    if values.dtype == "uint8":
        return values
    return np.rint(values * (65535 / (2**bits - 1))).astype("uint16")


def left_out(path: Path | str) -> list[str]:
    """Returns what of the file isn't read."""
    notes = ["only the first of its frames was kept"] if header(path).animated else []
    with Path(path).open("rb") as file:
        if file.read(2) == b"\xff\x0a":
            return notes
        names = [file.read(4) if name == COMPRESSED and size >= 4 else name for name, size in _boxes(file)]
        packed = any(name == COMPRESSED for name, _ in _boxes(file))
    if packed and JPEG not in names:  # with the data to restore a JPEG file, that file has them
        notes.append("its compressed EXIF or XMP was left out")
    others = sorted({name.decode("latin-1") for name in names if name not in READ})
    return notes + ([f"its {', '.join(others)} boxes were left out"] if others else [])


def _boxes(file) -> Iterator[tuple[bytes, int]]:
    """Yields (name, bytes) of each box, with the file at its content."""
    end = file.seek(0, 2)
    at = 0
    while at + 8 <= end:
        file.seek(at)
        size, name = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            size, head = int.from_bytes(file.read(8), "big"), 16
        elif size == 0:
            size = end - at
        if size < head:
            return
        yield name, min(size, end - at) - head
        at += size


class _Bits:
    """Numbers from the start of a codestream, lowest bit first."""

    def __init__(self, data):
        self._data, self._at, self._end = int.from_bytes(data, "little"), 0, 8 * len(data)

    def take(self, count):
        value = self._data >> self._at & (1 << count) - 1
        self._at += count
        if self._at > self._end:
            raise InputError("the file is truncated")
        return value

    def choice(self, *ranges):
        """A number of one of four ranges, (lowest, bits)."""
        lowest, count = ranges[self.take(2)]
        return lowest + self.take(count)


def _size(bits):
    small = bits.take(1)

    def side():
        return 8 * (1 + bits.take(5)) if small else bits.choice((1, 9), (1, 13), (1, 18), (1, 30))

    height, ratio = side(), bits.take(3)
    if not ratio:
        return side(), height
    above, below = RATIOS[ratio - 1]
    return height * above // below, height


def _skip_to_animation(bits):
    bits.take(3)  # the orientation, which the decoder applies
    if bits.take(1):  # a size at which to show it
        _size(bits)
    if bits.take(1):  # a preview
        ranges = ((16, 0), (32, 0), (1, 5), (33, 9)) if bits.take(1) else ((1, 6), (65, 8), (321, 10), (1345, 12))
        bits.choice(*ranges)
        if not bits.take(3):
            bits.choice(*ranges)
    if not bits.take(1):
        return False
    bits.choice((100, 0), (1000, 0), (1, 10), (1, 30))  # ticks per second, and what divides them
    bits.choice((1, 0), (1001, 0), (1, 8), (1, 10))
    bits.choice((0, 0), (0, 3), (0, 16), (0, 32))  # loops
    bits.take(1)
    return True
