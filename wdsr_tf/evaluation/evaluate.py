"""Ranks models on full-size images: what `bench.py` and `wdsr_tf.evaluate` do."""

from pathlib import Path

from wdsr_tf.data.div2k import parse_ids
from wdsr_tf.errors import InputError
from wdsr_tf.evaluation import columns, datasets, measure, networks
from wdsr_tf.evaluation.metrics import protocol_names
from wdsr_tf.evaluation.report import Ranking
from wdsr_tf.system.require import require_keras
from wdsr_tf.system.terminal import one_line


def evaluate(
    models,
    *,
    dataset=None,
    benchmark=None,
    lr_dir=None,
    hr_dir=None,
    scale=None,
    downgrade=None,
    validation_images=None,
    jpeg_quality=None,
    self_ensemble=False,
    protocol="krasserm",
    metrics=None,
    rank_by=None,
    save_images=None,
    progress=None,
    log=None,
    measure_networks=measure.measure_networks,
):
    """Returns the `Ranking` of the models; `wdsr_tf.evaluate` documents the arguments.

    `measure_networks` measures them all, in this process or elsewhere.
    """
    protocols = protocol_names(protocol)
    metrics, rank_by = columns.choose(metrics, rank_by)
    found, scale, failed = networks.of_one_scale(networks.collect(models), scale)
    if not found:
        raise InputError(f"None of the models can be measured:{reasons(failed)}")
    pairs = find_images(dataset, benchmark, lr_dir, hr_dir, scale, downgrade, validation_images, jpeg_quality)
    if save_images:
        check_save_images(save_images, dataset, benchmark, lr_dir, hr_dir)
    options = {"metrics": metrics, "progress": progress, "save_images": save_images}
    bicubic, sha256 = measure.measure_bicubic(pairs, protocols, **options)
    require_keras("Ranking models")
    rows, broken = measure_networks(
        found,
        pairs,
        protocols,
        rank_by=rank_by,
        self_ensemble=self_ensemble,
        log=log,
        **options,
    )
    failed |= broken
    if not rows:
        raise InputError(f"None of the models could be measured:{reasons(failed)}")
    facts = {"ensemble": self_ensemble, "metrics": metrics, "rank_by": rank_by}
    return Ranking(rows, bicubic, failed, protocols, pairs.names, scale, pairs.record(), sha256, **facts)


def check_save_images(folder, *sources):
    """Raises InputError if images would be saved among those that are measured, where the next run would find them."""
    for source in filter(None, sources):
        if Path(folder).resolve().is_relative_to(Path(source).resolve()):
            raise InputError(f"{folder}: Upscaled images can't be saved in {source}. Choose another folder.")


def find_images(dataset, benchmark, lr_dir, hr_dir, scale, downgrade, validation_images, jpeg_quality):
    """Returns the `ImagePairs` to measure on, from the one source that is given."""
    sources = {"dataset": dataset, "benchmark": benchmark, "lr_dir": lr_dir, "hr_dir": hr_dir}
    given = [name for name, value in sources.items() if value is not None]
    if jpeg_quality is not None and not 1 <= jpeg_quality <= 100:
        raise InputError(f"The JPEG quality must be between 1 and 100, not {jpeg_quality}.")
    ids = parse_ids(validation_images) if isinstance(validation_images, str) else validation_images
    if given == ["dataset"]:
        return datasets.of_dataset(dataset, scale, downgrade, ids, jpeg_quality)
    if given == ["benchmark"]:
        return datasets.of_benchmark(benchmark, scale, downgrade, ids, jpeg_quality)
    if given != ["lr_dir", "hr_dir"]:
        raise InputError(
            "Images come from a dataset, a benchmark, or a folder of LR together with a folder of HR (the same folder "
            f"twice if it holds both); given: {' and '.join(given) or 'none'}."
        )
    if downgrade:
        raise InputError("A downgrade chooses LR of a dataset or a benchmark. Leave it out with a folder of LR.")
    if ids:
        raise InputError("A range of ids chooses images of a dataset or a benchmark. Leave it out with a folder of LR.")
    return datasets.of_two_folders(lr_dir, hr_dir, scale, jpeg_quality)


def reasons(failed):
    """Returns the lines that name each model without a row and why."""
    return "".join(f"\n  {one_line(name)}: {one_line(reason)}" for name, reason in failed.items())
