"""Upscales images with the workers of a Ray cluster; each reads and writes files itself, and keeps a journal."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from wdsr_tf.distributed import cluster as ray_cluster
from wdsr_tf.distributed.cluster import Cluster, GivenUp
from wdsr_tf.distributed.dispatch import TRIES
from wdsr_tf.files import sweep
from wdsr_tf.inference.folder import quarantine, upscale_one
from wdsr_tf.inference.journal import Journal, Record
from wdsr_tf.inference.options import Options

Pair = tuple[Path, Path]


def upscale(
    pairs: Iterable[Pair], options: Options, cluster: Cluster, jobs: int, log: Callable[[str], None]
) -> Iterator[tuple[Pair, Record]]:
    """Yields (pair, `Record`) for each pair (source, target), in the order in which they end.

    An image whose workers die three times is quarantined. What a worker had finished when it died isn't made again:
    its journal has it.

    Args:
        pairs: absolute paths that all workers see, in the order in which they are begun: the largest first.
        options: with absolute paths.
        cluster: where the workers are.
        jobs: images in progress at once in each worker.
        log: gets a line if a worker dies.

    Raises:
        InputError: as `cluster.run`.
    """
    pairs, make = list(pairs), functools.partial(Worker, dataclasses.replace(options, log=None))
    try:
        with contextlib.closing(ray_cluster.run(make, pairs, cluster, jobs, log)) as outcomes:
            for pair, outcome in outcomes:
                if isinstance(outcome, GivenUp):
                    outcome = quarantine(*pair, options, f"{pair[0]}: its worker died {TRIES} times.")
                yield pair, outcome
    finally:
        for folder in {target.parent for _, target in pairs}:  # what workers that were stopped left on this machine
            sweep(folder)


class Worker:
    """What a worker keeps open: the models, and its own journal."""

    def __init__(self, options: Options):
        self._options, self._swept = options, set()
        options.upscaler  # noqa: B018  (opened now)

    def __call__(self, pair: Pair, again: bool) -> Record:
        """Upscales the image of a pair; `again` if a worker died with it."""
        source, target = pair
        if again or target.parent not in self._swept:
            self._swept.add(target.parent)
            sweep(target.parent)
        finished = again and Journal(self._options.outdir).find(target)
        if finished and finished.run == self._options.run:
            return finished
        return upscale_one(source, target, self._options)
