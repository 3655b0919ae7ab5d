"""Measures quality and cost of a model on full-size images.

Means are means of per-image figures. A perfect image has an infinite PSNR, which would outweigh all others in a mean,
so everything above 100 dB counts as 100 dB.
"""

import concurrent.futures
import dataclasses
import hashlib
import time
from pathlib import Path

import numpy as np

from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.evaluation.columns import COMPARED, DEFAULT, METRICS
from wdsr_tf.evaluation.metrics import PROTOCOLS
from wdsr_tf.images.resize import imresize
from wdsr_tf.system import memory
from wdsr_tf.system.terminal import one_line

PSNR_LIMIT = 100.0
REASON_LIMIT = 300  # characters of a framework's message


@dataclasses.dataclass(frozen=True)
class Row:
    """The figures of one model, or of bicubic upscaling.

    Args:
        name: the model's name, or "bicubic".
        figures: {protocol's name: array (images, 3) of PSNR, SSIM and MS-SSIM}; NaN if not measured.
        others: {name of another metric: array (images,)}; NaN if not measured.
        rounded: whether LR was rounded to 8 bits.
        seconds: time in the model over all images, including compilation; None if not measured.
        peak_memory: peak resident memory of the process meanwhile, in bytes; None if the system doesn't tell.
        architecture: the architecture's name; None for bicubic.
    """

    name: str
    figures: dict
    rounded: bool = True
    seconds: float | None = None
    peak_memory: int | None = None
    architecture: str | None = None
    others: dict = dataclasses.field(default_factory=dict)

    def mean(self, protocol):
        """Returns (PSNR, SSIM, MS-SSIM), each averaged over the images that have it; NaN if none has."""
        return tuple(map(_mean, self.figures[protocol].T))

    def mean_of(self, metric, protocol):
        """Returns the mean of the metric of that name, under `protocol` if it depends on one."""
        return _mean(self.values(metric, protocol))

    def values(self, metric, protocol):
        """Returns the metric of that name for each image, under `protocol` if it depends on one."""
        if metric in self.others:
            return self.others[metric]
        return self.figures[protocol][:, COMPARED.index(METRICS[metric])]


def _mean(values):
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def measure_networks(
    networks,
    pairs,
    protocols,
    *,
    metrics=DEFAULT,
    rank_by="psnr",
    self_ensemble=False,
    progress=None,
    log=None,
    save_images=None,
):
    """Measures each network once on each image. A network that fails doesn't stop the others.

    One network and two images are in memory at a time.

    Args:
        networks: list of `networks.Network`.
        pairs: `datasets.ImagePairs`.
        protocols: names of protocols; the first one ranks.
        metrics: names of metrics.
        rank_by: the one of them that ranks.
        self_ensemble: average over eight flips and rotations of each image.
        progress: see `measure`.
        log: called with a line per network.
        save_images: see `measure`.

    Returns:
        (rows, best first; {network's name: why it has no row}).
    """
    import keras

    log = log or (lambda line: None)
    rows, failed = [], {}
    for network in networks:
        try:
            row = measure_network(
                network,
                pairs,
                protocols,
                metrics=metrics,
                self_ensemble=self_ensemble,
                progress=progress,
                log=log,
                save_images=save_images,
            )
        except Exception as error:  # out of memory, or whatever else a framework raises for this network
            failed[network.name] = reason(error, network.path)
            log(f"Failed: {one_line(network.name)}: {one_line(failed[network.name])}")
            continue
        finally:
            keras.utils.clear_session()  # otherwise each network takes longer to build than the one before
        rows.append(row)
        log(line(row, rank_by, protocols[0]))
    return ranked(rows, protocols[0], rank_by), failed


def measure_network(
    network,
    pairs,
    protocols,
    *,
    metrics=DEFAULT,
    self_ensemble=False,
    progress=None,
    log=None,
    save_images=None,
):
    """Returns the row of one network; see `measure_networks`. Raises whatever goes wrong."""
    from wdsr_tf.inference import ensemble, strips

    has_peak = memory.reset_peak()
    model = network.load(pairs.scale, log)

    def upscale(lr):
        if self_ensemble:
            return ensemble.self_ensemble(lambda view: strips.upscale(model, view), lr)
        return strips.upscale(model, lr)

    rounded = not (pairs.may_be_float and _is_luma(model))
    options = {"metrics": metrics, "rounded": rounded, "progress": progress, "save_images": save_images}
    row = measure(network.name, upscale, pairs, protocols, **options)
    return dataclasses.replace(row, peak_memory=memory.peak() if has_peak else None, architecture=model.architecture)


def _is_luma(model):
    """Whether the network computes luma alone and takes chroma from its upscaled input."""
    from wdsr_tf.models.luma import ReplaceLuma

    return any(isinstance(layer, ReplaceLuma) for layer in model.layers)


def measure_bicubic(pairs, protocols, *, metrics=DEFAULT, progress=None, save_images=None):
    """Measures LR upscaled by MATLAB's bicubic, and finds images that can't be read before any network runs.

    SR is float, neither clipped nor rounded, like a network's output; LR has 8 bits.

    Returns:
        (row, SHA-256 of each image's name and of the shapes and pixels of its LR and HR as measured).
    """
    digest = hashlib.sha256()

    def add(name, lr, hr):
        digest.update(repr((name, lr.shape, hr.shape)).encode())
        for image in (lr, hr):
            digest.update(np.ascontiguousarray(image))

    def bicubic(lr):
        return imresize(lr.astype("float32"), pairs.scale)

    options = {"metrics": metrics, "progress": progress, "seen": add, "save_images": save_images}
    return measure("bicubic", bicubic, pairs, protocols, **options), digest.hexdigest()


def measure(
    name,
    upscale,
    pairs,
    protocols,
    *,
    metrics=DEFAULT,
    rounded=True,
    progress=None,
    seen=None,
    save_images=None,
):
    """Returns the row of `upscale`, a function from LR to SR, which runs once per image for all protocols.

    Args:
        name: the row's name.
        upscale: function from LR (H, W, 3) to SR.
        pairs: `datasets.ImagePairs`.
        protocols: names of protocols.
        metrics: names of metrics. PSNR is always measured.
        rounded: whether LR that is made from HR is rounded to 8 bits.
        progress: called as progress(name, images done, images in total), first with 0 done.
        seen: called as seen(image's name, lr, hr) for each image.
        save_images: folder whose subfolder `name` gets the upscaled images, as PNG of 8 bits.
    """
    figures, seconds = {protocol: [] for protocol in protocols}, 0.0
    others = {metric: [] for metric in metrics if METRICS[metric].measure}
    compared = [metric in metrics for metric in DEFAULT]
    progress = progress or (lambda name, done, total: None)
    progress(name, 0, len(pairs.pairs))
    for done, (image, lr, hr) in enumerate(decoded(pairs, rounded), start=1):
        try:
            if seen:
                seen(image, lr, hr)
            started = time.perf_counter()
            sr = upscale(lr)
            seconds += time.perf_counter() - started
            cropped = sr[: hr.shape[0], : hr.shape[1]]
            if save_images:
                images.write(saved_path(save_images, name, image), images.to_uint8(cropped))
            for protocol, values in figures.items():
                values.append(_compared(PROTOCOLS[protocol], cropped, hr, pairs.scale, compared))
            for metric, values in others.items():
                values.append(min(METRICS[metric].measure(sr, hr, lr, pairs.scale), PSNR_LIMIT))
        except InputError as error:
            raise InputError(f"Image {image}: {error}") from error
        except Exception as error:
            error.add_note(f"Image {image}")
            raise
        progress(name, done, len(pairs.pairs))
    figures, others = ({key: np.array(values) for key, values in each.items()} for each in (figures, others))
    return Row(name, figures, rounded, seconds, others=others)


def _compared(protocol, sr, hr, scale, wanted):
    """PSNR, SSIM and MS-SSIM; what isn't wanted is NaN where leaving it out saves time."""
    nan = float("nan")
    if wanted[2]:
        psnr, *others = protocol.measure_all(sr, hr, scale)
    elif wanted[1]:
        psnr, *others = *protocol.measure(sr, hr, scale), nan
    else:
        psnr, *others = protocol.psnr(sr, hr, scale), nan, nan
    return min(psnr, PSNR_LIMIT), *others


def saved_path(folder, name, image):
    """Returns where `measure` saves an upscaled image; InputError if the model's name leads out of the folder."""
    path = Path(folder) / name / f"{image}.png"
    if not path.resolve().is_relative_to(Path(folder).resolve()):
        raise InputError(f"Can't save images of the model {name!r} in {folder}. Choose another name.")
    return path


def decoded(pairs, rounded=True):
    """Yields (name, LR, HR) of each pair while another thread decodes the next one."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as thread:
        ahead = thread.submit(pairs.load, pairs.pairs[0], rounded)
        for pair, following in zip(pairs.pairs, [*pairs.pairs[1:], None], strict=True):
            lr, hr = ahead.result()
            ahead = following and thread.submit(pairs.load, following, rounded)
            yield pair.name, lr, hr


def ranked(rows, protocol, metric="psnr"):
    """Returns the rows by the mean of the metric under `protocol`, best first; ties keep their order."""
    return sorted(rows, key=lambda row: METRICS[metric].rank(row.mean_of(metric, protocol)))


def line(row, metric, protocol):
    """Returns a line with the mean of the metric."""
    measured = METRICS[metric]
    return f"{measured.title} = {measured.text(row.mean_of(metric, protocol))} for model {one_line(row.name)}"


def reason(error, path):
    """Returns why a network has no row: one line, or the lines of an InputError."""
    if isinstance(error, InputError):
        return str(error).removeprefix(f"{path}: ")
    first = (str(error).strip().splitlines() or [""])[0][:REASON_LIMIT]
    notes = "".join(f"{note}: " for note in getattr(error, "__notes__", []))
    return f"{notes}{type(error).__name__}{first and ': '}{first}"
