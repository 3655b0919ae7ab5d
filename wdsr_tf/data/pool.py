"""Calls a function for many items in processes, which Ctrl-C and a kill of the parent end quietly."""

import contextlib
import itertools
import multiprocessing
import multiprocessing.resource_tracker
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from tqdm import tqdm

from wdsr_tf.errors import InputError
from wdsr_tf.images.limits import limits_of, set_limits
from wdsr_tf.system import cores


def in_processes(
    function: Callable, items: Sequence, jobs: int | None = None, progress: bool = True
) -> Iterator[tuple[Any, Any]]:
    """Calls `function` for each item in parallel and yields (item, result) as calls end.

    Only a few items are started ahead of what was consumed, so that results don't pile up.

    Args:
        function: a module's function or a partial of one.
        items: its arguments.
        jobs: number of processes. Default: one per core; 1 runs in this process.
        progress: whether to show a progress bar on stderr.

    Raises:
        InputError: if a process was killed.
    """
    jobs = min(jobs or cores.available(), len(items))
    ended = _in_pool(function, items, jobs) if jobs > 1 else ((item, function(item)) for item in items)
    with contextlib.closing(ended):
        yield from tqdm(ended, total=len(items), unit="image", disable=not (progress and items))


def _in_pool(function, items, jobs):
    spawn = multiprocessing.get_context("spawn")  # the same on every system
    pool = ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_begin_worker, initargs=(limits_of(),))
    left = iter(items)

    def submitted(count):
        with _uninterrupted():
            return {pool.submit(function, item): item for item in itertools.islice(left, count)}

    try:
        running = submitted(4 * jobs)
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                item = running.pop(future)
                running |= submitted(1)
                yield item, future.result()
    except BrokenProcessPool as error:
        raise InputError(
            "A worker process was killed, probably because memory ran out. Try one process: --jobs 1 (in Python, "
            "jobs=1)."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _uninterrupted():
    """Starts processes that Ctrl-C doesn't reach, even before `_begin_worker`: they inherit what is blocked.

    In this process, Ctrl-C and SIGTERM take effect at the end: a process that is started by halves prints a traceback.
    """
    if not hasattr(signal, "pthread_sigmask") or threading.current_thread() is not threading.main_thread():
        yield
        return
    multiprocessing.resource_tracker.ensure_running()  # else it unblocks the signal when it's started
    interrupts = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, lambda *arguments: interrupts.append(arguments))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if interrupts:
            handlers[interrupts[0][0]](*interrupts[0])


def _begin_worker(limits):
    """Leaves Ctrl-C to the parent, and exits with it: a pool's processes would survive a kill of the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_limits(limits)

    def follow():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
