"""The figures that a ranking can have, as columns of its table; any of them can rank."""

import dataclasses
import math
from collections.abc import Callable

from wdsr_tf.errors import InputError, suggestion
from wdsr_tf.evaluation.consistency import color_shift, lr_consistency
from wdsr_tf.evaluation.gmsd import gmsd
from wdsr_tf.evaluation.niqe import niqe


@dataclasses.dataclass(frozen=True)
class Metric:
    """A figure of an upscaled image.

    Args:
        name: its name in `--metrics`.
        key: its name in bench.json and CSV.
        title: its heading in tables.
        width: of its column in tables.
        decimals: in tables.
        higher_is_better: whether the best model has the highest value.
        description: what it is, for tables; "" for what each protocol measures.
        measure: function of (sr, hr, lr, scale); None for what each protocol measures. SR is `scale` times as large as
            LR, and can be larger than HR.
    """

    name: str
    key: str
    title: str
    width: int
    decimals: int
    higher_is_better: bool
    description: str = ""
    measure: Callable | None = None

    def text(self, value):
        """Returns the value with the metric's decimals; a dash if there is none."""
        return "-" if value is None or math.isnan(value) else f"{value:.{self.decimals}f}"

    def rank(self, value):
        """Returns a key to sort by, best first; NaN comes last."""
        return (math.isnan(value), -value if self.higher_is_better else value)

    def is_worse(self, value, other):
        """Whether `value` is worse than `other`."""
        return value < other if self.higher_is_better else value > other


def _niqe(sr, hr, lr, scale):
    return niqe(sr, scale)


def _gmsd(sr, hr, lr, scale):
    return gmsd(sr[: hr.shape[0], : hr.shape[1]], hr[: sr.shape[0], : sr.shape[1]])


def _lr_consistency(sr, hr, lr, scale):
    return lr_consistency(sr, lr)


def _color_shift(sr, hr, lr, scale):
    return color_shift(sr, lr)


METRICS = {
    metric.name: metric
    for metric in (
        Metric("psnr", "psnr", "PSNR", 7, 4, True),
        Metric("ssim", "ssim", "SSIM", 6, 4, True),
        Metric("ms-ssim", "ms_ssim", "MS-SSIM", 7, 4, True),
        Metric(
            "niqe",
            "niqe_own",
            "NIQE-own",
            8,
            4,
            False,
            "naturalness without HR, lower is better; by our own prior, so published NIQE values don't compare",
            _niqe,
        ),
        Metric("gmsd", "gmsd", "GMSD", 6, 4, False, "gradient similarity deviation to HR, lower is better", _gmsd),
        Metric(
            "lr-consistency",
            "lr_consistency",
            "LR-PSNR",
            7,
            2,
            True,
            "PSNR in dB of downscaled SR to LR, RGB, higher is better",
            _lr_consistency,
        ),
        Metric(
            "color-shift",
            "color_shift",
            "shift",
            5,
            2,
            False,
            "mean color of downscaled SR minus LR's, in gray levels, lower is better",
            _color_shift,
        ),
    )
}
COMPARED = tuple(metric for metric in METRICS.values() if metric.measure is None)  # SR with HR, by a protocol
DEFAULT = tuple(metric.name for metric in COMPARED)


def choose(metrics=None, rank_by=None):
    """Returns (names of metrics, name of the one that ranks).

    Args:
        metrics: names, or None for PSNR, SSIM and MS-SSIM.
        rank_by: a name, which is added to the metrics if it isn't among them; None for PSNR, or the first of the
            metrics if PSNR isn't among them.

    Raises:
        InputError: if a name is unknown or there is none.
    """
    names = [metrics] if isinstance(metrics, str) else list(dict.fromkeys(DEFAULT if metrics is None else metrics))
    known = f"Choose from {', '.join(METRICS)}."
    for name in [*names, *([] if rank_by is None else [rank_by])]:
        if name not in METRICS:
            raise InputError(f"Unknown metric {name!r}. {suggestion(name, METRICS)}{known}")
    if not names:
        raise InputError(f"No metric is named. {known}")
    rank_by = rank_by or ("psnr" if "psnr" in names else names[0])
    return (names if rank_by in names else [*names, rank_by]), rank_by
