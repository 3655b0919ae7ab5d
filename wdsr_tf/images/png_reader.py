"""Takes PNG and APNG files apart; see https://www.w3.org/TR/png-3/.

Pillow, or imagecodecs for 16-bit color, decodes the pixels of a minimal file that is made of the critical chunks. So
nothing else in a file can make its pixels unreadable, and transparency and animation are ours.
"""

import dataclasses
import io
import itertools
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.images.compose import CLEAR, KEEP, RESTORE, Part
from wdsr_tf.images.content import after_end
from wdsr_tf.images.limits import limits_of, pillow_open

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by color type
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA = 0, 2, 3, 4, 6
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # of Adam7
DISPOSALS = {0: KEEP, 1: CLEAR, 2: RESTORE}
PIECE = 2**20


@dataclasses.dataclass
class Frame:
    """A frame of an APNG: its `fcTL` chunk and the pieces of its compressed pixels."""

    width: int
    height: int
    left: int = 0
    top: int = 0
    milliseconds: float = 0.0
    dispose: int = KEEP
    over: bool = False
    data: list = dataclasses.field(default_factory=list)
    suspect: bool = False  # a checksum is wrong


@dataclasses.dataclass
class Png:
    """A PNG file's content, without its pixels decoded.

    Args:
        header: the IHDR chunk.
        chunks: (name, data) of all other chunks before and after the pixels, without those with a wrong checksum.
        still: the image of programs that can't play animations; it may be a frame too.
        frames: of an animation; empty for a still image.
        declared: number of frames that the file announces.
        plays: how often the animation is played; 0 means forever.
        notes: what is broken or missing in the file.
    """

    header: bytes
    chunks: list
    still: Frame
    frames: list
    declared: int = 0
    plays: int = 0
    notes: list = dataclasses.field(default_factory=list)

    @property
    def width(self) -> int:
        return struct.unpack(">I", self.header[:4])[0]

    @property
    def height(self) -> int:
        return struct.unpack(">I", self.header[4:8])[0]

    @property
    def bits(self) -> int:
        return self.header[8]

    @property
    def color_type(self) -> int:
        return self.header[9]

    def find(self, name: bytes) -> bytes | None:
        """Returns the data of the first chunk of that name."""
        return next((data for each, data in self.chunks if each == name), None)

    @property
    def has_alpha(self) -> bool:
        return self.color_type in (GRAY_ALPHA, RGBA) or self.find(b"tRNS") is not None


def parse(path: Path | str, pixels: bool = True) -> Png:
    """Reads a PNG's chunks, or without `pixels` all others. Raises InputError if the file is no sound PNG."""
    with Path(path).open("rb") as file:
        chunks = chunks_of(file, Path(path).stat().st_size, pixels)
        name, header, sound = next(chunks, (b"", b"", False))
        if name != b"IHDR" or len(header) != 13:
            raise InputError("the file is truncated" if not name else "its first chunk isn't IHDR")
        width, height, bits, kind, method, filtering, interlaced = struct.unpack(">IIBBBBB", header)
        valid = bits in DEPTHS.get(kind, ()) and width and height and (method, filtering) == (0, 0) and interlaced < 2
        if not valid or not sound:
            raise InputError("its header is broken")
        png = Png(header, [], Frame(width, height), [])
        ended = _collect(png, chunks, pixels)
        png.notes += after_end(file.read()) if ended and pixels else []
    return png


def _collect(png, chunks, pixels):
    """Puts the chunks of a file where they belong; returns whether the last one is there."""
    current, ended, left = png.still, False, limits_of().information
    for name, data, sound in chunks:
        if name == b"IDAT":
            png.still.data.append(data)
            png.still.suspect |= not sound
        elif name == b"IEND":
            ended = True
            break
        elif not sound:
            if name in (b"PLTE", b"tRNS", b"acTL", b"fcTL", b"fdAT"):
                raise InputError(f"its {name.decode()} chunk is broken: its checksum is wrong")
            png.notes.append(f"its {name.decode('latin-1')} chunk is broken and was left out")
        elif name == b"acTL" and len(data) == 8:
            png.declared, png.plays = struct.unpack(">II", data)
        elif name == b"fcTL" and len(data) == 26 and png.declared:
            current = _frame(data)
            if not png.still.data:
                current.data = png.still.data  # the first frame is the still image
            png.frames.append(current)
        elif name == b"fdAT" and png.frames:
            current.data.append(data[4:])
        elif name not in (b"acTL", b"fcTL", b"fdAT"):
            left -= len(data)
            if left >= 0:
                png.chunks.append((name, data))
            else:
                png.notes.append(f"its {name.decode('latin-1')} chunk was left out: more than 64 MiB of information")
    if pixels:
        _check_frames(png, ended)
    return ended


def _check_frames(png, ended):
    if not png.still.data:
        raise InputError("the file is truncated: it has no pixels")
    if png.frames and len(png.frames) != png.declared:
        if not ended:
            raise InputError(f"the file is truncated: it has {len(png.frames)} of {png.declared} frames")
        png.notes.append(f"the file announces {png.declared} frames and has {len(png.frames)}")


def _frame(data):
    _, width, height, left, top, number, parts, dispose, blend = struct.unpack(">IIIIIHHBB", data)
    if not width or not height or dispose not in DISPOSALS:
        raise InputError("a frame's header is broken")
    return Frame(width, height, left, top, 1000 * number / (parts or 100), DISPOSALS[dispose], blend == 1)


def chunks_of(file, size: int, pixels: bool = True) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yields (name, data, whether the checksum is right), until the file of `size` bytes ends.

    Without `pixels`, chunks of pixels are empty.
    """
    if file.read(8) != SIGNATURE:
        return
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name in (b"IDAT", b"fdAT") and not pixels:
            file.seek(length + 4, 1)
            yield name, b"", True
            continue
        data, check = file.read(min(length, size)), file.read(4)
        if len(data) < length:
            if name in (b"IDAT", b"fdAT"):
                yield name, data, True  # what is there may be all of the pixels
            return
        yield name, data, len(check) == 4 and zlib.crc32(data, zlib.crc32(name)) == int.from_bytes(check, "big")


def check_complete(png: Png, frame: Frame) -> None:
    """Raises InputError if the pixels of a frame end too early, with the first row that is missing."""
    deflated, count, checksum = zlib.decompressobj(wbits=-15), 0, 1
    rows = _row_bytes(png, frame)
    wanted, skip = sum(rows), 2  # bytes of zlib's header
    try:
        for piece in frame.data:
            piece, skip = piece[skip:], max(0, skip - len(piece))
            while piece and not deflated.eof and (count < wanted or frame.suspect):
                values = deflated.decompress(piece, PIECE)
                count += len(values)
                checksum = zlib.adler32(values, checksum) if frame.suspect else 1
                piece = deflated.unconsumed_tail
                if not values and not piece:
                    break
    except zlib.error as error:
        raise InputError(f"its pixels are broken: {error}") from None
    if frame.suspect and checksum != int.from_bytes(b"".join(frame.data)[-4:], "big"):
        raise InputError("its pixels are broken: their checksum is wrong")
    if count < wanted:
        there = sum(end <= count for end in itertools.accumulate(rows))
        raise InputError(f"the file is truncated: {there} of {len(rows)} rows of pixels are there")


def _row_bytes(png, frame):
    bits = CHANNELS[png.color_type] * png.bits
    passes = PASSES if png.header[12] else ((0, 0, 1, 1),)
    rows = []
    for left, top, across, down in passes:
        width, height = (
            max(0, -(-(side - start) // step))
            for side, start, step in ((frame.width, left, across), (frame.height, top, down))
        )
        rows += [1 + (width * bits + 7) // 8] * (height if width else 0)
    return rows


def decode(png: Png, frame: Frame, deep: bool) -> np.ndarray:
    """Returns a frame's values.

    Args:
        png: the file.
        frame: one of its frames.
        deep: whether 16-bit color keeps its low bytes, which needs imagecodecs.

    Returns:
        H x W x 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGBA), uint8 or uint16. Colors that are declared to be
        transparent have alpha.
    """
    check_complete(png, frame)
    file = io.BytesIO()
    file.write(SIGNATURE)
    header = struct.pack(">II", frame.width, frame.height) + png.header[8:]
    names = (b"PLTE", b"tRNS") if png.color_type == PALETTE else ()
    extra = [(name, png.find(name)) for name in names if png.find(name)]
    for name, data in [(b"IHDR", header), *extra, *((b"IDAT", data) for data in frame.data), (b"IEND", b"")]:
        write_chunk(file, name, data)
    if png.bits == 16 and png.color_type != GRAY and deep:
        from wdsr_tf.images.high_depth import library

        values = library("imagecodecs").png_decode(file.getvalue())
    else:
        file.seek(0)
        with pillow_open(file, ("PNG",)) as image:
            values = _values(image)
    values = values[..., None] if values.ndim == 2 else values
    clear = png.find(b"tRNS")
    if png.color_type in (GRAY, RGB) and clear and len(clear) >= 2 * values.shape[2]:
        return _with_clear_color(png, values, clear)
    return values


def _values(image):
    image.load()
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    values = np.asarray(image)
    return values.astype("uint16") if image.mode.startswith("I") else values


def _with_clear_color(png, values, clear):
    """Adds alpha: 0 where a pixel has the one transparent color. It is given in values of the file's depth."""
    color = np.frombuffer(clear[: 2 * values.shape[2]], ">u2").astype("int64")
    if png.bits == 16 and values.dtype == "uint8":
        color >>= 8  # Pillow drops the low bytes; this can't be exact, and alpha is dropped too
    elif png.bits < 8:
        color = (color & (2**png.bits - 1)) * (255 // (2**png.bits - 1))
    peak = np.iinfo(values.dtype).max
    alpha = np.where((values == color).all(axis=-1, keepdims=True), 0, peak).astype(values.dtype)
    return np.concatenate([values, alpha], axis=-1)


def write_chunk(file, name: bytes, data: bytes) -> None:
    """Writes one chunk with its checksum."""
    file.write(struct.pack(">I", len(data)) + name)
    file.write(data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(name))))


def parts(png: Png) -> Iterator[Part]:
    """Yields the parts of an animation."""
    for number, frame in enumerate(png.frames):
        values = decode(png, frame, deep=False)
        dispose = CLEAR if number == 0 and frame.dispose == RESTORE else frame.dispose
        yield Part(_rgba(values), frame.left, frame.top, dispose, frame.over, frame.milliseconds)


def _rgba(values):
    if values.dtype == "uint16":
        values = np.rint(values / 257).astype("uint8")
    channels = values.shape[2]
    colors = values[..., :1].repeat(3, axis=-1) if channels < 3 else values[..., :3]
    alpha = values[..., -1:] if channels in (2, 4) else np.full_like(values[..., :1], 255)
    return np.concatenate([colors, alpha], axis=-1)


class Inflater:
    """Decompresses the profiles and texts of one file, up to 64 MiB together."""

    def __init__(self):
        self._left = limits_of().information

    def __call__(self, data: bytes) -> bytes | None:
        """Returns the decompressed bytes; None if they are broken or too many."""
        deflated = zlib.decompressobj()
        try:
            result = deflated.decompress(data, self._left) if self._left else b""
        except zlib.error:
            return None
        self._left -= len(result)
        return result if deflated.eof else None
