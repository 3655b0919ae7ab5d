"""Runs an iterator in a thread of its own, a few items ahead of who takes them."""

import queue
import threading
from collections.abc import Iterable, Iterator

POLL = 0.1  # seconds: how soon a stop is noticed
END = object()


class _Failure:
    def __init__(self, error):
        self.error = error


def ahead(items: Iterable, depth: int = 2) -> Iterator:
    """Yields what `items` yields, which runs in a thread, up to `depth` items ahead, and raises what it raises.

    When this generator is closed, the thread ends before its next item, and `items` is closed in it.
    """
    waiting, stop = queue.Queue(depth), threading.Event()

    def put(item):
        while not stop.is_set():
            try:
                return waiting.put(item, timeout=POLL)
            except queue.Full:
                pass

    def run():
        try:
            for item in items:
                put(item)
                if stop.is_set():
                    break
            put(END)
        except BaseException as error:
            put(_Failure(error))
        finally:
            if hasattr(items, "close"):
                items.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while (item := _taken(waiting)) is not END:
            if isinstance(item, _Failure):
                raise item.error
            yield item
    finally:
        stop.set()
        thread.join()


def _taken(waiting):
    while True:  # a wait without an end couldn't be interrupted on Windows
        try:
            return waiting.get(timeout=POLL)
        except queue.Empty:
            pass
