"""Whether all pixels of a JPEG file are there, which libjpeg doesn't tell, and what they cost; see ITU-T T.81."""

import io
import random
import re
import struct

import numpy as np
from PIL import Image

from wdsr_tf.errors import InputError
from wdsr_tf.images import xmp
from wdsr_tf.images.content import after_end
from wdsr_tf.images.limits import Limits, pillow_open

START, END = b"\xff\xd8\xff", b"\xff\xd9"
MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")  # after which a segment follows, or the end
SCAN, PROGRESSIVE = 0xDA, (0xC2, 0xC6, 0xCA)
ARITHMETIC = (0xC9, 0xCA)
FRAMES = (0xC0, 0xC1, *PROGRESSIVE, 0xC9)
EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"
EXTENDED_HEAD = len(EXTENDED_XMP) + 40  # with a hash of 32 letters, the length of all, and where this part begins
LONGEST_XMP = 65_502  # bytes of a packet in one segment
LONGEST_PART = 65_000  # of an extension
LARGE = 4_000_000  # pixels
OTHER_BITS = bytes(random.Random(0).randrange(255) for _ in range(4096))  # no marker among them


def image_bytes(content: bytes, limits: Limits) -> bytes:
    """Returns a JPEG file from its start to its end marker, which is added if it is missing.

    Raises:
        InputError: if pixels are missing, or if so many scans are too much work.
    """
    scans, end, ended = _walk(content)
    image = content[:end].rstrip(b"\xff")
    if scans:
        _check_frame(content, scans, end, limits)
    if not scans or (not ended and not _is_covered(content, scans)):
        raise InputError("the file is truncated")
    first = _first_difference(image)
    if first is not None:
        raise InputError(f"the file is truncated: rows from about {first} on are missing")
    return image + END


def bits(content: bytes) -> int:
    """Returns the bits per channel that the file announces: 8, or 12, which Pillow can't open."""
    _, at = _frame(content)
    return content[at + 4] if at else 8


def as_8_bits(content: bytes) -> bytes:
    """Returns a JPEG file of 12 bits as one that Pillow opens, for what it says of everything but the pixels."""
    _, at = _frame(content)
    return content[: at + 4] + b"\x08" + content[at + 5 :] if at else content


def whole_xmp(image: Image.Image, packet: bytes | None) -> tuple[bytes | None, bool]:
    """Returns the XMP `packet` of an open file, with its extension from further segments, and whether that is all."""
    segments = [data for _, data in image.applist if data.startswith(EXTENDED_XMP)]
    name, parts, length = packet and xmp.extension_of(packet), [], None
    if not name:
        return packet, not segments
    for data in segments:
        if data.startswith(EXTENDED_XMP + name) and len(data) >= EXTENDED_HEAD:
            length, offset = struct.unpack_from(">II", data, EXTENDED_HEAD - 8)
            parts.append((offset, data[EXTENDED_HEAD:]))
    extension = b""
    for offset, part in sorted(parts):
        extension += part if offset == len(extension) else b""
    whole = xmp.joined(packet, extension) if len(extension) == length else None
    return whole or packet, whole is not None


def xmp_segments(packet: bytes) -> tuple[bytes, bytes]:
    """Returns XMP for the first segment, and the segments of its extension, empty if it has none."""
    if len(packet) <= LONGEST_XMP:
        return packet, b""
    name, pointer = xmp.split(packet)
    parts = [packet[at : at + LONGEST_PART] for at in range(0, len(packet), LONGEST_PART)]
    heads = (struct.pack(">II", len(packet), LONGEST_PART * number) for number in range(len(parts)))
    datas = (EXTENDED_XMP + name + head + part for head, part in zip(heads, parts, strict=True))
    return pointer, b"".join(b"\xff\xe1" + struct.pack(">H", 2 + len(data)) + data for data in datas)


def left_out(content: bytes, image: Image.Image) -> list[str]:
    """Returns what of a JPEG file, opened as `image`, isn't read."""
    notes, rest = [], content[_walk(content)[1] + 2 :]
    if (others := getattr(image, "n_frames", 1) - 1) > 0:
        notes.append(f"its {others} other images were left out")
        for _ in range(others):
            other = rest[max(0, rest.find(START)) :]
            rest = other[_walk(other)[1] + 2 :]
    notes += after_end(rest)
    if any(name == "APP11" for name, _ in image.applist):
        notes.append("its JUMBF boxes, such as content credentials, were left out")
    return notes


def _frame(content):
    """The kind and the place of the segment that announces depth, size and components; (None, 0) if there is none."""
    at = 2
    while match := MARKER.search(content, at):
        at, kind = match.start(), content[match.start() + 1]
        if kind in FRAMES:
            return (kind, at) if at + 10 <= len(content) else (None, 0)
        if kind in (SCAN, END[1]):
            break
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return None, 0


def _walk(content):
    """The scans as (start, end), where the image ends, and whether an end marker is there."""
    scans, at = [], 2
    while match := MARKER.search(content, at):
        at, kind = match.start(), content[match.start() + 1]
        if kind == END[1]:
            return scans, at, True
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        if at + 2 + length > len(content) or length < 2:
            break
        if kind == SCAN:
            scans.append(at)
        at += 2 + length
    return scans, len(content), False


def _check_frame(content, scans, end, limits):
    """Raises InputError, before anything is allocated, for what no sound file of that size declares."""
    kind, at = _frame(content)
    if kind is None:  # one that libjpeg refuses
        return
    height, width = struct.unpack_from(">HH", content, at + 5)
    limits.check_scans(len(scans), width, height)
    bits = 8 * (end - scans[0])
    if kind not in ARITHMETIC and bits < _blocks(content, at, height, width):  # Huffman codes have a bit at least
        raise InputError(f"the file is truncated: it is too small to hold {width} x {height} pixels")


def _blocks(content, at, height, width):
    """The number of coded blocks, of 8 x 8 values, of the component that has the most."""
    samplings = [divmod(content[at + 11 + 3 * i], 16) for i in range(content[at + 9])]
    widest, highest = (max(1, *values) for values in zip((1, 1), *samplings, strict=True))
    return max(-(-width * h // (8 * widest)) * -(-height * v // (8 * highest)) for h, v in samplings)


def _is_covered(content, scans):
    """Whether the scans that are there hold every bit of every coefficient; if not, further scans were cut off."""
    kind, at = _frame(content)
    progressive, count = kind in PROGRESSIVE, content[at + 9] if kind else 0
    components = {content[at + 10 + 3 * i] for i in range(count)}
    done = set()
    for at in scans:
        count = content[at + 4]
        first, last, bits = struct.unpack_from("BBB", content, at + 5 + 2 * count)
        coefficients = range(first, last + 1) if progressive else range(64)
        if not progressive or not bits & 15:
            done |= {(content[at + 5 + 2 * i], number) for i in range(count) for number in coefficients}
    return len(done) == 64 * len(components)


def _first_difference(image):
    """The first row that changes with the bits after the end of `image`; None if none does, so all pixels are there."""
    one, other = (_thumbnail(image + after + END) for after in (b"", OTHER_BITS))
    rows = np.flatnonzero((one[0] != other[0]).reshape(len(one[0]), -1).any(axis=1))
    return int(rows[0] * one[1] / len(one[0])) if len(rows) else None


def deep_values(content: bytes) -> np.ndarray:
    """Decodes a JPEG of 12 bits: uint16 in 0..65535, H x W x 1 or 3."""
    from wdsr_tf.images.high_depth import library

    values = library("imagecodecs").jpeg8_decode(content)
    values = values[..., None] if values.ndim == 2 else values
    return np.rint(values * (65535 / 4095)).astype("uint16")


def _thumbnail(content):
    """The values of a JPEG, and its height. A large baseline image is decoded at an eighth of its size, for speed."""
    if bits(content) != 8:
        values = deep_values(content)
        return values, len(values)
    with pillow_open(io.BytesIO(content), ("JPEG",)) as image:
        height = image.height
        if image.width * image.height > LARGE and not image.info.get("progressive"):
            image.draft(None, (max(1, image.width // 8), max(1, image.height // 8)))
        return np.asarray(image), height
