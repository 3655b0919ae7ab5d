"""Encoding of an image's rows in chunks of equal height, in parallel."""

import collections
import concurrent.futures
from collections.abc import Callable

import numpy as np

from wdsr_tf.system import cores

CHUNK_BYTES = 2**20  # so large that restarting the compression costs next to nothing


class Encoder:
    """Regroups rows into chunks, encodes the chunks on several threads, and emits the results in order.

    Args:
        row_bytes: bytes per row; a chunk has as many rows as make about a mebibyte.
        encode: `encode(rows, previous)` runs on a thread; `previous` is the row above the chunk, None for the first.
        emit: receives each result, in order, on the caller's thread.

    Attributes:
        rows: number of rows in a chunk; the last chunk may have fewer.
    """

    def __init__(self, row_bytes: int, encode: Callable, emit: Callable):
        self.rows = max(1, CHUNK_BYTES // row_bytes)
        self._encode, self._emit = encode, emit
        self._waiting, self._count, self._previous = [], 0, None
        self._threads = min(8, cores.available())
        self._pool = concurrent.futures.ThreadPoolExecutor(self._threads)
        self._running = collections.deque()

    def append(self, rows: np.ndarray) -> None:
        """Takes rows, an array whose first axis counts them. The caller must not change it afterwards."""
        while len(rows):
            part, rows = np.split(rows, [self.rows - self._count])
            self._waiting.append(part)
            self._count += len(part)
            if self._count == self.rows:
                self._start()

    def finish(self) -> None:
        """Encodes and emits what is left."""
        if self._count:
            self._start()
        while self._running:
            self._emit(self._running.popleft().result())

    def close(self) -> None:
        """Ends the threads, also after an error."""
        self._pool.shutdown(cancel_futures=True)

    def _start(self):
        chunk = np.ascontiguousarray(self._waiting[0]) if len(self._waiting) == 1 else np.concatenate(self._waiting)
        self._running.append(self._pool.submit(self._encode, chunk, self._previous))
        self._waiting, self._count, self._previous = [], 0, chunk[-1]
        while len(self._running) > self._threads:
            self._emit(self._running.popleft().result())
