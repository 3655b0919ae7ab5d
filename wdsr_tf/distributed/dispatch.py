"""Which worker does what, if workers can die: decisions only, for any kind of worker."""

from collections import deque
from collections.abc import Hashable, Iterable

TRIES = 3


class Dispatch:
    """Hands out tasks in their order. A task whose worker died is tried again alone; the third time is the last.

    Several tasks may have been in a worker when it died, and one of them may be why. So each of them is tried again in
    a worker that does nothing else meanwhile, and only a task that was alone in the end is given up.

    Args:
        tasks: hashable, in the order in which they are begun.
        window: how many tasks a worker is given at once.
    """

    def __init__(self, tasks: Iterable[Hashable], window: int = 1):
        self._fresh, self._again = deque(tasks), deque()
        self._tries, self._window = {}, window
        self._running = {}  # {worker: its tasks}

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return not (self._fresh or self._again or any(self._running.values()))

    @property
    def left(self) -> int:
        """How many tasks aren't finished."""
        return len(self._fresh) + len(self._again) + sum(map(len, self._running.values()))

    def next(self, worker: Hashable) -> Hashable | None:
        """Returns a task for the worker, which has begun then; None if there is none for it now."""
        running = self._running.setdefault(worker, set())
        is_careful = any(task in self._tries for task in running)
        if self._fresh and len(running) < self._window and not is_careful:
            task = self._fresh.popleft()
        elif self._again and not running:
            task = self._again.popleft()
        else:
            return None
        running.add(task)
        return task

    def is_again(self, task: Hashable) -> bool:
        """Whether a worker has died with the task before."""
        return task in self._tries

    def done(self, worker: Hashable, task: Hashable) -> None:
        """The worker has finished the task."""
        self._running[worker].remove(task)

    def died(self, worker: Hashable, task: Hashable) -> bool:
        """The worker died with the task; returns whether the task is given up."""
        self._running[worker].remove(task)
        self._tries[task] = self._tries.get(task, 0) + 1
        if self._tries[task] >= TRIES:
            return True
        self._again.append(task)
        return False
