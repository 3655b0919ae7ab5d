"""A TIFF writer that takes rows as they come; large images become BigTIFF files."""

import zlib

import numpy as np
from PIL import TiffTags
from PIL.ExifTags import IFD
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from wdsr_tf.images.metadata import ICC_PROFILE, INCH, RESOLUTION_UNIT, X_RESOLUTION, Y_RESOLUTION, load_exif
from wdsr_tf.images.rows import Encoder

LEVEL = 6
BIG = 4_000_000_000  # bytes of values; beyond it, 32-bit offsets might not reach the end of the file
CLASSIC_HEADER, BIG_HEADER = b"II*\0" + bytes(4), b"II+\0\x08" + bytes(11)
STRIP_OFFSETS, STRIP_BYTES = 273, 279
UNSIGNED, FLOAT = 1, 3  # sample formats
DEFLATE, HORIZONTAL_DIFFERENCES, UNASSOCIATED_ALPHA = 8, 2, 2  # values of compression, predictor, extra samples


class TiffWriter:
    """Writes a TIFF to an open file; memory use doesn't depend on the height.

    Args:
        file: open for reading and writing at any position, in binary mode.
        height: in pixels.
        width: in pixels.
        channels: 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGBA).
        dtype: uint8, uint16 or float32.
        metadata: as in `Picture`.
    """

    def __init__(self, file, height, width, channels, dtype, metadata):
        self._file = file
        dtype = np.dtype(dtype)
        row_bytes = width * channels * dtype.itemsize
        self._predicted = dtype.kind == "u"
        self._rows = Encoder(row_bytes, self._encode, self._emit)
        self._lengths = []
        count = -(-height // self._rows.rows)

        big = height * row_bytes > BIG
        self._directory = directory = ImageFileDirectory_v2(ifh=BIG_HEADER if big else CLASSIC_HEADER)
        self._set_metadata(metadata)
        directory[256], directory[257] = width, height
        directory[258] = (8 * dtype.itemsize,) * channels
        directory[259] = DEFLATE
        directory[262] = 1 if channels < 3 else 2  # zero is black, or RGB
        directory[277], directory[278] = channels, self._rows.rows
        directory[284] = 1  # channels of a pixel are stored together
        directory[317] = HORIZONTAL_DIFFERENCES if self._predicted else 1
        if channels in (2, 4):
            directory[338] = UNASSOCIATED_ALPHA
        directory[339] = (UNSIGNED if dtype.kind == "u" else FLOAT,) * channels
        for tag in (STRIP_OFFSETS, STRIP_BYTES):
            directory[tag] = (0,) * count
            directory.tagtype[tag] = TiffTags.LONG8 if big else TiffTags.LONG
        directory.save(file)  # reserves the space for `finish`

    def append(self, rows: np.ndarray) -> None:
        """Takes the next rows, H x W x channels."""
        self._rows.append(rows.astype(rows.dtype.newbyteorder("<"), copy=False))

    def finish(self) -> None:
        """Writes the directory with the positions of all strips."""
        self._rows.finish()
        starts = np.cumsum([0, *self._lengths[:-1]]).tolist()
        types = {tag: self._directory.tagtype[tag] for tag in (STRIP_OFFSETS, STRIP_BYTES)}
        self._directory[STRIP_OFFSETS] = tuple(starts)  # Pillow adds the length of the directory
        self._directory[STRIP_BYTES] = tuple(self._lengths)
        self._directory.tagtype.update(types)
        self._file.seek(0)
        self._directory.save(self._file)
        self._file.seek(0, 2)

    def close(self) -> None:
        """Frees the threads, also after an error."""
        self._rows.close()

    def _encode(self, rows, _):
        if self._predicted:
            rows = np.concatenate([rows[:, :1], np.diff(rows, axis=1)], axis=1)
        return zlib.compress(rows, LEVEL)

    def _emit(self, compressed):
        self._lengths.append(len(compressed))
        self._file.write(compressed)

    def _set_metadata(self, metadata):
        exif = load_exif(metadata)
        for tag, value in exif.items():
            self._directory[tag] = exif.get_ifd(tag) if tag in (IFD.Exif, IFD.GPSInfo) else value
        if "icc_profile" in metadata:
            self._directory[ICC_PROFILE] = metadata["icc_profile"]
        if "dpi" in metadata:
            self._directory[X_RESOLUTION], self._directory[Y_RESOLUTION] = metadata["dpi"]
            self._directory[RESOLUTION_UNIT] = INCH
