"""`--shard` and `--ray`: one command's images, or models, on several machines."""

import contextlib
import dataclasses
import functools
from pathlib import Path

from wdsr_tf.commands.output import complain
from wdsr_tf.errors import InputError

ONLY_RAY = ("workers", "gpus_per_worker", "cpus_per_worker")


def define(flags, shard=False):
    """Defines the flags; --shard only if the command can do a share of its work."""
    flags.section("Several machines")
    if shard:
        flags.string(
            "shard",
            None,
            "Only the images of one share of N, as I/N with I from 0, for arrays of jobs. They may run at once and "
            "write to one folder; 'wdsr-tf report' joins their journals.",
        )
    flags.string(
        "ray",
        None,
        "Use workers of a Ray cluster: local starts one here, auto finds this machine's; or HOST:PORT. Needs ray.",
    )
    flags.integer("workers", 1, "Workers, with --ray; each opens the model once.", minimum=1)
    flags.number("cpus_per_worker", 1, "CPU cores that each worker uses.", minimum=0.01)
    flags.number("gpus_per_worker", 0, "GPUs that each worker is given.", minimum=0)


def chosen(flags):
    """Returns the `Cluster` of --ray, or None without it."""
    if flags.ray is None:
        if typed := [name for name in ONLY_RAY if flags.is_typed(name)]:
            raise InputError(f"--{typed[0].replace('_', '-')} needs --ray local, --ray auto or --ray HOST:PORT.")
        return None
    from wdsr_tf.distributed.cluster import Cluster, require_ray

    require_ray()
    return Cluster(flags.ray, flags.workers, cpus=flags.cpus_per_worker, gpus=flags.gpus_per_worker)


def upscale_all(options, todo, cluster, jobs):
    """Upscales the pairs (source, target) on a cluster, the largest first; returns what `upscale.upscale_all` does."""
    from tqdm import tqdm

    from wdsr_tf.commands.upscale import BAR, expected, judged
    from wdsr_tf.distributed.upscaling import upscale

    megapixels = {pair: expected(options.upscaler, *pair) for pair in todo}
    absolute = _absolute(options)
    jobs_of = {(source.absolute(), target.absolute()): (source, target) for source, target in todo}
    largest = sorted(jobs_of, key=lambda pair: -megapixels[jobs_of[pair]])
    records = {}
    outcomes = contextlib.closing(upscale(largest, absolute, cluster, jobs, complain))
    with tqdm(total=sum(megapixels.values()), bar_format=BAR) as bar, outcomes as records_of:
        for pair, record in records_of:
            records[jobs_of[pair]] = record
            bar.update(min(megapixels[jobs_of[pair]], bar.total - bar.n))
    return judged(todo, [records[pair] for pair in todo])


def _absolute(options):
    """The options for processes in other folders."""
    indir, model = (options.indir or Path()).absolute(), options.settings["model"]
    if model and Path(model).exists():
        model = str(Path(model).absolute())
    settings = {**options.settings, "model": model}
    return dataclasses.replace(options, outdir=options.outdir.absolute(), indir=indir, settings=settings)


def measuring(flags):
    """The arguments of `evaluate` that measure models on the cluster of --ray; none without it."""
    cluster = chosen(flags)
    if cluster is None:
        return {}
    from wdsr_tf.distributed.ranking import measure_networks

    return {"measure_networks": functools.partial(measure_networks, cluster)}
