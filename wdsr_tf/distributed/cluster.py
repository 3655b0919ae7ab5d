"""Workers in a Ray cluster: plain actors, each of which opens what it needs once and is replaced if it dies.

Tasks and outcomes are small: paths and records. Pixels never travel. Ray restarts and repeats nothing by itself, since
it can't know what a dead worker had finished: `Dispatch` decides, and the journals know.
"""

import contextlib
import dataclasses
import itertools
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from wdsr_tf.distributed.dispatch import Dispatch
from wdsr_tf.errors import InputError, line, sentence
from wdsr_tf.images.limits import limits_of, set_limits
from wdsr_tf.system import cores, extras

LOCAL = "local"
POLL = 0.5  # seconds, so that Ctrl-C is noticed
PATIENCE = 30  # seconds without a worker until it is said what the cluster lacks
DEATHS = 3  # of workers that never opened their model, until that's the reason
STORE = 100 * 2**20  # bytes of the local cluster's object store, which holds no pixels
ROOT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Which Ray cluster, and what of it.

    Args:
        address: "local" starts one on this machine and ends it; "auto" finds the one of this machine; or HOST:PORT.
        workers: how many.
        cpus: cores that each of them uses.
        gpus: that each of them is given.
    """

    address: str
    workers: int = 1
    cpus: float = 1
    gpus: float = 0


class GivenUp(Exception):  # noqa: N818  (an outcome)
    """A task that its workers didn't survive."""


def require_ray() -> None:
    """Raises InputError if Ray isn't installed."""
    if not extras.is_installed("ray"):
        raise extras.missing("ray", "ray", "--ray")


def run(
    make: Callable[[], Callable],
    tasks: Iterable,
    cluster: Cluster,
    window: int = 1,
    log: Callable[[str], None] = lambda line: None,
) -> Iterator[tuple[Any, Any]]:
    """Yields (task, outcome) of each task as they end; close the generator to stop the workers.

    Args:
        make: called once in each worker; returns a function of (task, whether a worker died with it before).
        tasks: hashable, in the order in which they are begun.
        cluster: where.
        window: how many tasks a worker has at once, in threads.
        log: gets a line if a worker dies, or has to be waited for.

    Returns:
        The function's results; `GivenUp` for a task that three workers died with.

    Raises:
        InputError: the cluster can't be reached, `make` fails, or the function raises.
    """
    with _connected(cluster) as ray:
        yield from _Pool(ray, make, Dispatch(tasks, window), cluster, window, log).run()


class _Pool:
    def __init__(self, ray, make, dispatch, cluster, window, log):
        self._ray, self._make, self._dispatch, self._cluster, self._log = ray, make, dispatch, cluster, log
        options = {"num_cpus": cluster.cpus, "num_gpus": cluster.gpus, "max_concurrency": window}
        self._class = ray.remote(_Worker).options(**options, max_restarts=0, max_task_retries=0)
        self._numbers, self._actors = itertools.count(1), {}
        self._calls = {}  # {reference of a result: (worker, task, or None while it opens)}
        self._ready, self._deaths, self._alone_since = set(), 0, None

    def run(self):
        for _ in range(min(self._cluster.workers, self._dispatch.left)):
            self._start()
        while not self._dispatch.is_finished:
            ended, _ = self._ray.wait(list(self._calls), timeout=POLL)
            for reference in ended:
                yield from self._ended(reference)
            if self._ready:
                self._alone_since = None
            else:
                self._wait_for_worker()

    def _wait_for_worker(self):
        """Says once why no worker is ready; raises InputError if none can be any more, for which Ray would wait on."""
        if not any(node["Alive"] for node in self._ray.nodes()):
            raise InputError(
                f"The Ray cluster has ended. Stopped with {self._dispatch.left} left. Ray's logs say why: "
                "session_latest/logs in Ray's temporary folder."
            )
        if self._alone_since is None:
            self._alone_since = time.monotonic()
        elif time.monotonic() > self._alone_since + PATIENCE:
            self._alone_since = math.inf
            self._log(f"Still waiting for a worker: {self._shortage()}")

    def _start(self):
        worker = next(self._numbers)
        self._actors[worker] = actor = self._class.remote()
        self._calls[actor.open.remote(self._make, self._cluster.cpus, limits_of())] = worker, None

    def _ended(self, reference):
        worker, task = self._calls.pop(reference)
        try:
            result = self._ray.get(reference)
        except self._ray.exceptions.RayActorError:
            yield from self._died(worker, task)
            return
        except self._ray.exceptions.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, InputError | OSError):
                left = f" Stopped with {self._dispatch.left} left." if task is not None else ""
                raise InputError(f"{sentence(cause).rstrip('.')}.{left}") from error
            raise
        if task is None:
            self._ready.add(worker)
        else:
            self._dispatch.done(worker, task)
            yield task, result
        self._feed()

    def _died(self, worker, task):
        if worker in self._actors:
            with contextlib.suppress(Exception):  # one that can merely not be reached would go on
                self._ray.kill(self._actors[worker])
            del self._actors[worker]
            self._deaths = 0 if worker in self._ready else self._deaths + 1
            self._ready.discard(worker)
            if self._deaths >= DEATHS:
                raise InputError(
                    "Workers die while they open the model, perhaps because memory runs out. Ray's logs on "
                    "their machine say more: session_latest/logs in Ray's temporary folder."
                )
            self._log("A worker died and is replaced.")
            self._start()
        if task is not None and self._dispatch.died(worker, task):
            yield task, GivenUp()
        self._feed()

    def _feed(self):
        for worker in self._ready:
            while (task := self._dispatch.next(worker)) is not None:
                call = self._actors[worker].call.remote(task, self._dispatch.is_again(task))
                self._calls[call] = worker, task

    def _shortage(self):
        wanted, has = self._cluster, self._ray.cluster_resources()
        return (
            f"each takes {wanted.cpus:g} CPUs and {wanted.gpus:g} GPUs, and the cluster has {has.get('CPU', 0):g} and "
            f"{has.get('GPU', 0):g}."
        )


class _Worker:
    """The actor."""

    def __init__(self):
        self._call = None

    def open(self, make, cpus, limits):
        """Opens what the calls need, under the limits for images of the process that asks."""
        set_limits(limits)
        cores.restrict(max(1, math.ceil(cpus)))
        self._call = make()

    def call(self, task, again):
        """Performs one task."""
        return self._call(task, again)


@contextlib.contextmanager
def _connected(cluster):
    """Yields the module `ray`, connected to the cluster; a process that is connected already stays as it is."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if cluster.address.startswith("ray://"):
        raise InputError(
            f"--ray {cluster.address}: Ray's client isn't supported. Run the command on a machine of the cluster, with "
            "--ray auto; or hand it to 'ray job submit'."
        )
    if ray.is_initialized():
        yield ray
        return
    options = {"address": cluster.address, "log_to_driver": False, "logging_level": "ERROR"}
    if cluster.address == LOCAL:
        cpus = max(cores.available(), math.ceil(cluster.workers * cluster.cpus))
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        options |= {
            "num_cpus": cpus,
            "include_dashboard": False,
            "object_store_memory": STORE,
            "runtime_env": {"env_vars": {"PYTHONPATH": os.pathsep.join(paths)}},
        }
    with _own_sigterm():
        try:
            ray.init(**options)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            raise InputError(f"--ray {cluster.address}: can't be used: {line(error)}") from error
    try:
        if cluster.address == LOCAL and cluster.gpus * cluster.workers > (
            there := ray.cluster_resources().get("GPU", 0)
        ):
            raise InputError(
                f"{cluster.workers} workers with {cluster.gpus:g} GPUs each need more than the {there:g} that this "
                "machine has. Lower --workers or --gpus-per-worker."
            )
        yield ray
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _own_sigterm():
    """Keeps this process's answer to SIGTERM, which Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
