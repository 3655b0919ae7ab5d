"""PNG, written row by row: https://www.w3.org/TR/png-3/."""

import struct
import zlib

import numpy as np

from wdsr_tf.images.rows import Encoder

COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by the number of channels: gray, gray and alpha, RGB, RGBA
LEVEL = 6
FILTERED_BYTES = 2**17  # at a time: what the filters need stays in the processor's cache


class PngWriter:
    """Writes a PNG of 8 or 16 bits a value to an open file, in memory that does not grow with the height.

    `append` takes rows H x W x channels of `dtype` (uint8 or uint16). `metadata` as in `Picture`.
    """

    def __init__(self, file, height, width, channels, dtype, metadata, level=LEVEL):
        self._file, self._level = file, level
        self._sum = 1
        value_bytes = np.dtype(dtype).itemsize
        self._stride = value_bytes * channels  # bytes between a value and the one to its left
        self._rows = Encoder(1 + width * self._stride, self._encode, self._emit)
        file.write(b"\x89PNG\r\n\x1a\n")
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8 * value_bytes, COLOR_TYPES[channels], 0, 0, 0))
        self._metadata(metadata)
        self._chunk(b"IDAT", b"\x78\x9c")  # the header of a zlib stream

    def append(self, rows):
        rows = rows.astype(rows.dtype.newbyteorder(">"), order="C")
        self._rows.append(rows.reshape(len(rows), -1).view("uint8"))

    def finish(self):
        self._rows.finish()
        end = zlib.compressobj(wbits=-15).flush()  # an empty last block
        self._chunk(b"IDAT", end + struct.pack(">I", self._sum))
        self._chunk(b"IEND", b"")

    def close(self):
        self._rows.close()

    def _encode(self, rows, before):
        filtered = np.empty((len(rows), 1 + rows.shape[1]), "uint8")
        count = max(1, FILTERED_BYTES // rows.shape[1])
        for top in range(0, len(rows), count):
            filtered[top : top + count] = filter_rows(rows[top : top + count], before, self._stride)
            before = rows[min(top + count, len(rows)) - 1]
        deflate = zlib.compressobj(self._level, wbits=-15, memLevel=9, strategy=zlib.Z_FILTERED)
        return filtered, deflate.compress(filtered) + deflate.flush(zlib.Z_SYNC_FLUSH)  # ends on a whole byte

    def _emit(self, result):
        filtered, compressed = result
        self._sum = zlib.adler32(filtered, self._sum)
        self._chunk(b"IDAT", compressed)

    def _chunk(self, name, data):
        self._file.write(struct.pack(">I", len(data)) + name)
        self._file.write(data)
        self._file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(name))))

    def _metadata(self, metadata):
        if "icc_profile" in metadata:
            self._chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata["icc_profile"]))
        if "dpi" in metadata:
            self._chunk(b"pHYs", struct.pack(">IIB", *(round(dpi / 0.0254) for dpi in metadata["dpi"]), 1))
        if "exif" in metadata:
            self._chunk(b"eXIf", metadata["exif"].removeprefix(b"Exif\0\0"))


def filter_rows(rows, before, stride):
    """Rows of bytes (uint8, H x row) as PNG stores them: of the five filters, each row's with the least sum.

    `before` is the row above the first, or None; `stride` the bytes of a pixel. Returns uint8, H x (1 + row).
    """
    height, length = rows.shape
    above = np.empty_like(rows)
    above[0] = 0 if before is None else before
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
    """The sum over each row of the bytes' absolute values, taken as signed."""
    return np.minimum(differences, -differences).sum(axis=1, dtype="int64")


def _paeth(left, above, corner):
    """Of the three neighbors the one nearest to left + above - corner; the first of equals."""
    wide = corner.astype("int16")
    from_left, from_above = above - wide, left - wide  # how far the guess lies from each
    from_corner = np.abs(from_left + from_above)
    from_left, from_above = np.abs(from_left), np.abs(from_above)
    guess = np.where(from_above <= from_corner, above, corner)
    return np.where((from_left <= from_above) & (from_left <= from_corner), left, guess)
