"""Whether all pixels of a JPEG file are there, which libjpeg doesn't tell, and what they cost; see ITU-T T.81."""

import io
import random
import re
import struct

import numpy as np
from PIL import Image

from wdsr_tf.errors import InputError
from wdsr_tf.images.limits import Limits, pillow_open

END = b"\xff\xd9"
MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")  # after which a segment follows, or the end
SCAN, PROGRESSIVE = 0xDA, (0xC2, 0xC6, 0xCA)
ARITHMETIC = (0xC9, 0xCA)
FRAMES = (0xC0, 0xC1, *PROGRESSIVE, 0xC9)
EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"
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


def left_out(content: bytes, image: Image.Image) -> tuple[str, ...]:
    """Returns what of a JPEG file, opened as `image`, isn't read."""
    notes = []
    if (others := getattr(image, "n_frames", 1) - 1) > 0:
        notes.append(f"its {others} other images were left out")
    if EXTENDED_XMP in content[: content.find(b"\xff\xda")]:
        notes.append("the extension of its XMP was left out")
    return tuple(notes)


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
    kind, at = _frame(content, scans)
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


def _frame(content, scans):
    """The kind and the place of the frame's header; (None, 0) if there is none."""
    at = 2
    while at < scans[0] and (match := MARKER.search(content, at)):
        at, kind = match.start(), content[match.start() + 1]
        if kind in FRAMES:
            return kind, at
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return None, 0


def _is_covered(content, scans):
    """Whether the scans that are there hold every bit of every coefficient; if not, further scans were cut off."""
    kind, at = _frame(content, scans)
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


def _thumbnail(content):
    """The values of a JPEG, and its height. A large baseline image is decoded at an eighth of its size, for speed."""
    with pillow_open(io.BytesIO(content), ("JPEG",)) as image:
        height = image.height
        if image.width * image.height > LARGE and not image.info.get("progressive"):
            image.draft(None, (max(1, image.width // 8), max(1, image.height // 8)))
        return np.asarray(image), height
