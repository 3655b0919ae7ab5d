"""A PNG writer that takes rows as they come; see https://www.w3.org/TR/png-3/."""

import struct
import zlib

import numpy as np

from wdsr_tf.images.png_metadata import chunks
from wdsr_tf.images.png_reader import SIGNATURE, write_chunk
from wdsr_tf.images.rows import Encoder

COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by number of channels: gray, gray and alpha, RGB, RGBA
LEVEL = 6
FILTERED_BYTES = 2**17  # filtered at a time, so that intermediate values stay in the processor's cache


class PngWriter:
    """Writes a PNG to an open file; memory use doesn't depend on the height.

    Args:
        file: open for writing, in binary mode.
        height: in pixels.
        width: in pixels.
        channels: 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGBA).
        dtype: uint8 or uint16.
        metadata: as in `Picture`.
        level: zlib's compression level, 0 to 9.
    """

    def __init__(self, file, height, width, channels, dtype, metadata, level=LEVEL):
        self._file, self._level = file, level
        self._sum = 1
        value_bytes = np.dtype(dtype).itemsize
        self._stride = value_bytes * channels  # bytes between a value and the one to its left
        self._rows = Encoder(1 + width * self._stride, self._encode, self._emit)
        file.write(SIGNATURE)
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8 * value_bytes, COLOR_TYPES[channels], 0, 0, 0))
        for chunk in chunks(metadata):
            self._chunk(*chunk)
        self._chunk(b"IDAT", b"\x78\x9c")  # header of a zlib stream

    def append(self, rows: np.ndarray) -> None:
        """Takes the next rows, H x W x channels."""
        rows = rows.astype(rows.dtype.newbyteorder(">"), order="C")
        self._rows.append(rows.reshape(len(rows), -1).view("uint8"))

    def finish(self) -> None:
        """Writes the end of the file."""
        self._rows.finish()
        end = zlib.compressobj(wbits=-15).flush()  # an empty last block
        self._chunk(b"IDAT", end + struct.pack(">I", self._sum))
        self._chunk(b"IEND", b"")

    def close(self) -> None:
        """Frees the threads, also after an error."""
        self._rows.close()

    def _encode(self, rows, previous):
        filtered = np.empty((len(rows), 1 + rows.shape[1]), "uint8")
        count = max(1, FILTERED_BYTES // rows.shape[1])
        for top in range(0, len(rows), count):
            filtered[top : top + count] = filter_rows(rows[top : top + count], previous, self._stride)
            previous = rows[min(top + count, len(rows)) - 1]
        deflate = zlib.compressobj(self._level, wbits=-15, memLevel=9, strategy=zlib.Z_FILTERED)
        return filtered, deflate.compress(filtered) + deflate.flush(zlib.Z_SYNC_FLUSH)  # ends on a whole byte

    def _emit(self, result):
        filtered, compressed = result
        self._sum = zlib.adler32(filtered, self._sum)
        self._chunk(b"IDAT", compressed)

    def _chunk(self, name, data):
        write_chunk(self._file, name, data)


def filter_rows(rows: np.ndarray, previous: np.ndarray | None, stride: int) -> np.ndarray:
    """Filters rows with that of PNG's five filters, for each row, whose output has the smallest sum.

    Args:
        rows: uint8, H x bytes per row.
        previous: the row above the first; None at the top of the image.
        stride: bytes per pixel.

    Returns:
        uint8, H x (1 + bytes per row); the first byte is the number of the filter.
    """
    height, length = rows.shape
    above = np.empty_like(rows)
    above[0] = 0 if previous is None else previous
    above[1:] = rows[:-1]
    left, corner = np.zeros((2, height, length), "uint8")
    left[:, stride:], corner[:, stride:] = rows[:, :-stride], above[:, :-stride]

    result = np.empty((height, 1 + length), "uint8")
    result[:, 0], result[:, 1:] = 0, rows
    least = _cost(rows)
    average = (left & above) + ((left ^ above) >> 1)  # floor of the mean, within bytes
    for number, guess in enumerate((left, above, average, _paeth(left, above, corner)), 1):
        difference = rows - guess
        cost = _cost(difference)
        better = cost < least
        result[better, 0], result[better, 1:] = number, difference[better]
        least[better] = cost[better]
    return result


def _cost(differences):
    """The sum of absolute values over each row, with bytes taken as signed."""
    return np.minimum(differences, -differences).sum(axis=1, dtype="int64")


def _paeth(left, above, corner):
    """The neighbor nearest to left + above - corner; the first one if several are."""
    wide = corner.astype("int16")
    from_left, from_above = above - wide, left - wide  # distance of the guess from each
    from_corner = np.abs(from_left + from_above)
    from_left, from_above = np.abs(from_left), np.abs(from_above)
    guess = np.where(from_above <= from_corner, above, corner)
    return np.where((from_left <= from_above) & (from_left <= from_corner), left, guess)
