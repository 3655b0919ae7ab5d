"""Measures many models with the workers of a Ray cluster: one model at a time in each, on all images."""

import dataclasses
import functools
from pathlib import Path

from wdsr_tf.distributed import cluster as ray_cluster
from wdsr_tf.distributed.cluster import GivenUp
from wdsr_tf.distributed.dispatch import TRIES
from wdsr_tf.evaluation import measure


def measure_networks(
    cluster, networks, pairs, protocols, *, self_ensemble=False, progress=None, log=None, save_images=None
):
    """Measures each network as `measure.measure_networks` does, from files; `cluster` is a `Cluster`.

    Progress counts models. Time and memory are those of a worker, beside the others.
    """
    log, progress = log or (lambda line: None), progress or (lambda name, done, total: None)
    options = {"self_ensemble": self_ensemble, "save_images": save_images and Path(save_images).absolute()}
    make = functools.partial(Worker, _absolute(pairs), protocols, options)
    tasks = [dataclasses.replace(network, path=network.path.absolute()) for network in networks]
    measured, failed = {}, {}
    progress("models", 0, len(tasks))
    for done, (network, outcome) in enumerate(ray_cluster.run(make, tasks, cluster, log=log), start=1):
        if isinstance(outcome, GivenUp):
            failed[network.name] = f"its worker died {TRIES} times"
        else:
            rows, broken, lines = outcome
            measured |= {row.name: row for row in rows}
            failed |= broken
            for line in lines:
                log(line)
        progress("models", done, len(tasks))
    rows = [measured[network.name] for network in tasks if network.name in measured]
    return measure.ranked(rows, protocols[0]), failed


class Worker:
    """What a worker keeps: where the images are."""

    def __init__(self, pairs, protocols, options):
        self._pairs, self._protocols, self._options = pairs, protocols, options

    def __call__(self, network, again):
        """Measures one network; returns (its row, or none; why it has none; lines for the log)."""
        lines = []
        rows, failed = measure.measure_networks(
            [network], self._pairs, self._protocols, log=lines.append, **self._options
        )
        return rows, failed, lines


def _absolute(pairs):
    """The pairs with paths for processes in other folders."""
    return dataclasses.replace(
        pairs, pairs=[pair._replace(lr=pair.lr and pair.lr.absolute(), hr=pair.hr.absolute()) for pair in pairs.pairs]
    )
