"""The result of a ranking: a table, bench.json, CSV, and the difference from an earlier bench.json.

bench.json is one object. Its numbers are finite, and its lists of figures are in the order of `images`:

    psnr        {model: mean PSNR under the first protocol}, best first; krasserm/wdsr's bench.json is this object alone
    metrics     the names of the metrics that were asked for; PSNR is always measured
    rank_by     the one of them that ranks
    protocols   {name: channel, border and rounding in words}; the first one ranks
    data        where the images came from: dataset and downgrade, or the folders; JPEG quality and subsampling
    sha256      of the images: each one's name, and shape and pixels of LR (8 bits) and HR as measured
    scale       HR size / LR size
    ensemble    whether the models' figures are of the self-ensemble
    images      the names of the images
    models      {model: {protocol: {psnr, ssim, ms_ssim, psnr_per_image, ssim_per_image, ms_ssim_per_image}}}, best
                first; without ssim and ms_ssim if they weren't asked for; a figure is null if the image is too small
    others      {model or "bicubic": {metric: mean, metric_per_image: [...]}} of the metrics that don't depend on a
                protocol, if any were asked for: niqe_own, gmsd, lr_consistency, color_shift
    runs        {model: {seconds, peak_memory, lr}}: seconds in the model over all images, including compilation; peak
                resident memory of the process in bytes, including what earlier models left, or null if the system
                doesn't tell; lr: "8 bits" or "float"
    bicubic     {protocol: the same figures} of LR (8 bits) upscaled by MATLAB's bicubic
    failed      {model: why it isn't ranked}

The CSV has a line with the means for each model and protocol; bicubic comes last.
"""

import csv
import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wdsr_tf.errors import InputError, line
from wdsr_tf.evaluation.columns import COMPARED, DEFAULT, METRICS
from wdsr_tf.evaluation.measure import Row
from wdsr_tf.evaluation.metrics import PROTOCOLS
from wdsr_tf.files import atomic
from wdsr_tf.system.terminal import one_line

NAME_WIDTH = 50  # of a model in the table, so that the table fits in 100 columns unless it has further metrics
_OTHERS = {metric.key: metric for metric in METRICS.values() if metric.measure}
CONDITIONS = ("images", "scale", "lr", "ensemble", "seconds", "peak_memory", "sha256")  # columns of the CSV


@dataclasses.dataclass(frozen=True)
class Ranking:
    """Models ranked by a metric, with everything that is needed to repeat the measurement.

    Args:
        rows: `measure.Row` of each model, best first.
        bicubic: the row to compare with.
        failed: {model's name: why it isn't ranked}.
        protocols: names; the first one ranks.
        images: the images' names.
        scale: HR size / LR size.
        data: where the images came from, as plain values.
        sha256: of the images.
        ensemble: whether the rows are of the self-ensemble.
        metrics: names of the metrics to show.
        rank_by: the one of them that ranks.
    """

    rows: list
    bicubic: Row
    failed: dict
    protocols: list
    images: list
    scale: int
    data: dict
    sha256: str
    ensemble: bool = False
    metrics: Sequence = DEFAULT
    rank_by: str = "psnr"

    @property
    def best(self):
        """(mean of the metric that ranks, under the first protocol; name) of the best model."""
        return self.rows[0].mean_of(self.rank_by, self.protocols[0]), self.rows[0].name

    @property
    def _own(self):
        """The shown metrics that don't depend on a protocol."""
        return [METRICS[name] for name in self.metrics if METRICS[name].measure]

    @property
    def _recorded(self):
        """The metrics in bench.json and CSV that depend on a protocol: those that are shown, and PSNR."""
        return [metric for metric in COMPARED if metric.name in self.metrics or metric.name == "psnr"]

    def table(self):
        """Returns a text: what was measured and how, then the ranked rows for each protocol, and bicubic last."""
        source = ", ".join(f"{name} {value}" for name, value in self.data.items())
        lines = [f"{source}, x{self.scale}; means over {len(self.images)} images, sha256 {self.sha256[:12]}"]
        if self.ensemble:
            lines.append("self-ensemble: the mean over eight flips and rotations of each image")
        unrounded = [row.name for row in self.rows if not row.rounded]
        if unrounded:
            lines.append(f"LR is float, as in the papers of luma models, for: {', '.join(unrounded)}")
        lines += [f"{metric.title}: {metric.description}" for metric in self._own]
        for protocol in self.protocols:
            lines += self._block(protocol, first=protocol == self.protocols[0])
        ranking, bicubic = METRICS[self.rank_by], self.bicubic.mean_of(self.rank_by, self.protocols[0])
        if ranking.is_worse(self.best[0], bicubic):
            value = (
                f"{ranking.text(bicubic)} dB" if self.rank_by == "psnr" else f"{ranking.text(bicubic)} {ranking.title}"
            )
            under = "" if ranking.measure else f" under {self.protocols[0]}"
            lines += ["", f"No model is as good as bicubic upscaling, {value}{under}."]
        return "\n".join(lines)

    def _block(self, protocol, first):
        """The rows under a protocol; what doesn't depend on it is in the first block alone."""
        shown = [METRICS[name] for name in self.metrics if first or METRICS[name] in COMPARED]
        lines = ["", f"{protocol}: {PROTOCOLS[protocol].description}"]
        for metric in shown:
            small = [self.images[i] for i in np.flatnonzero(np.isnan(self.bicubic.values(metric.name, protocol)))]
            if small:
                listed = ", ".join(small[:4]) + (f" and {len(small) - 4} more" if len(small) > 4 else "")
                lines.append(
                    f"{metric.title} without {len(small)} of {len(self.images)} images that are too small for it: "
                    f"{listed}"
                )
        headings = [f"{metric.title:>{metric.width}}" for metric in shown] + ["seconds", "   MiB"] * first
        lines.append("  ".join(["rank", *headings, "model"]))
        for rank, row in [*enumerate(self.rows, start=1), ("-", self.bicubic)]:
            cells = [f"{metric.text(row.mean_of(metric.name, protocol)):>{metric.width}}" for metric in shown]
            if first:
                mebibytes = None if row.peak_memory is None else row.peak_memory / 2**20
                cells += [f"{_or_dash(row.seconds, '.1f'):>7}", f"{_or_dash(mebibytes, ',.0f'):>6}"]
            lines.append("  ".join([f"{rank:>4}", *cells, _shortened(row.name)]))
        return lines

    def result(self):
        """Returns the object of bench.json; the module's docstring lists its keys."""
        return {
            "psnr": {row.name: row.mean(self.protocols[0])[0] for row in self.rows},
            "metrics": list(self.metrics),
            "rank_by": self.rank_by,
            "protocols": {name: PROTOCOLS[name].description for name in self.protocols},
            "data": self.data,
            "sha256": self.sha256,
            "scale": self.scale,
            "ensemble": self.ensemble,
            "images": self.images,
            "models": {row.name: self._summary(row) for row in self.rows},
            "runs": {row.name: _run(row) for row in self.rows},
            "bicubic": self._summary(self.bicubic),
            **self._others(),
            "failed": self.failed,
        }

    def _summary(self, row):
        """Means and per-image figures of each protocol as plain values."""
        return {protocol: _plain(row, self._recorded, protocol) for protocol in row.figures}

    def _others(self):
        rows = [*self.rows, self.bicubic] if self._own else []
        return {"others": {row.name: _plain(row, self._own, self.protocols[0]) for row in rows}} if rows else {}

    def write(self, path):
        """Writes bench.json atomically."""
        with atomic(path) as temporary:
            temporary.write_text(json.dumps(self.result(), indent=2, allow_nan=False) + "\n", encoding="utf-8")

    def write_csv(self, path):
        """Writes the means as CSV, atomically."""
        with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            keys = [metric.key for metric in [*self._recorded, *self._own]]
            writer = csv.DictWriter(file, ["model", "protocol", *keys, *CONDITIONS])
            writer.writeheader()
            for row in [*self.rows, self.bicubic]:
                for protocol in self.protocols:
                    writer.writerow(self._record(row, protocol))

    def _record(self, row, protocol):
        common = {"images": len(self.images), "scale": self.scale, "sha256": self.sha256}
        metrics = [*self._recorded, *self._own]
        means = {metric.key: _finite(row.mean_of(metric.name, protocol)) for metric in metrics}
        ensemble = self.ensemble and row is not self.bicubic
        return {"model": row.name, "protocol": protocol, "ensemble": ensemble, **means, **_run(row), **common}


def read(path):
    """Returns the object of an earlier bench.json, checked as far as `differences` needs it."""
    try:
        result = json.loads(Path(path).read_text(encoding="utf-8"))
        for models in (result["models"].values(), [result["bicubic"]]):
            for protocols in models:
                for figures in protocols.values():
                    _check({"psnr": figures["psnr"], "ssim": figures.get("ssim", 0)}, (int, float))
                    _check({"ms_ssim": figures.get("ms_ssim")}, (int, float, type(None)))
        _check({"scale": result["scale"]}, int)
        _check(result["protocols"], str)
        for run in result.get("runs", {}).values():
            _check({key: run.get(key) for key in ("seconds", "peak_memory")}, (int, float, type(None)))
        for figures in result.get("others", {}).values():
            _check({key: figures.get(key) for key in _OTHERS}, (int, float, type(None)))
    except OSError as error:
        raise InputError(f"{path}: Can't be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} isn't a bench.json ({type(error).__name__}: {line(error)}).") from error
    return result


def _check(values, types):
    """Raises TypeError unless all values of the dictionary have one of the types."""
    for key, value in values.items():
        if not isinstance(value, types):
            raise TypeError(f"{key} is {value!r}")


def differences(then, now):
    """Returns lines that say what changed from one bench.json's object to another: conditions, then each model.

    Only a model's first line has seconds and memory, because they cover all protocols together.
    """
    lines = [f"The {what} differs: {before} then, {after} now." for what, before, after in _conditions(then, now)]
    lines.append("change in PSNR    SSIM  MS-SSIM  seconds     MiB  protocol  model")
    models = {**{name: now["models"].get(name) for name in [*now["models"], *then["models"]]}, "bicubic": None}
    for name in models:
        before, after = (side["bicubic"] if name == "bicubic" else side["models"].get(name) for side in (then, now))
        if before is None or after is None:
            lines.append(f"{'':50}{'new' if after else 'gone':<8}  {name}")
            continue
        common = [protocol for protocol in after if protocol in before]
        if not common:
            lines.append(f"{'':50}{'none':<8}  {name}: {', '.join(before)} then, {', '.join(after)} now")
        runs = [side.get("runs", {}).get(name, {}) for side in (then, now)]
        for protocol in common:
            keys = [metric.key for metric in COMPARED]
            psnr, ssim, ms_ssim = (_change(before[protocol], after[protocol], key, "+.4f") for key in keys)
            seconds, mebibytes = _change(*runs, "seconds", "+.1f"), _change(*runs, "peak_memory", "+,.0f", 2**20)
            lines.append(f"{psnr:>14} {ssim}  {ms_ssim:>7}  {seconds:>7}  {mebibytes:>6}  {protocol:<8}  {name}")
            runs = [{}, {}]
    return lines + _other_differences(then.get("others", {}), now.get("others", {}))


def _other_differences(then, now):
    """A line for each metric without a protocol and each model that both sides have."""
    lines = []
    for key, metric in _OTHERS.items():
        for name in [name for name in now if name in then]:
            if (change := _change(then[name], now[name], key, f"+.{metric.decimals}f")) != "-":
                lines.append(f"change in {metric.title}: {change}  {name}")
    return lines


def _change(before, after, key, form, unit=1):
    """The difference as text; a dash if a side doesn't have the figure."""
    before, after = before.get(key), after.get(key)
    return _or_dash(None if before is None or after is None else (after - before) / unit, form)


def _conditions(then, now):
    """Yields (what, then, now) for everything that makes figures incomparable."""
    for key, what in (("sha256", "images' sha256"), ("scale", "scale"), ("ensemble", "self-ensemble")):
        before, after = then.get(key, "not recorded"), now[key]
        if key == "ensemble":
            before = then.get(key, False)
        if before != after:
            yield what, before, after
    for name, before in then["protocols"].items():
        if name in now["protocols"] and now["protocols"][name] != before:
            yield f"protocol {name}", before, now["protocols"][name]
    if not then["protocols"].keys() & now["protocols"].keys():
        yield "choice of protocols", ", ".join(then["protocols"]), ", ".join(now["protocols"])
    for name, run in now["runs"].items():
        before = then.get("runs", {}).get(name, {}).get("lr", run["lr"])
        if before != run["lr"]:
            yield f"LR of {name}", before, run["lr"]


def _plain(row, metrics, protocol):
    """Means and per-image figures as plain values."""
    means = {metric.key: _finite(row.mean_of(metric.name, protocol)) for metric in metrics}
    each = {metric.key: [*map(_finite, row.values(metric.name, protocol).tolist())] for metric in metrics}
    return means | {f"{key}_per_image": values for key, values in each.items()}


def _run(row):
    return {"seconds": row.seconds, "peak_memory": row.peak_memory, "lr": "8 bits" if row.rounded else "float"}


def _finite(value):
    return value if math.isfinite(value) else None


def _or_dash(value, form):
    return "-" if value is None or math.isnan(value) else format(value, form)


def _shortened(name):
    name = one_line(name)
    return name if len(name) <= NAME_WIDTH else "..." + name[3 - NAME_WIDTH :]
