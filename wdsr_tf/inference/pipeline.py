"""Tasks in several threads, with everything that can be seen in order: as if one ran after the other.

A task does what nobody sees at any time, and waits for its turn before it does the rest. So lines, records, and
failures don't depend on the number of threads, nor does it matter which task is faster.
"""

import concurrent.futures
import contextlib
import dataclasses
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator

POLL = 0.5  # seconds: on Windows, Ctrl-C doesn't interrupt waiting


@dataclasses.dataclass(frozen=True)
class Task:
    """One piece of work.

    Args:
        run: called with its `Turn` in a thread.
        network: memory that it takes while it computes, which one task does at a time.
        held: memory that it takes all the time.
    """

    run: Callable
    network: float = 0
    held: float = 0


class Turn:
    """Where a task is in the order: call `wait` before anything that others see, and `check` now and then."""

    def __init__(self, before: concurrent.futures.Future | None, stop: threading.Event):
        self._before, self._stop = before, stop

    def wait(self) -> None:
        """Waits until all tasks before this one have ended; raises as `check` does."""
        if self._before is not None:
            concurrent.futures.wait([self._before])
        self.check()

    def check(self) -> None:
        """Raises KeyboardInterrupt if the work has been stopped."""
        if self._stop.is_set():
            raise KeyboardInterrupt


def in_order(
    tasks: Iterable[Task],
    jobs: int,
    room: float,
    ended: Callable[[], None] = lambda: None,
    is_fatal: Callable[[Exception], bool] = lambda error: False,
) -> Iterator[object]:
    """Yields what each task returns, or the exception that it raises, in the order of the tasks.

    Close the generator (`contextlib.closing`) to stop the work: tasks that run are asked to end, and are waited for.

    Args:
        tasks: taken in the caller's thread, as soon as there is room for one.
        jobs: how many may run at once.
        room: limit for what all tasks hold together and the largest network among them take. A task that is larger
            runs alone.
        ended: called in the caller's thread when a task's turn is over.
        is_fatal: whether an exception of a task stops all that follow; they aren't yielded.
    """
    stop, running = threading.Event(), deque()

    def guarded(task, turn):
        try:
            turn.check()
            result = task.run(turn)
        except Exception as error:
            result = error
        turn.wait()  # also one that failed at once: it's done when all before it are
        if is_last(result):
            stop.set()
        return result

    def next_result():
        _, future = running[0]
        while not future.done():
            concurrent.futures.wait([future], timeout=POLL)
        running.popleft()
        ended()
        return future.result()

    def is_last(result):
        return isinstance(result, Exception) and is_fatal(result)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        try:
            for task in tasks:
                while running and (len(running) == jobs or not _fit([*(each for each, _ in running), task], room)):
                    yield (result := next_result())
                    if is_last(result):
                        return
                turn = Turn(running[-1][1] if running else None, stop)
                running.append((task, pool.submit(guarded, task, turn)))
            while running:
                yield (result := next_result())
                if is_last(result):
                    return
        finally:
            stop.set()  # and the pool waits for its threads


def _fit(tasks, room):
    return max(task.network for task in tasks) + sum(task.held for task in tasks) <= room


class OrderedLines:
    """Passes lines on in the order of the tasks that they belong to: those of a later task wait.

    Args:
        say: gets each line.
    """

    def __init__(self, say: Callable[[str], None]):
        self._say, self._lock, self._here = say, threading.Lock(), threading.local()
        self._current, self._kept = 0, defaultdict(list)

    def __call__(self, line: str) -> None:
        task = getattr(self._here, "task", None)
        with self._lock:
            if task is None or task <= self._current:
                self._say(line)
            else:
                self._kept[task].append(line)

    @contextlib.contextmanager
    def of(self, task: int) -> Iterator[None]:
        """Lines of this thread belong to that task meanwhile, from 0."""
        self._here.task = task
        try:
            yield
        finally:
            self._here.task = None

    def next(self) -> None:
        """Ends the turn of the current task; lines of the next one are said."""
        with self._lock:
            self._current += 1
            for line in self._kept.pop(self._current, ()):
                self._say(line)
