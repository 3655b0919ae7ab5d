"""A model -> a weights file: under our names, or in the layout of published PyTorch code.

The functions that read a published layout also write it: they run on a `Recorder`, which notes the published name of
each weight and how to convert it.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wdsr_tf.errors import InputError, check_choice
from wdsr_tf.files import atomic
from wdsr_tf.importers import (
    carn,
    drrn,
    edsr,
    espcn,
    esrgan,
    imdn,
    krasserm,
    mean_shift,
    msrn,
    ours,
    rcan,
    span,
    srcnn,
    srvgg,
    vdsr,
    wdsr,
)
from wdsr_tf.importers.formats import pytorch_writer, safetensors
from wdsr_tf.importers.tensors import BATCH_NORM, shifted_mean, unshuffled

if TYPE_CHECKING:
    from wdsr_tf.models.registry import SRModel

SUFFIXES = (".npz", ".safetensors", ".pth", ".pt")
LAYOUTS = ("ours", "pytorch")
PUBLISHED = {  # layouts of networks that need no change
    "drrn": drrn.blocks,
    "espcn": espcn.pytorch,
    "espcn-7": espcn.yu45020,
    "imdn": imdn.official,
    "msrn": msrn.official,
    "rcan": rcan.named(rcan.OFFICIAL),
    "rrdbnet": esrgan.named(esrgan.REAL),
    "span": span.official,
    "srcnn": srcnn.pytorch,
    "srvgg": srvgg.official,
    "vdsr": vdsr.caffe,
}
WRITTEN = ", ".join(sorted([*PUBLISHED, "edsr", "carn", "carn-m", "wdsr-a", "wdsr-b"]))


def export_weights(model: "SRModel", path: str | Path, layout: str | None = None) -> int:
    """Writes the weights of a model. The file is written atomically.

    Args:
        model: The model.
        path: The file; its suffix determines the format.
        layout: "ours" or "pytorch"; by default "pytorch" for .pth and .pt, otherwise "ours".

    Returns:
        The number of arrays.

    Raises:
        InputError: The suffix is unknown, the layout can't hold the model, or a weight isn't finite.
    """
    path = Path(path)
    check_suffix(path)
    layout = check_choice("layout", layout or layout_of(path), LAYOUTS)
    if layout == "pytorch":
        model, arrays = published(model)
    else:
        arrays = ours.arrays(model)
    check_finite(arrays)
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    if path.suffix == ".safetensors":
        safetensors.write(path, arrays, ours.metadata(model, layout))
        return len(arrays)
    if layout == "ours":
        arrays = ours.recipe_array(model) | arrays
    if path.suffix == ".npz":
        with atomic(path) as temporary:
            np.savez(temporary, **arrays)
    else:
        pytorch_writer.write(path, arrays)
    return len(arrays)


def check_finite(arrays: dict[str, np.ndarray]) -> None:
    """Raises InputError for infinities and NaN, and names the arrays."""
    broken = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if broken:
        raise InputError(f"The model has weights that aren't finite: {', '.join(broken[:8])}. Nothing was written.")


def check_suffix(path: Path) -> None:
    """Raises InputError if no format has the suffix of `path`."""
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: unknown suffix {path.suffix!r}. Weights can be written as {', '.join(SUFFIXES)}")


def layout_of(path: str | Path) -> str:
    """Returns the default layout of a suffix: "pytorch" for PyTorch's, otherwise "ours"."""
    return "pytorch" if Path(path).suffix in (".pth", ".pt") else "ours"


def published(model: "SRModel") -> tuple["SRModel", dict[str, np.ndarray]]:
    """Returns (a model with the same output, the arrays that published PyTorch code loads for it).

    For WDSR that mirrors the image at its border, that code is `wdsr_tf/weights/wdsr_pytorch.py`; for others it's the
    authors', or a widely used port, and includes its constants.
    """
    if model.hyperparameters.get("reparameterize"):
        from wdsr_tf.models import fold

        model = fold(model)
    layout, model = _as_published(model)
    without = () if model.hyperparameters.get("branches", True) else (".sk.weight",)
    return model, recorded(layout, model, without)


def recorded(layout: Callable, model, without: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Returns the weights of a model under the names of a layout; see `Recorder` for `without`."""
    recorder = Recorder(without)
    for layer, tokens in layout(recorder, model).items():
        for token, weight in zip(tokens, model.get_layer(layer).get_weights(), strict=True):
            recorder.arrays[token.name] = np.ascontiguousarray(token.convert(weight))
    return recorder.arrays


def unrecorded(path: Path, model: "SRModel") -> dict[str, object]:
    """Returns those hyperparameters of `model` that the file, in PyTorch's layout, doesn't tell its reader."""
    from wdsr_tf.importers import formats, recognize
    from wdsr_tf.models import get_architecture

    file, model = formats.read(path), published(model)[0]
    defaults = get_architecture(model.architecture).hyperparameters
    missing = []
    for candidate in recognize.recognize(file.arrays, file.facts):
        if candidate.name == model.architecture and model.scale in candidate.scales:
            learnt = defaults | candidate.hyperparameters | (candidate.all_scales or {})
            missing.append({k: v for k, v in model.hyperparameters.items() if not _equal(v, learnt[k])})
    return min(missing, key=len, default={})


def _equal(ours, theirs):
    return np.allclose(ours, theirs) if isinstance(ours, list) and isinstance(theirs, list) else ours == theirs


def _as_published(model):
    """Returns the layout's function, and a model with the same output whose weights it can hold."""
    options = model.hyperparameters
    if model.architecture == "edsr":
        if options["tanh"] or options["scale_identity"]:
            raise InputError("EDSR with tanh or scale_identity can't be written for PyTorch: its code has neither.")
        return edsr.official, _as_authors_edsr(model)
    if model.architecture in ("carn", "carn-m"):
        if options["num_filters"] != 64:
            raise InputError(f"The authors' CARN has 64 filters; this model has {options['num_filters']}.")
        return carn.official, model
    if model.architecture in ("wdsr-a", "wdsr-b"):
        if options["variant"] == "krasserm":
            return krasserm.converted, _rebuilt(model, weight_norm=False)
        if options["variant"] == "reloaded" and options["res_scaling"] is not None:
            raise InputError("The authors' code of 2020 has no residual scaling; this model has res_scaling.")
        layout = wdsr.reloaded if options["variant"] == "reloaded" else wdsr.official
        return layout, _rebuilt(model, weight_norm=True)
    if model.architecture == "msrn" and options["variant"] != "official":
        return msrn.harish_vnkt, model
    if model.architecture not in PUBLISHED:
        raise InputError(
            f"{model.architecture} can't be written for PyTorch, because no published code has names for it. Networks "
            f"that can: {WRITTEN}."
        )
    return PUBLISHED[model.architecture], model


def _as_authors_edsr(model):
    """Returns EDSR with plain kernels, and with the division by 127.5 moved into the first and the last kernel."""
    plain = _rebuilt(model, weight_norm=False, variant="official")
    if model.hyperparameters["variant"] == "krasserm":
        head, tail = plain.get_layer("head"), plain.get_layer("tail")
        kernel, bias = head.get_weights()
        head.set_weights([kernel / np.float32(127.5), bias])
        tail.set_weights([weight * np.float32(127.5) for weight in tail.get_weights()])
    return plain


def _rebuilt(model, **changes):
    """Returns a model with other hyperparameters and the same kernels; `model` itself if nothing changes."""
    from wdsr_tf.models import create_model, transfer

    if model.recipe == model.recipe | changes:
        return model
    changed = create_model(**model.recipe | changes)
    changed.facts = dict(model.facts)
    transfer(model, changed)
    return changed


@dataclasses.dataclass(frozen=True)
class Token:
    """Stands for a published array: its name, and a function that makes it from our weight."""

    name: str
    convert: Callable


class Recorder:
    """Replaces `Tensors`: returns tokens instead of arrays.

    Args:
        without: How names end that the model doesn't have, for layouts with alternatives.
    """

    def __init__(self, without=()):
        self.arrays = {}
        self.without = without

    def mean_shift(self, model, head, tail, value_range, *, bgr=False, module=""):
        """Adds the model's mean as the convolutions that the authors' code has."""
        mean = shifted_mean(model, value_range, bgr).astype("float32")
        if bgr:
            head = [_reversed(head[0], axis=2), head[1]]
            tail = [_reversed(token, axis=-1) for token in tail]
        identity = np.eye(3, dtype="float32").reshape(3, 3, 1, 1)
        self.arrays |= dict(zip(mean_shift.names(module), (identity, -mean, identity, mean), strict=True))
        return {"head": head, "tail": tail}

    def has(self, name):
        """Returns whether a layout may use the name; it takes the first of alternatives."""
        return not name.endswith(self.without) if self.without else True

    def drop(self, *names):
        """Does nothing: what isn't a weight isn't written."""

    def conv(self, name, shuffle=1, bias=True, unshuffle=1):
        """Like `Tensors.conv`."""

        def kernel(weight):
            return channels_first(unshuffled(reshuffled_inputs(weight, unshuffle), shuffle))

        tokens = [Token(f"{name}.weight", kernel)]
        return tokens + [Token(f"{name}.bias", lambda bias: unshuffled(bias, shuffle))] * bias

    def dense(self, name):
        """Like `Tensors.dense`."""
        kernel, bias = self.conv(name)
        return [dataclasses.replace(kernel, convert=lambda weight: channels_first(weight[None, None])), bias]

    def prelu(self, name):
        """Like `Tensors.prelu`."""
        return [Token(f"{name}.weight", np.ravel)]

    def weight_norm_conv(self, name, shuffle=1):
        """Like `Tensors.weight_norm_conv`."""
        return [
            Token(f"{name}.weight_g", lambda g: unshuffled(g, shuffle).reshape(-1, 1, 1, 1)),
            Token(f"{name}.weight_v", lambda v: channels_first(unshuffled(v, shuffle))),
            Token(f"{name}.bias", lambda bias: unshuffled(bias, shuffle)),
        ]

    def spectral_norm_conv(self, name, size):
        """Like `Tensors.spectral_norm_conv`."""
        return [
            Token(f"{name}.weight_orig", channels_first),
            Token(f"{name}.weight_u", np.ravel),
            Token(f"{name}.weight_v", lambda v: v.reshape(size, size, -1).transpose(2, 0, 1).ravel()),
        ]

    def batch_norm(self, name):
        """Like `Tensors.batch_norm`."""
        return [Token(f"{name}.{part}", np.ravel) for part in BATCH_NORM]

    def linear(self, name, side=1):
        """Like `Tensors.linear`."""

        def columns(weight):
            units = weight.shape[-1]
            return channels_first(weight.reshape(side, side, -1, units)).reshape(units, -1)

        return [Token(f"{name}.weight", columns), Token(f"{name}.bias", np.ravel)]


def channels_first(kernel: np.ndarray) -> np.ndarray:
    """Returns our (height, width, in, out) as PyTorch's (out, in, height, width)."""
    return kernel.transpose(3, 2, 0, 1)


def reshuffled_inputs(kernel: np.ndarray, factor: int) -> np.ndarray:
    """Reorders the inputs of a kernel (height, width, in, out) after a pixel unshuffle from our order to PyTorch's."""
    return np.moveaxis(unshuffled(np.moveaxis(kernel, 2, -1), factor), -1, 2) if factor > 1 else kernel


def _reversed(token, axis):
    """The token of a weight whose colors, on `axis`, are in the other order."""
    return dataclasses.replace(token, convert=lambda weight: token.convert(np.flip(weight, axis)))
