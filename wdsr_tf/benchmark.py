"""Checkpoints x full-size pairs -> ranked rows, a table, and bench.json.

bench.json is one object; its numbers are finite, its lists of figures are in the order of `images`:

    psnr        {checkpoint: mean PSNR under the first protocol}, best first: what the ancestor's file held
    protocols   {name: channel, border and rounding in words}, the one that ranks first
    data        where the pairs came from: dataset and downgrade, or the folders
    scale       the factor between LR and HR
    images      the names of the pictures
    models      {checkpoint: {protocol: {psnr, ssim, psnr_per_image, ssim_per_image}}}, best first
    bicubic     {protocol: the same four} of LR enlarged by MATLAB's bicubic
    failed      {checkpoint: why it has no rank}

Means are means of per-image figures. A picture that comes out equal to its original has an infinite PSNR, beside which
no other picture would count in a mean: everything from 100 dB on counts as 100 dB.
"""

import concurrent.futures
import dataclasses
import json
from pathlib import Path

import numpy as np

from wdsr_tf import checkpoint
from wdsr_tf.data import div2k
from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic
from wdsr_tf.metrics import PROTOCOLS
from wdsr_tf.resize import imresize

PSNR_LIMIT = 100.0
STATE = "state.keras"  # what a run resumes from: the twin of a checkpoint that is ranked already


@dataclasses.dataclass(frozen=True)
class Row:
    """What one enlarger reached.

    Attributes:
        name: the checkpoint's path, or "bicubic".
        figures: {protocol's name: array (pictures, 2) of PSNR and SSIM}.
    """

    name: str
    figures: dict

    def mean(self, protocol):
        """(PSNR, SSIM), each the mean over the pictures."""
        return tuple(self.figures[protocol].mean(axis=0).tolist())

    def summary(self):
        """Means and per-image figures of each protocol, as plain values."""
        summary = {}
        for protocol, figures in self.figures.items():
            psnr, ssim = self.mean(protocol)
            each = {"psnr_per_image": figures[:, 0].tolist(), "ssim_per_image": figures[:, 1].tolist()}
            summary[protocol] = {"psnr": psnr, "ssim": ssim, **each}
        return summary


def find_checkpoints(path):
    """The checkpoint at `path`, or those below it, sorted; hidden files and the states of runs are left out."""
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"{path}: there is no such file or folder; train a network first, or name one with -i")
    found = sorted(p for p in path.rglob("*.keras") if not p.name.startswith(".") and p.name != STATE)
    if not found:
        raise InputError(f"{path}: holds no checkpoints (.keras)")
    return found


def of_one_scale(paths, scale=None):
    """What of `paths` can be ranked together: (checkpoints, their scale, {path: why not}).

    Without `scale` all have to be of the same, because figures at different scales cannot be compared.
    """
    scales, failed = {}, {}
    for path in paths:
        try:
            scales[path] = checkpoint.read_config(path)["scale"]
        except InputError as error:
            failed[path] = _reason(path, error)
    if scale is None:
        known = sorted(set(scales.values()))
        if len(known) > 1:
            each = "".join(f"\n  x{own} {path}" for path, own in scales.items())
            raise InputError(f"networks of different scales cannot be ranked together; choose with --scale among{each}")
        scale = next(iter(known), None)
    failed |= {path: f"is x{own}, but --scale is {scale}" for path, own in scales.items() if own != scale}
    return [path for path, own in scales.items() if own == scale], scale, failed


def measure_checkpoints(paths, pairs, scale, protocols, watch, say):
    """(rows, best first under the first protocol; {path: why there is none}).

    Each network runs once per picture; one network and one picture are in memory at a time, and the next picture.
    `watch(pictures, name)` passes the pictures on and may show progress; `say` gets a line per network.
    """
    import keras

    from wdsr_tf.inference.upscale import upscale

    rows, failed = [], {}
    for path in paths:
        try:
            model = checkpoint.load(path)
            row = measure(str(path), lambda lr, model=model: upscale(model, lr), pairs, scale, protocols, watch)
        except InputError as error:
            failed[path] = _reason(path, error)
            say(f"failed: {path}: {failed[path]}")
            continue
        finally:
            keras.utils.clear_session()  # else each network takes longer to build than the one before
        rows.append(row)
        say(f"PSNR = {row.mean(protocols[0])[0]:.4f} for model {path}")
    return ranked(rows, protocols[0]), failed


def measure_bicubic(pairs, scale, protocols, watch):
    """The row of LR enlarged by MATLAB's bicubic; float, neither clipped nor rounded, like a network's output.

    Measured first, it also finds pictures that cannot be read, which would be held against the checkpoints otherwise.
    """
    return measure("bicubic", lambda lr: imresize(lr.astype("float32"), scale), pairs, scale, protocols, watch)


def measure(name, enlarge, pairs, scale, protocols, watch):
    """The row of `enlarge`, a function from LR to SR, which runs once per picture for all protocols together."""
    figures = {protocol: [] for protocol in protocols}
    for picture, lr, hr in watch(decoded(pairs), name):
        try:
            sr = enlarge(lr)
            for protocol, values in figures.items():
                psnr, ssim = PROTOCOLS[protocol].measure(sr, hr, scale)
                values.append((min(psnr, PSNR_LIMIT), ssim))
        except InputError as error:
            raise InputError(f"on picture {picture}: {error}") from error
    return Row(name, {protocol: np.array(values) for protocol, values in figures.items()})


def decoded(pairs):
    """Yields (name, LR, HR) of each pair while another thread decodes the next one."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as thread:
        ahead = thread.submit(_decode, pairs[0])
        for following in [*pairs[1:], None]:
            picture = ahead.result()
            ahead = following and thread.submit(_decode, following)
            yield picture


def _decode(pair):
    lr, hr = (np.array(div2k.load(path)) for path in (pair.lr, pair.hr))  # a copy, because memory maps read later
    return pair.name, lr, hr


def ranked(rows, protocol):
    """The rows by their mean PSNR under `protocol`, best first; equals stay in their order."""
    return sorted(rows, key=lambda row: -row.mean(protocol)[0])


@dataclasses.dataclass(frozen=True)
class Ranking:
    """What a benchmark found, and on what.

    Attributes:
        rows: of the checkpoints, best first.
        bicubic: the row to compare with.
        failed: {path: why it has no rank}.
        protocols: names, the one that ranks first.
        images: the pictures' names.
        scale: the factor between LR and HR.
        data: where the pairs came from, as plain values.
    """

    rows: list
    bicubic: Row
    failed: dict
    protocols: list
    images: list
    scale: int
    data: dict

    @property
    def best(self):
        """(PSNR under the first protocol, name) of the first row."""
        return self.rows[0].mean(self.protocols[0])[0], self.rows[0].name

    def table(self):
        """Text: what was measured and how, then the ranked rows, bicubic behind them."""
        source = ", ".join(f"{name} {value}" for name, value in self.data.items())
        lines = [f"{source}, x{self.scale}; means over {len(self.images)} images"]
        lines += [f"{name}: {PROTOCOLS[name].what}" for name in self.protocols]
        lines += ["", "rank  " + "".join(f"{name + ' PSNR':>11}    SSIM  " for name in self.protocols) + "model"]
        for rank, row in [*enumerate(self.rows, start=1), ("-", self.bicubic)]:
            means = (row.mean(name) for name in self.protocols)
            lines.append(f"{rank:>4}  " + "".join(f"{psnr:11.4f}  {ssim:.4f}  " for psnr, ssim in means) + row.name)
        return "\n".join(lines)

    def write(self, path):
        """Writes bench.json, as the head of this module lays it out."""
        result = {
            "psnr": {row.name: row.mean(self.protocols[0])[0] for row in self.rows},
            "protocols": {name: PROTOCOLS[name].what for name in self.protocols},
            "data": self.data,
            "scale": self.scale,
            "images": self.images,
            "models": {row.name: row.summary() for row in self.rows},
            "bicubic": self.bicubic.summary(),
            "failed": {str(path): reason for path, reason in self.failed.items()},
        }
        with atomic(path) as temporary:
            temporary.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _reason(path, error):
    return str(error).removeprefix(f"{path}: ")
