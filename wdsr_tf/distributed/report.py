"""What the journals of an output folder say together: which images are done, which aren't, and how fast it went."""

import dataclasses
import os
from collections import Counter
from pathlib import Path

from wdsr_tf.errors import InputError
from wdsr_tf.inference.journal import FOLDER, Outcome, Record, read


@dataclasses.dataclass(frozen=True)
class Report:
    """The account of an output folder. Every image counts once, by its latest line, whichever process wrote it.

    Args:
        done: images with a result.
        kept: those of them that the latest run of each shard didn't need to make again.
        failed: images that can't be upscaled.
        skipped: images without a result, because a file of other origin is in its place.
        quarantined: images that killed their workers.
        lost: images whose result is recorded and isn't there: it was removed, or its process was killed just before.
        repeated: results that a run made again, beyond one for each image.
        broken: lines that can't be read.
        pixels: of the results.
        seconds: of work, all processes together.
        elapsed: seconds by the clock in which something was in progress.
        problems: (outcome, image, reason) of each that has no result.
    """

    done: int
    kept: int
    failed: int
    skipped: int
    quarantined: int
    lost: int
    repeated: int
    broken: int
    pixels: int
    seconds: float
    elapsed: float
    problems: list[tuple[str, str, str]]

    @property
    def images_per_second(self) -> float:
        """By the clock; 0 if nothing is done."""
        return self.done / self.elapsed if self.elapsed else 0.0

    @property
    def megapixels_per_second(self) -> float:
        """By the clock; 0 if nothing is done."""
        return self.pixels / 1e6 / self.elapsed if self.elapsed else 0.0

    @property
    def is_good(self) -> bool:
        """Whether no image failed, was quarantined, or lost its result."""
        return not (self.failed or self.quarantined or self.lost)


def report(outdir: str | os.PathLike) -> Report:
    """Returns the `Report` of an output folder; InputError if it has no journal."""
    outdir = Path(outdir)
    if not (outdir / FOLDER).is_dir():
        raise InputError(f"{outdir} has no journals ({FOLDER}). Name the output folder of wdsr-tf upscale.")
    latest, runs, made, broken = {}, {}, {}, 0
    for row in read(outdir):
        if row is None:
            broken += 1
        elif isinstance(row, Record):
            key = row.target or row.source
            if key not in latest or row.time >= latest[key].time:
                latest[key] = row
            if row.outcome == Outcome.DONE:
                made.setdefault((key, row.run, row.cause), set()).add(row.time)
        elif row.shard not in runs or row.time >= runs[row.shard].time:
            runs[row.shard] = row
    rows = list(latest.values())
    lost = [row for row in rows if row.outcome == Outcome.DONE and not os.path.lexists(outdir / row.target)]
    counts = Counter(row.outcome for row in rows)
    results = [row for row in rows if row.outcome == Outcome.DONE]
    problems = [(str(row.outcome), row.source, row.error) for row in rows if row.outcome != Outcome.DONE]
    problems += [("lost", row.source, f"{row.target}: isn't there") for row in lost]
    return Report(
        done=counts[Outcome.DONE] - len(lost),
        kept=sum(run.kept for run in _current(runs)),
        failed=counts[Outcome.FAILED],
        skipped=counts[Outcome.SKIPPED],
        quarantined=counts[Outcome.QUARANTINED],
        lost=len(lost),
        repeated=sum(map(len, made.values())) - len(made),
        broken=broken,
        pixels=sum(row.pixels for row in results),
        seconds=sum(row.seconds for row in results),
        elapsed=_elapsed(results),
        problems=sorted(problems),
    )


def _current(runs):
    """The latest runs of all shards of the latest number of shards."""
    newest = max(runs.values(), key=lambda run: run.time, default=None)
    return [run for run in runs.values() if run.shard.partition("/")[2] == newest.shard.partition("/")[2]]


def _elapsed(rows):
    """The length of the union of the times in which the rows were made."""
    total, until = 0.0, 0.0
    for start, end in sorted((row.time - row.seconds, row.time) for row in rows):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total
