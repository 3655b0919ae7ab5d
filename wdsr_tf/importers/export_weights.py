"""A network of this house -> weights for others: under our names, or in the authors' layouts for PyTorch.

The functions that read a published layout write it too: they run on a `Recorder`, which notes what they take, and how
it has to be turned, for each weight of ours.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic
from wdsr_tf.importers import carn, edsr, ours, wdsr
from wdsr_tf.importers.tensors import unshuffled

SUFFIXES = (".npz", ".safetensors", ".pth", ".pt")
OFFICIAL = "edsr, carn, carn-m, wdsr-a and wdsr-b of the variants official and reloaded"


def export_weights(model, path, layout=None):
    """Writes the weights of `model` to `path`, whose suffix says the format; returns how many arrays.

    `layout` is "ours" or "official", by default that of the suffix.
    """
    path = Path(path)
    demand_suffix(path)
    arrays = official(model) if (layout or layout_of(path)) == "official" else ours.arrays(model)
    broken = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if broken:
        raise InputError(f"the network holds values that are not finite: {', '.join(broken[:8])}; nothing is written")
    write(path, arrays)
    return len(arrays)


def demand_suffix(path):
    """InputError where no format has the suffix of `path`."""
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: weights are written as {', '.join(SUFFIXES)}")


def layout_of(path):
    """The layout that a suffix stands for: the authors' for PyTorch's, ours for others."""
    return "official" if Path(path).suffix in (".pth", ".pt") else "ours"


def write(path, arrays):
    """Writes named arrays in the format of the suffix."""
    if path.suffix in (".pth", ".pt"):
        from wdsr_tf.importers.formats import pytorch_writer

        pytorch_writer.write(path, arrays)
        return
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    if path.suffix == ".npz":
        with atomic(path) as temporary:
            np.savez(temporary, **arrays)
    else:
        from safetensors.numpy import save_file

        with atomic(path) as temporary:
            save_file(arrays, temporary)


def official(model):
    """{name: array} as the authors' code for PyTorch loads it, with the frozen tensors that it holds."""
    layout, model = _published(model)
    recorder = Recorder()
    for layer, tokens in layout(recorder, model).items():
        for token, weight in zip(tokens, model.get_layer(layer).get_weights(), strict=True):
            recorder.arrays[token.name] = np.ascontiguousarray(token.published(weight))
    return recorder.arrays


def _published(model):
    """The layout's function, and a network of equal output whose weights it can hold."""
    how = model.hyperparameters
    if model.architecture == "edsr":
        if how["tanh"] or how["scale_identity"]:
            raise InputError(
                "the authors' EDSR has neither tanh nor scale_identity: there is no official layout for it"
            )
        return edsr.official, _as_authors_edsr(model)
    if model.architecture in ("carn", "carn-m"):
        if how["num_filters"] != 64:
            raise InputError(f"the authors' CARN has 64 filters, this network {how['num_filters']}")
        return carn.official, model
    if model.architecture not in ("wdsr-a", "wdsr-b"):
        raise InputError(f"there is no official layout of {model.architecture}; there is one of {OFFICIAL}")
    if how["variant"] == "krasserm":
        raise InputError(
            "WDSR of the variant krasserm mirrors the picture at its border, where the authors' code puts zeros: the "
            "weights would give another picture there. Train with --set variant=official for weights that run in both"
        )
    if how["variant"] == "reloaded" and how["res_scaling"] is not None:
        raise InputError("the authors' code of 2020 has no residual scaling, this network has res_scaling")
    return wdsr.reloaded if how["variant"] == "reloaded" else wdsr.official, _rebuilt(model, weight_norm=True)


def _as_authors_edsr(model):
    """EDSR with plain kernels and without the division by 127.5, which goes into the first and the last kernel."""
    plain = _rebuilt(model, weight_norm=False, variant="official")
    if model.hyperparameters["variant"] == "krasserm":
        head, tail = plain.get_layer("head"), plain.get_layer("tail")
        kernel, bias = head.get_weights()
        head.set_weights([kernel / np.float32(127.5), bias])
        tail.set_weights([weight * np.float32(127.5) for weight in tail.get_weights()])
    return plain


def _rebuilt(model, **changes):
    """The network with other hyperparameters and the same kernels; itself where they are the same already."""
    from wdsr_tf.models import create_model, transfer

    if model.recipe == model.recipe | changes:
        return model
    changed = create_model(**model.recipe | changes)
    transfer(model, changed)
    return changed


@dataclasses.dataclass(frozen=True)
class Token:
    """Stands for a published array: its name, and what makes it of our weight."""

    name: str
    published: Callable


class Recorder:
    """Stands in for `Tensors`: what a layout takes is written down as tokens."""

    def __init__(self):
        self.arrays = {}

    def frozen(self, arrays):
        """Constants that the published network keeps among its weights."""
        self.arrays |= arrays

    def has(self, name):
        """Of names that a layout may have, the first is written."""
        return True

    def conv(self, name, shuffle=1, bias=True):
        """As `Tensors.conv`."""
        tokens = [Token(f"{name}.weight", lambda kernel: channels_first(unshuffled(kernel, shuffle)))]
        return tokens + [Token(f"{name}.bias", lambda bias: unshuffled(bias, shuffle))] * bias

    def weight_norm_conv(self, name, shuffle=1):
        """As `Tensors.weight_norm_conv`."""
        return [
            Token(f"{name}.weight_g", lambda g: unshuffled(g, shuffle).reshape(-1, 1, 1, 1)),
            Token(f"{name}.weight_v", lambda v: channels_first(unshuffled(v, shuffle))),
            Token(f"{name}.bias", lambda bias: unshuffled(bias, shuffle)),
        ]


def channels_first(kernel):
    """Our (height, width, in, out) as PyTorch's (out, in, height, width)."""
    return kernel.transpose(3, 2, 0, 1)
