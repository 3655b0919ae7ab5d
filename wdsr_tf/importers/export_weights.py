"""A model -> a weights file: under our names, or in the layout of the authors' PyTorch code.

The functions that read a published layout also write it: they run on a `Recorder`, which notes the published name of
each weight and how to convert it.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic
from wdsr_tf.importers import carn, edsr, mean_shift, ours, wdsr
from wdsr_tf.importers.formats import pytorch_writer
from wdsr_tf.importers.tensors import shifted_mean, unshuffled
from wdsr_tf.system import extras

if TYPE_CHECKING:
    from wdsr_tf.models.registry import SRModel

PYTORCH = (".pth", ".pt")
SUFFIXES = (".npz", ".safetensors", *PYTORCH)
OFFICIAL = "edsr, carn, carn-m, and the variants official and reloaded of wdsr-a and wdsr-b"


def export_weights(model: "SRModel", path: str | Path, layout: str | None = None) -> int:
    """Writes the weights of a model. The file is written atomically.

    Args:
        model: The model.
        path: The file; its suffix determines the format.
        layout: "ours" or "official"; by default "official" for .pth and .pt, otherwise "ours".

    Returns:
        The number of arrays.

    Raises:
        InputError: The suffix is unknown, the layout can't hold the model, or a weight isn't finite.
    """
    path = Path(path)
    check_suffix(path)
    arrays = official(model) if (layout or layout_of(path)) == "official" else ours.arrays(model)
    broken = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if broken:
        raise InputError(f"The model has weights that aren't finite: {', '.join(broken[:8])}. Nothing was written.")
    _write(path, {name: np.ascontiguousarray(array) for name, array in arrays.items()})
    return len(arrays)


def check_suffix(path: Path) -> None:
    """Raises InputError if no format has the suffix of `path`."""
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: unknown suffix {path.suffix!r}. Weights can be written as {', '.join(SUFFIXES)}")


def layout_of(path: str | Path) -> str:
    """Returns the default layout of a suffix: "official" for PyTorch's, otherwise "ours"."""
    return "official" if Path(path).suffix in PYTORCH else "ours"


def _write(path, arrays):
    if path.suffix in PYTORCH:
        pytorch_writer.write(path, arrays)
    elif path.suffix == ".npz":
        with atomic(path) as temporary:
            np.savez(temporary, **arrays)
    else:
        try:
            from safetensors.numpy import save_file
        except ImportError as error:
            raise extras.missing("safetensors", "train", "Writing safetensors files") from error
        with atomic(path) as temporary:
            save_file(arrays, temporary)


def official(model: "SRModel") -> dict[str, np.ndarray]:
    """Returns the arrays that the authors' PyTorch code loads, including its constants."""
    layout, model = _as_published(model)
    recorder = Recorder()
    for layer, tokens in layout(recorder, model).items():
        for token, weight in zip(tokens, model.get_layer(layer).get_weights(), strict=True):
            recorder.arrays[token.name] = np.ascontiguousarray(token.convert(weight))
    return recorder.arrays


def _as_published(model):
    """Returns the layout's function, and a model with the same output whose weights it can hold."""
    options = model.hyperparameters
    if model.architecture == "edsr":
        if options["tanh"] or options["scale_identity"]:
            raise InputError("EDSR with tanh or scale_identity has no official layout: the authors' code has neither.")
        return edsr.official, _as_authors_edsr(model)
    if model.architecture in ("carn", "carn-m"):
        if options["num_filters"] != 64:
            raise InputError(f"The authors' CARN has 64 filters; this model has {options['num_filters']}.")
        return carn.official, model
    if model.architecture not in ("wdsr-a", "wdsr-b"):
        raise InputError(f"{model.architecture} has no official layout. Models that have one: {OFFICIAL}.")
    if options["variant"] == "krasserm":
        raise InputError(
            "WDSR of the variant krasserm has no official layout: it mirrors the image at its border, where the "
            "authors' code pads with zeros. Train with variant=official for weights that work in both."
        )
    if options["variant"] == "reloaded" and options["res_scaling"] is not None:
        raise InputError("The authors' code of 2020 has no residual scaling; this model has res_scaling.")
    layout = wdsr.reloaded if options["variant"] == "reloaded" else wdsr.official
    return layout, _rebuilt(model, weight_norm=True)


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
    transfer(model, changed)
    return changed


@dataclasses.dataclass(frozen=True)
class Token:
    """Stands for a published array: its name, and a function that makes it from our weight."""

    name: str
    convert: Callable


class Recorder:
    """Replaces `Tensors`: returns tokens instead of arrays."""

    def __init__(self):
        self.arrays = {}

    def mean_shift(self, model, head, tail, value_range, *, module=""):
        """Adds the model's mean as the convolutions that the authors' code has."""
        mean = shifted_mean(model, value_range).astype("float32")
        identity = np.eye(3, dtype="float32").reshape(3, 3, 1, 1)
        self.arrays |= dict(zip(mean_shift.names(module), (identity, -mean, identity, mean), strict=True))
        return {"head": head, "tail": tail}

    def has(self, name):
        """Returns True, so that layouts take the first of alternative names."""
        return True

    def conv(self, name, shuffle=1, bias=True):
        """Like `Tensors.conv`."""
        tokens = [Token(f"{name}.weight", lambda kernel: channels_first(unshuffled(kernel, shuffle)))]
        return tokens + [Token(f"{name}.bias", lambda bias: unshuffled(bias, shuffle))] * bias

    def weight_norm_conv(self, name, shuffle=1):
        """Like `Tensors.weight_norm_conv`."""
        return [
            Token(f"{name}.weight_g", lambda g: unshuffled(g, shuffle).reshape(-1, 1, 1, 1)),
            Token(f"{name}.weight_v", lambda v: channels_first(unshuffled(v, shuffle))),
            Token(f"{name}.bias", lambda bias: unshuffled(bias, shuffle)),
        ]


def channels_first(kernel: np.ndarray) -> np.ndarray:
    """Returns our (height, width, in, out) as PyTorch's (out, in, height, width)."""
    return kernel.transpose(3, 2, 0, 1)
