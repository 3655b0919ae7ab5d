"""Rows of a picture, as they come, encoded in equal chunks on several threads."""

import collections
import concurrent.futures
import os

import numpy as np

CHUNK_BYTES = 2**20  # large enough to lose next to nothing by starting the compression anew


class Encoder:
    """Regroups rows into chunks, encodes them side by side, and hands the results over in order.

    Args:
        row_bytes: bytes of a row; a chunk has as many rows as make about a mebibyte.
        encode: `encode(rows, before)` with the row before the chunk (None above the first), run on a thread.
        emit: takes each result, in order, on the caller's thread.

    Attributes:
        rows: the rows of a chunk; the last may have fewer.
    """

    def __init__(self, row_bytes, encode, emit):
        self.rows = max(1, CHUNK_BYTES // row_bytes)
        self._encode, self._emit = encode, emit
        self._waiting, self._count, self._before = [], 0, None
        self._threads = min(8, os.cpu_count() or 1)
        self._pool = concurrent.futures.ThreadPoolExecutor(self._threads)
        self._running = collections.deque()

    def append(self, rows):
        """Takes rows, an array whose first axis they are; it is not to be changed afterwards."""
        while len(rows):
            part, rows = np.split(rows, [self.rows - self._count])
            self._waiting.append(part)
            self._count += len(part)
            if self._count == self.rows:
                self._start()

    def finish(self):
        if self._count:
            self._start()
        while self._running:
            self._emit(self._running.popleft().result())

    def close(self):
        self._pool.shutdown(cancel_futures=True)

    def _start(self):
        chunk = np.ascontiguousarray(self._waiting[0]) if len(self._waiting) == 1 else np.concatenate(self._waiting)
        self._running.append(self._pool.submit(self._encode, chunk, self._before))
        self._waiting, self._count, self._before = [], 0, chunk[-1]
        while len(self._running) > self._threads:
            self._emit(self._running.popleft().result())
