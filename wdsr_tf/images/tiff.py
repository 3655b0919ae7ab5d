"""A TIFF writer that takes rows as they come, for one page or several; large files become BigTIFF."""

import struct
import zlib

import numpy as np

from wdsr_tf.images import exif
from wdsr_tf.images.exif import LONG, LONG8, SHORT, UNDEFINED, rational
from wdsr_tf.images.rows import Encoder

LEVEL = 6
BIG = 4_000_000_000  # bytes of values; beyond it, 32-bit offsets might not reach the end of the file
STRIP_OFFSETS, STRIP_BYTES = 273, 279
UNSIGNED, FLOAT = 1, 3  # sample formats
DEFLATE, HORIZONTAL_DIFFERENCES, UNASSOCIATED_ALPHA = 8, 2, 2  # values of compression, predictor, extra samples
PAGE = 2  # a subfile type


class TiffFile:
    """The header of a TIFF, and the chain of its pages' directories.

    Args:
        file: open for reading and writing at any position, in binary mode.
        big: whether to write a BigTIFF.
        pages: how many pages there will be.
    """

    def __init__(self, file, big: bool, pages: int = 1):
        self.file, self.big, self.pages = file, big, pages
        file.write(b"II+\0\x08\0\0\0" + bytes(8) if big else b"II*\0" + bytes(4))
        self._link = 8 if big else 4  # where the offset of the next directory goes

    def add(self, tags: dict) -> None:
        """Writes the directory of the next page; `tags` as `exif.encode` takes them."""
        self.file.write(bytes(-self.file.tell() % 8))
        at = self.file.tell()
        self.file.write(exif.encode(tags, at, self.big))
        self.file.seek(self._link)
        self.file.write(struct.pack("<Q" if self.big else "<I", at))
        self.file.seek(0, 2)
        self._link = at + (8 + 20 * len(tags) if self.big else 2 + 12 * len(tags))


class TiffWriter:
    """Writes a page to an open file; memory use doesn't depend on the height.

    Args:
        file: open for reading and writing at any position, in binary mode; or a `TiffFile` to add the page to.
        height: in pixels.
        width: in pixels.
        channels: 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGBA).
        dtype: uint8, uint16 or float32.
        metadata: as in `Picture`.
    """

    def __init__(self, file, height, width, channels, dtype, metadata):
        dtype = np.dtype(dtype)
        row_bytes = width * channels * dtype.itemsize
        self._tiff = file if isinstance(file, TiffFile) else TiffFile(file, height * row_bytes > BIG)
        self._file = self._tiff.file
        self._predicted = dtype.kind == "u"
        self._rows = Encoder(row_bytes, self._encode, self._emit)
        self._offsets, self._lengths = [], []
        self._tags = {
            **_metadata_tags(metadata),
            256: _longs(width),
            257: _longs(height),
            258: _shorts(*[8 * dtype.itemsize] * channels),
            259: _shorts(DEFLATE),
            262: _shorts(1 if channels < 3 else 2),  # zero is black, or RGB
            277: _shorts(channels),
            278: _longs(self._rows.rows),
            284: _shorts(1),  # channels of a pixel are stored together
            317: _shorts(HORIZONTAL_DIFFERENCES if self._predicted else 1),
            339: _shorts(*[UNSIGNED if dtype.kind == "u" else FLOAT] * channels),
        }
        if channels in (2, 4):
            self._tags[338] = _shorts(UNASSOCIATED_ALPHA)
        if self._tiff.pages > 1:
            self._tags[254] = _longs(PAGE)

    def append(self, rows: np.ndarray) -> None:
        """Takes the next rows, H x W x channels."""
        self._rows.append(rows.astype(rows.dtype.newbyteorder("<"), copy=False))

    def finish(self) -> None:
        """Writes the directory with the positions of all strips."""
        self._rows.finish()
        integers = _long8s if self._tiff.big else _longs
        self._tags[STRIP_OFFSETS], self._tags[STRIP_BYTES] = integers(*self._offsets), integers(*self._lengths)
        self._tiff.add(self._tags)

    def close(self) -> None:
        """Frees the threads, also after an error."""
        self._rows.close()

    def _encode(self, rows, _):
        if self._predicted:
            rows = np.concatenate([rows[:, :1], np.diff(rows, axis=1)], axis=1)
        return zlib.compress(rows, LEVEL)

    def _emit(self, compressed):
        self._offsets.append(self._file.tell())
        self._lengths.append(len(compressed))
        self._file.write(compressed)


def _metadata_tags(metadata):
    block = exif.open_block(metadata["exif"]) if "exif" in metadata else None
    tags = block.tags(exif.LAYOUT) if block else {}
    for name, tag in (("icc_profile", exif.ICC_PROFILE), ("xmp", exif.XMP), ("iptc", exif.IPTC)):
        if name in metadata:
            tags[tag] = (UNDEFINED if name != "xmp" else 1, len(metadata[name]), metadata[name])
    if "dpi" in metadata:
        across, down = metadata["dpi"]
        tags[exif.X_RESOLUTION], tags[exif.Y_RESOLUTION] = rational(across), rational(down)
        tags[exif.RESOLUTION_UNIT] = _shorts(exif.INCH)
    return tags


def _shorts(*values):
    return SHORT, len(values), struct.pack(f"<{len(values)}H", *values)


def _longs(*values):
    return LONG, len(values), struct.pack(f"<{len(values)}I", *values)


def _long8s(*values):
    return LONG8, len(values), struct.pack(f"<{len(values)}Q", *values)
