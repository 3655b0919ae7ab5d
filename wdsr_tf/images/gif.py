"""Takes GIF files apart, and puts them together; see https://www.w3.org/Graphics/GIF/spec-gif89a.txt.

Pillow decodes and encodes the pixels of one frame at a time. The frames' places, disposal and times are ours.
"""

import dataclasses
import io
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from wdsr_tf.errors import InputError
from wdsr_tf.images.compose import CLEAR, KEEP, RESTORE, Part, changed_box
from wdsr_tf.images.content import after_end
from wdsr_tf.images.limits import limits_of, pillow_open

CLEAR_INDEX = 255  # palette index of transparent pixels
OPAQUE = 128  # lowest alpha that is shown: a GIF pixel is either opaque or transparent
DISPOSALS = {2: CLEAR, 3: RESTORE, 4: RESTORE}  # 4 is what some programs write for 3; others keep the frame
DISPOSAL_NUMBERS = {KEEP: 1, CLEAR: 2, RESTORE: 3}
TICK = 10  # milliseconds in GIF's unit of time
LONGEST = 65_535  # ticks
XMP_NAME = b"XMP DataXMP"
PROFILE_NAME = b"ICCRGBG1012"
XMP_END = bytes([1, *range(255, -1, -1), 0])  # XMP isn't cut into blocks; wherever a reader stops in it, this ends it


@dataclasses.dataclass
class Gif:
    """A GIF file's content, without its pixels decoded.

    Args:
        width: of the canvas, in pixels.
        height: of the canvas, in pixels.
        frames: its images.
        plays: how often they are played; 0 means forever.
        comment: all comments.
        xmp: bytes.
        profile: an ICC profile.
        notes: what isn't read.
    """

    width: int
    height: int
    frames: list
    plays: int = 1
    comment: bytes = b""
    xmp: bytes = b""
    profile: bytes = b""
    notes: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Block:
    """One image of a GIF: its place, and what a file of its own would contain."""

    left: int
    top: int
    width: int
    height: int
    flags: int
    palette: bytes
    data: bytes
    transparent: int | None
    disposal: int
    ticks: int


def parse(path: Path | str) -> Gif:
    """Reads a GIF's blocks; raises InputError if the file is truncated or broken."""
    content = Path(path).read_bytes()
    if content[:6] not in (b"GIF87a", b"GIF89a") or len(content) < 13:
        raise InputError("the file is truncated")
    width, height, flags = struct.unpack("<HHB", content[6:11])
    at = 13 + _palette_bytes(flags)
    palette = content[13:at]
    gif, control, ended = Gif(width, height, []), None, False
    while at < len(content):
        kind = content[at]
        if kind == 0x3B:
            ended = True
            gif.notes += after_end(content[at + 1 :])
            break
        if kind == 0x21:
            label, start, (data, at) = content[at + 1 : at + 2], at + 2, _blocks(content, at + 2)
            control = _extension(gif, label, data, control)
            if label == b"\xff" and data[:11] == XMP_NAME and content[at - len(XMP_END) : at] == XMP_END:
                gif.xmp = content[start + 12 : at - len(XMP_END)]
        elif kind == 0x2C:
            block, at = _image(content, at, palette, control)
            gif.frames.append(block)
            control = None
        else:
            if not gif.frames:
                raise InputError("it has a block of an unknown kind")
            gif.notes += after_end(content[at:])
            break  # after its images, what programs leave there
    if not gif.frames:
        raise InputError("it has no frames" if ended else "the file is truncated")
    first = gif.frames[0]
    gif.width, gif.height = max(width, first.left + first.width), max(height, first.top + first.height)
    return gif


def _palette_bytes(flags):
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _blocks(content, at):
    """The sub-blocks at `at`, joined, and where they end."""
    start, parts = at, []
    while at < len(content):
        length = content[at]
        if not length:
            return b"".join(parts), at + 1
        parts.append(content[at + 1 : at + 1 + length])
        at += 1 + length
    raise InputError(f"the file is truncated: a block at byte {start} doesn't end")


def _extension(gif, label, data, control):
    if label == b"\xf9" and len(data) >= 4:
        flags, ticks, index = struct.unpack("<BHB", data[:4])
        return (flags >> 2) & 7, ticks, index if flags & 1 else None
    if label == b"\xff" and data[:11] in (b"NETSCAPE2.0", b"ANIMEXTS1.0") and len(data) >= 14 and data[11] & 7 == 1:
        repeats = int.from_bytes(data[12:14], "little")
        gif.plays = repeats + 1 if repeats else 0
    elif label == b"\xff" and data[:11] == PROFILE_NAME:
        gif.profile = data[11:]
    elif label == b"\xfe" and len(gif.comment) + len(data) <= limits_of().comment:
        gif.comment += data
    return control


def _image(content, at, palette, control):
    if at + 11 > len(content):
        raise InputError("the file is truncated")
    left, top, width, height, flags = struct.unpack("<HHHHB", content[at + 1 : at + 10])
    if not width or not height:
        raise InputError("a frame has no pixels")
    start = at + 10 + _palette_bytes(flags)
    own = content[at + 10 : start]
    data, end = _blocks(content, start + 1)
    disposal, ticks, transparent = control or (0, 0, None)
    data = content[start:end]
    return Block(left, top, width, height, flags & 0x40, own or palette, data, transparent, disposal, ticks), end


def parts(gif: Gif) -> Iterator[Part]:
    """Yields the parts of an animation, or of a still image."""
    for block in gif.frames:
        dispose = DISPOSALS.get(block.disposal, KEEP)
        yield Part(_decode(block), block.left, block.top, dispose, True, float(block.ticks * TICK))


def _decode(block):
    """The RGBA values of one image."""
    size = max(1, (len(block.palette) // 3 - 1).bit_length()) if block.palette else 0
    header = struct.pack("<HHBBB", block.width, block.height, 0x80 | (size - 1) if size else 0, 0, 0)
    place = struct.pack("<HHHHB", 0, 0, block.width, block.height, block.flags)
    file = io.BytesIO(b"GIF89a" + header + block.palette + b"," + place + block.data + b";")
    with pillow_open(file, ("GIF",)) as image:
        indices = np.asarray(image)
    colors = np.zeros((256, 4), "uint8")
    gray = np.arange(256, dtype="uint8")[:, None].repeat(3, axis=1)  # without a palette
    table = np.frombuffer(block.palette, "uint8").reshape(-1, 3) if block.palette else gray
    colors[: len(table), :3], colors[:, 3] = table, 255
    if block.transparent is not None:
        colors[block.transparent, 3] = 0
    return colors[indices]


def paletted(values: np.ndarray) -> Image.Image:
    """Converts uint8 H x W x 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGBA) to a Pillow image with a palette."""
    colors = np.repeat(values[..., :1], 3, axis=-1) if values.shape[2] < 3 else values[..., :3]
    if values.shape[2] in (1, 3):
        return Image.fromarray(np.ascontiguousarray(colors)).quantize(256)
    clear = values[..., -1] < OPAQUE
    colors = np.where(clear[..., None], 0, colors)
    image = Image.fromarray(colors).quantize(CLEAR_INDEX)
    image.paste(CLEAR_INDEX, mask=Image.fromarray(clear))
    image.info["transparency"] = CLEAR_INDEX
    return image


def write(file, frames: Iterable[tuple[np.ndarray, float]], plays: int, metadata: dict) -> None:
    """Writes an animation, or one image.

    What is rounded to GIF's 10 ms is the time since the start, so errors don't add up. A frame that is shown for longer
    than 655.35 s is repeated.

    Args:
        file: open for writing, in binary mode.
        frames: (H x W x 1 to 4, milliseconds); all have the same shape. Opaque frames are stored as what changes.
        plays: number of times to play them; 0 means forever.
        metadata: as in `Picture`; `comment` and `xmp` are written.
    """
    before, start, elapsed = None, 0, 0.0
    for values, time in frames:
        if before is None:
            _write_header(file, values, plays, metadata)
        clear = values.shape[2] in (2, 4)
        top, left, bottom, right = changed_box(None if clear else before, values)
        elapsed += time
        ticks, start = round(elapsed / TICK) - start, round(elapsed / TICK)
        block = _encode(values[top:bottom, left:right])
        _write_block(file, block, left, top, min(ticks, LONGEST), CLEAR if clear else KEEP)
        while (ticks := ticks - LONGEST) > 0:
            again = block if clear else _encode(values[:1, :1])
            place = (left, top) if clear else (0, 0)
            _write_block(file, again, *place, min(ticks, LONGEST), CLEAR if clear else KEEP)
        before = values
    file.write(b";")


def _encode(values):
    """Values as the `Block` that Pillow makes of them."""
    file = io.BytesIO()
    image = paletted(values)
    image.save(file, "GIF", optimize=False)
    content = file.getvalue()
    at = 13 + _palette_bytes(content[10])
    palette = content[13:at]
    while content[at] == 0x21:
        _, at = _blocks(content, at + 2)
    return _image(content, at, palette, (0, 0, image.info.get("transparency")))[0]


def _write_header(file, values, plays, metadata):
    file.write(b"GIF89a" + struct.pack("<HHBBB", values.shape[1], values.shape[0], 0x70, 0, 0))
    if plays != 1:
        file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", max(0, min(plays, 65_536) - 1)) + b"\0")
    if "comment" in metadata:
        file.write(b"\x21\xfe" + _sub_blocks(metadata["comment"]))
    if "xmp" in metadata:
        file.write(b"\x21\xff\x0b" + XMP_NAME + metadata["xmp"] + XMP_END)


def _sub_blocks(data):
    return (
        b"".join(bytes([len(part)]) + part for at in range(0, len(data), 255) for part in [data[at : at + 255]]) + b"\0"
    )


def _write_block(file, block, left, top, ticks, dispose):
    flags = DISPOSAL_NUMBERS[dispose] << 2 | (block.transparent is not None)
    file.write(b"\x21\xf9\x04" + struct.pack("<BHBB", flags, ticks, block.transparent or 0, 0))
    size = (len(block.palette) // 3 - 1).bit_length()
    file.write(b"," + struct.pack("<HHHHB", left, top, block.width, block.height, block.flags | 0x80 | (size - 1)))
    file.write(block.palette + block.data)
