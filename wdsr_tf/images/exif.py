"""EXIF blocks and TIFF directories as bytes.

Values are copied, never decoded and encoded again: text in any encoding and the makers' private notes survive. Only
what a new size makes wrong is removed or replaced. See CIPA DC-008 (EXIF) and TIFF 6.0.
"""

import dataclasses
import struct
from collections.abc import Iterable

import numpy as np

from wdsr_tf.images.limits import limits_of

PREFIX = b"Exif\0\0"
UNIT = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 1, 7: 1, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
UNITS = {5: 2, 10: 2}  # a rational is two numbers
CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q"}
SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 3, 4, 5, 7, 16
ORIENTATION, DESCRIPTION = 274, 270
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
INCH, CENTIMETER = 2, 3  # values of RESOLUTION_UNIT
THUMBNAIL_OFFSET, THUMBNAIL_BYTES = 513, 514
XMP, IPTC, ICC_PROFILE = 700, 33723, 34675
EXIF_IFD, GPS_IFD, INTEROP_IFD = 34665, 34853, 40965
DIRECTORIES = (EXIF_IFD, GPS_IFD, INTEROP_IFD)
PIXEL_WIDTH, PIXEL_HEIGHT = 0xA002, 0xA003  # in the EXIF directory
# Tags that describe how values are stored in the file that was read: size, strips, tiles, compression, sample format,
# profile; and XMP and IPTC, which travel beside EXIF. They would be wrong in the file that is written.
LAYOUT = {
    *range(254, 267),
    *(273, 274, *range(277, 285), *range(288, 294), 296, 297, 301, *range(317, 326), *range(330, 348)),
    *(*range(512, 522), 529, 530, 531, 532, 700, 33723, 34377, 34675, 37724),
}
DESCRIBED_LAYOUTS = (b'{"shape"', b"ImageJ=", b"<?xml")  # descriptions in which tifffile, ImageJ, OME repeat the layout


@dataclasses.dataclass(frozen=True)
class Entry:
    """A tag: the type and number of its values, and where they and the entry itself are in the block."""

    tag: int
    kind: int
    count: int
    place: int
    length: int
    own: int


@dataclasses.dataclass(frozen=True)
class Block:
    """A TIFF structure: an EXIF block without its prefix, or a TIFF file.

    Args:
        data: bytes, or a memory map.
        order: "<" or ">".
        first: where its first directory is.
        big: whether it is a BigTIFF, with 64-bit offsets.
    """

    data: object
    order: str
    first: int
    big: bool = False

    def directory(self, at: int) -> list[Entry]:
        """The entries of the directory at `at`, without those whose values aren't in the block."""
        entries = []
        head, step, inline = (8, 20, 8) if self.big else (2, 12, 4)
        count = self._number("Q" if self.big else "H", at)
        for own in range(at + head, min(at + head + step * count, len(self.data) - step + 1), step):
            tag, kind, number = struct.unpack_from(self.order + ("HHQ" if self.big else "HHI"), self.data, own)
            length = UNIT.get(kind, 0) * UNITS.get(kind, 1) * number
            place = own + step - inline
            if length > inline:
                place = self._number("Q" if self.big else "I", place)
            if length and place + length <= len(self.data):
                entries.append(Entry(tag, kind, number, place, length, own))
        return entries

    def next(self, at: int) -> int:
        """Where the directory after that at `at` is; 0 if there is none."""
        head, step = (8, 20) if self.big else (2, 12)
        return self._number("Q" if self.big else "I", at + head + step * self._number("Q" if self.big else "H", at))

    def _number(self, code, at):
        try:
            return struct.unpack_from(self.order + code, self.data, at)[0]
        except struct.error:
            return 0

    def raw(self, entry: Entry) -> bytes:
        """The values of a tag, in little-endian order."""
        values = bytes(self.data[entry.place : entry.place + entry.length])
        unit = UNIT[entry.kind]
        return values if self.order == "<" or unit == 1 else np.frombuffer(values, f">u{unit}").byteswap().tobytes()

    def numbers(self, entry: Entry) -> list:
        """The first values of a tag, up to eight, as numbers; rationals as quotients. Empty for other types."""
        count = min(entry.count, 8)
        length = UNIT[entry.kind] * UNITS.get(entry.kind, 1) * count
        values = self.raw(dataclasses.replace(entry, length=length))
        if entry.kind in UNITS:
            pairs = np.frombuffer(values, "<i4" if entry.kind == 10 else "<u4").reshape(-1, 2).tolist()
            return [above / below for above, below in pairs if below]
        code = CODES.get(entry.kind)
        return list(struct.unpack(f"<{count}{code}", values)) if code else []

    def tags(self, left_out: Iterable[int] = ()) -> dict:
        """Returns {tag: (type, count, little-endian bytes)} of the first directory; a directory within is another dict.

        Beyond 64 MiB, tags are left out.
        """
        return self._tags(self.first, (EXIF_IFD, GPS_IFD), left_out, [limits_of().information])

    def _tags(self, at, inner, left_out, budget):
        found = {}
        for entry in self.directory(at):
            if entry.tag in DIRECTORIES:
                if entry.tag in inner and entry.kind in (LONG, 13, LONG8, 18):
                    further = (INTEROP_IFD,) if entry.tag == EXIF_IFD else ()
                    inside = self._tags(self.numbers(entry)[0], further, (), budget)
                    found |= {entry.tag: inside} if inside else {}
            elif entry.tag not in left_out and entry.length <= budget[0]:
                budget[0] -= entry.length
                found[entry.tag] = (entry.kind, entry.count, self.raw(entry))
        return found


def open_block(data) -> Block | None:
    """Returns the `Block` of an EXIF block, with or without its prefix, or of a TIFF file; None if it's neither."""
    if bytes(data[:6]) == PREFIX:
        data = data[6:]
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
    if order is None or len(data) < 8:
        return None
    version = struct.unpack_from(order + "H", data, 2)[0]
    if version == 43 and len(data) >= 16:
        return Block(data, order, struct.unpack_from(order + "Q", data, 8)[0], big=True)
    return Block(data, order, struct.unpack_from(order + "I", data, 4)[0]) if version == 42 else None


def orientation(block: Block | None) -> int:
    """Returns the orientation, 1 (upright) to 8; 1 if there is none, or no valid one."""
    found = value(block, ORIENTATION)
    return int(found) if found in range(1, 9) else 1


def value(block: Block | None, tag: int):
    """Returns the first value of a tag in the first directory, or None."""
    entries = block.directory(block.first) if block else []
    numbers = next((block.numbers(entry) for entry in entries if entry.tag == tag), [])
    return numbers[0] if numbers else None


def resolution(block: Block | None) -> tuple | None:
    """Returns the (horizontal, vertical) resolution in dots per inch, or None; doesn't check the values."""
    across, down = value(block, X_RESOLUTION), value(block, Y_RESOLUTION)
    unit = value(block, RESOLUTION_UNIT)
    inches = {INCH: 1, CENTIMETER: 2.54, None: 1}.get(unit)
    return (across * inches, down * inches) if across and down and inches else None


def cleaned(exif: bytes) -> bytes | None:
    """Returns an EXIF block without thumbnail and without tags in `LAYOUT`, else unchanged; None if nothing is left."""
    block = open_block(exif)
    if block is None:
        return None
    data = bytearray(block.data)
    kept = [entry for entry in block.directory(block.first) if not _is_layout(block, entry)]
    if not kept:
        return None
    entries = b"".join(data[entry.own : entry.own + 12] for entry in kept)
    was = 6 + 12 * struct.unpack_from(block.order + "H", data, block.first)[0]
    end = _without_thumbnail(block, data)
    count = struct.pack(block.order + "H", len(kept))
    data[block.first : block.first + was] = (count + entries + bytes(4)).ljust(was, b"\0")
    return PREFIX + bytes(data[:end])


def _is_layout(block, entry):
    return entry.tag in LAYOUT or (
        entry.tag == DESCRIPTION and bytes(block.data[entry.place : entry.place + 16]).startswith(DESCRIBED_LAYOUTS)
    )


def _without_thumbnail(block, data):
    """Overwrites the thumbnail with zeros; returns where the block ends without it."""
    second = block.next(block.first)
    places = {entry.tag: block.numbers(entry)[:1] for entry in block.directory(second)} if second else {}
    if not (places.get(THUMBNAIL_OFFSET) and places.get(THUMBNAIL_BYTES)):
        return len(data)
    start, length = places[THUMBNAIL_OFFSET][0], places[THUMBNAIL_BYTES][0]
    end = min(len(data), start + length)
    data[start:end] = bytes(max(0, end - start))
    return start if end >= len(data) - 1 and start > block.first else len(data)


def patched(exif: bytes | None, height: int, width: int, dpi: tuple | None) -> bytes | None:
    """Returns an EXIF block with the new size, where it records one, and with a resolution if `dpi` isn't None."""
    block = open_block(exif) if exif else None
    if block is None:
        return PREFIX + encode(_resolution_tags(dpi), header=True) if dpi else None
    data = bytearray(block.data)
    for entry in block.directory(block.first):
        if entry.tag == EXIF_IFD and block.numbers(entry):
            for size in block.directory(block.numbers(entry)[0]):
                if size.tag in (PIXEL_WIDTH, PIXEL_HEIGHT):
                    new = width if size.tag == PIXEL_WIDTH else height
                    struct.pack_into(block.order + "HHII", data, size.own, size.tag, LONG, 1, new)
    if dpi:
        _append_resolution(block, data, dpi)
    return PREFIX + bytes(data)


def _append_resolution(block, data, dpi):
    """Adds a new first directory at the end of the block, so that nothing else moves."""
    entries = {entry.tag: bytes(data[entry.own : entry.own + 12]) for entry in block.directory(block.first)}
    data += bytes(len(data) % 2)
    for tag, (kind, count, raw) in _resolution_tags(dpi).items():
        number = struct.unpack("<" + "HI"[kind != SHORT] * (2 if kind == RATIONAL else 1), raw)
        if kind == RATIONAL:
            at = len(data)
            data += struct.pack(block.order + "II", *number)
            content = struct.pack(block.order + "I", at)
        else:
            content = struct.pack(block.order + "HH", number[0], 0)
        entries[tag] = struct.pack(block.order + "HHI", tag, kind, count) + content
    struct.pack_into(block.order + "I", data, 4, len(data))
    data += struct.pack(block.order + "H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)


def _resolution_tags(dpi):
    return {
        X_RESOLUTION: rational(dpi[0]),
        Y_RESOLUTION: rational(dpi[1]),
        RESOLUTION_UNIT: (SHORT, 1, struct.pack("<H", INCH)),
    }


def rational(number: float) -> tuple:
    """Returns the tag value (type, count, bytes) of a positive number below 2**32."""
    below = next(below for below in (10_000, 100, 1) if number * below < 2**32)
    whole = next((n for n in (1, 10, 100, 1000) if number * n == round(number * n) and n <= below), below)
    return RATIONAL, 1, struct.pack("<II", round(number * whole), whole)


def copied(block: Block) -> bytes | None:
    """Returns an EXIF block of the tags of a TIFF that aren't in `LAYOUT`; None if there are none."""
    layout = {entry.tag for entry in block.directory(block.first) if _is_layout(block, entry)}
    tags = block.tags(layout)
    return PREFIX + encode(tags, header=True) if tags else None


def encode(tags: dict, at: int = 0, big: bool = False, header: bool = False) -> bytes:
    """Encodes a directory, little-endian, with the values and directories that belong to it.

    Args:
        tags: as `Block.tags` returns them.
        at: the directory's offset in the file.
        big: whether the file is a BigTIFF.
        header: whether to begin with the header of an EXIF block, or TIFF.
    """
    if header:
        return b"II*\0\x08\0\0\0" + encode(tags, 8)
    step, inline, form = (20, 8, "<HHQ") if big else (12, 4, "<HHI")
    directory = struct.pack("<Q" if big else "<H", len(tags))
    place = at + len(directory) + step * len(tags) + inline
    after = b""
    for tag, value in sorted(tags.items()):
        position = place + len(after)
        if isinstance(value, dict):
            content = position.to_bytes(inline, "little")
            after += encode(value, position, big)
            value = (LONG8 if big else LONG, 1, content)
        kind, count, raw = value
        if len(raw) > inline:
            after += raw
            raw = position.to_bytes(inline, "little")
        after += bytes(len(after) % 2)
        directory += struct.pack(form, tag, kind, count) + raw.ljust(inline, b"\0")
    return directory + bytes(inline) + after
