"""TIFF, written strip by strip; a BigTIFF where it could pass four gigabytes."""

import zlib

import numpy as np
from PIL import TiffTags
from PIL.ExifTags import IFD
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from wdsr_tf.images.metadata import INCH, RESOLUTION_UNIT, X_RESOLUTION, Y_RESOLUTION, image_exif
from wdsr_tf.images.rows import Encoder

LEVEL = 6
BIG = 4_000_000_000  # bytes of values, from which 32-bit offsets might not reach the end of the file
CLASSIC_HEADER, BIG_HEADER = b"II*\0" + bytes(4), b"II+\0\x08" + bytes(11)
STRIP_OFFSETS, STRIP_BYTES = 273, 279
UNSIGNED, FLOAT = 1, 3  # sample formats
DEFLATE, DIFFERENCES, UNASSOCIATED_ALPHA = 8, 2, 2  # values of compression, predictor, extra samples


class TiffWriter:
    """Writes a TIFF to an open file, in memory that does not grow with the height.

    `append` takes rows H x W x channels of `dtype` (uint8, uint16 or float32). `metadata` as in `Picture`.
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
        directory[262] = 1 if channels < 3 else 2  # black is zero, or RGB
        directory[277], directory[278] = channels, self._rows.rows
        directory[284] = 1  # the channels of a pixel side by side
        directory[317] = DIFFERENCES if self._predicted else 1
        if channels in (2, 4):
            directory[338] = UNASSOCIATED_ALPHA
        directory[339] = (UNSIGNED if dtype.kind == "u" else FLOAT,) * channels
        for tag in (STRIP_OFFSETS, STRIP_BYTES):
            directory[tag] = (0,) * count
            directory.tagtype[tag] = TiffTags.LONG8 if big else TiffTags.LONG
        directory.save(file)  # takes the place of what `finish` writes over it

    def append(self, rows):
        self._rows.append(rows.astype(rows.dtype.newbyteorder("<"), copy=False))

    def finish(self):
        self._rows.finish()
        starts = np.cumsum([0, *self._lengths[:-1]]).tolist()
        types = {tag: self._directory.tagtype[tag] for tag in (STRIP_OFFSETS, STRIP_BYTES)}
        self._directory[STRIP_OFFSETS] = tuple(starts)  # Pillow counts them from the directory's end
        self._directory[STRIP_BYTES] = tuple(self._lengths)
        self._directory.tagtype.update(types)
        self._file.seek(0)
        self._directory.save(self._file)
        self._file.seek(0, 2)

    def close(self):
        self._rows.close()

    def _encode(self, rows, _):
        if self._predicted:
            rows = np.concatenate([rows[:, :1], np.diff(rows, axis=1)], axis=1)
        return zlib.compress(rows, LEVEL)

    def _emit(self, compressed):
        self._lengths.append(len(compressed))
        self._file.write(compressed)

    def _set_metadata(self, metadata):
        exif = image_exif(metadata)
        for tag, value in exif.items():
            self._directory[tag] = exif.get_ifd(tag) if tag in (IFD.Exif, IFD.GPSInfo) else value
        if "icc_profile" in metadata:
            self._directory[34675] = metadata["icc_profile"]
        if "dpi" in metadata:
            self._directory[X_RESOLUTION], self._directory[Y_RESOLUTION] = metadata["dpi"]
            self._directory[RESOLUTION_UNIT] = INCH
