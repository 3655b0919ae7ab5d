"""How well and at what cost an enlarger does on full-size pictures.

Means are means of per-image figures. A picture that comes out equal to its original has an infinite PSNR, beside which
no other picture would count in a mean: everything from 100 dB on counts as 100 dB.
"""

import concurrent.futures
import dataclasses
import hashlib
import time

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.evaluation.metrics import PROTOCOLS
from wdsr_tf.images.resize import imresize
from wdsr_tf.system import memory

PSNR_LIMIT = 100.0
FIGURES = ("psnr", "ssim", "ms_ssim")
REASON_LIMIT = 300  # characters of a framework's message


@dataclasses.dataclass(frozen=True)
class Row:
    """What one enlarger reached.

    Attributes:
        name: the network's name, or "bicubic".
        figures: {protocol's name: array (pictures, 3) of PSNR, SSIM and MS-SSIM, NaN for what was not measured}.
        rounded: whether LR was of 8 bits.
        seconds: spent in the enlarger over all pictures, compiling included; None where it was not taken.
        peak_memory: the greatest resident size of the process meanwhile, in bytes; None where the system does not tell.
        architecture: the registry's name of the network, or None of bicubic.
    """

    name: str
    figures: dict
    rounded: bool = True
    seconds: float | None = None
    peak_memory: int | None = None
    architecture: str | None = None

    def mean(self, protocol):
        """(PSNR, SSIM, MS-SSIM), each the mean over the pictures that have one, or NaN."""
        return tuple(float(values.mean()) if len(values) else float("nan") for values in self._measured(protocol))

    def _measured(self, protocol):
        return (column[~np.isnan(column)] for column in self.figures[protocol].T)


def measure_networks(networks, pictures, protocols, watch, say, ensemble=False):
    """(rows, best first under the first protocol; {network's name: why there is no row}).

    Each network runs once per picture; one network and one picture are in memory at a time, and the next picture.
    Whatever a network raises, the others are measured. With `ensemble` each runs on eight positions of a picture.
    `watch(samples, name)` passes the samples on and may show progress; `say` gets a line per network.
    """
    import keras

    rows, failed = [], {}
    for network in networks:
        try:
            row = measure_network(network, pictures, protocols, watch, ensemble)
        except Exception as error:  # out of memory, or whatever a framework raises on this network
            failed[network.name] = reason(error, network.path)
            say(f"failed: {network.name}: {failed[network.name]}")
            continue
        finally:
            keras.utils.clear_session()  # else each network takes longer to build than the one before
        rows.append(row)
        say(f"PSNR = {row.mean(protocols[0])[0]:.4f} for model {row.name}")
    return ranked(rows, protocols[0]), failed


def measure_network(network, pictures, protocols, watch, ensemble=False):
    """The row of one network, which `measure_networks` explains; whatever goes wrong raises."""
    from wdsr_tf.inference.ensemble import self_ensemble
    from wdsr_tf.inference.strips import upscale as upscale_array

    known = memory.reset_peak()
    model = network.load(pictures.scale)

    def upscale(lr):
        return self_ensemble(lambda view: upscale_array(model, view), lr) if ensemble else upscale_array(model, lr)

    rounded = not (pictures.may_be_float and is_luma(model))
    row = measure(network.name, upscale, pictures, protocols, watch, rounded)
    return dataclasses.replace(row, peak_memory=memory.peak() if known else None, architecture=model.architecture)


def is_luma(model):
    """Whether the network works on luma and takes the colors from an enlarged input."""
    from wdsr_tf.models.luma import ReplaceLuma

    return any(isinstance(layer, ReplaceLuma) for layer in model.layers)


def measure_bicubic(pictures, protocols, watch):
    """(the row of LR enlarged by MATLAB's bicubic, the sha256 of the pictures).

    SR is float, neither clipped nor rounded, like a network's output; LR is of 8 bits. The hash is taken over each
    picture's name, and shape and pixels of its LR and HR as they are measured. Measured first, this also finds pictures
    that cannot be read, which would be held against the networks otherwise.
    """
    digest = hashlib.sha256()

    def hashed(samples, name):
        for sample in watch(samples, name):
            digest.update(repr((sample[0], *(picture.shape for picture in sample[1:]))).encode())
            for picture in sample[1:]:
                digest.update(np.ascontiguousarray(picture))
            yield sample

    row = measure("bicubic", lambda lr: imresize(lr.astype("float32"), pictures.scale), pictures, protocols, hashed)
    return row, digest.hexdigest()


def measure(name, upscale, pictures, protocols, watch, rounded=True):
    """The row of `enlarge`, a function from LR to SR, which runs once per picture for all protocols together."""
    figures, seconds = {protocol: [] for protocol in protocols}, 0.0
    for picture, lr, hr in watch(decoded(pictures, rounded), name):
        try:
            started = time.perf_counter()
            sr = upscale(lr)
            seconds += time.perf_counter() - started
            sr = sr[: hr.shape[0], : hr.shape[1]]
            for protocol, values in figures.items():
                psnr, *others = PROTOCOLS[protocol].measure_all(sr, hr, pictures.scale)
                values.append((min(psnr, PSNR_LIMIT), *others))
        except InputError as error:
            raise InputError(f"on picture {picture}: {error}") from error
        except Exception as error:
            error.add_note(f"on picture {picture}")
            raise
    return Row(name, {protocol: np.array(values) for protocol, values in figures.items()}, rounded, seconds)


def decoded(pictures, rounded=True):
    """Yields (name, LR, HR) of each pair while another thread decodes the next one."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as thread:
        ahead = thread.submit(pictures.load, pictures.pairs[0], rounded)
        for pair, following in zip(pictures.pairs, [*pictures.pairs[1:], None], strict=True):
            lr, hr = ahead.result()
            ahead = following and thread.submit(pictures.load, following, rounded)
            yield pair.name, lr, hr


def ranked(rows, protocol):
    """The rows by their mean PSNR under `protocol`, best first; equals stay in their order."""
    return sorted(rows, key=lambda row: -row.mean(protocol)[0])


def reason(error, path):
    """Why a network has no row, in one line, or in the lines of an InputError."""
    if isinstance(error, InputError):
        return str(error).removeprefix(f"{path}: ")
    first = (str(error).strip().splitlines() or [""])[0][:REASON_LIMIT]
    notes = "".join(f"{note}: " for note in getattr(error, "__notes__", []))
    return f"{notes}{type(error).__name__}{first and ': '}{first}"
