"""Finds the models to rank: checkpoints in a folder, named files, and loaded models."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from wdsr_tf import files
from wdsr_tf.errors import InputError
from wdsr_tf.evaluation.measure import reason
from wdsr_tf.importers import formats
from wdsr_tf.importers.download import is_url, local
from wdsr_tf.importers.load import load_model, scales_of
from wdsr_tf.system.http import shown

BICUBIC = "bicubic"  # the row to compare with, whose name no model can have
STATE = "state.keras"  # what a run resumes from; its weights are in a checkpoint, too


@dataclasses.dataclass(frozen=True)
class Network:
    """A model under its name in tables: a checkpoint, a published weights file, or a loaded `SRModel`."""

    name: str
    path: Path | None = None
    model: object = dataclasses.field(default=None, compare=False)

    @property
    def scales(self):
        """The scales that it can be loaded for, sorted. Imports no Keras."""
        return (self.model.scale,) if self.model is not None else scales_of(self.path)

    @property
    def sha256(self):
        """SHA-256 of the file, or of all files that hold the weights together."""
        return (files if self.path.suffix == ".keras" else formats).sha256(self.path)

    def load(self, scale, log=None):
        """Returns the `SRModel` for one of its scales; `log` gets a line if published weights are converted."""
        return self.model or load_model(self.path, scale=scale, log=log)


def collect(models):
    """Returns the `Network`s that `models` stands for.

    Args:
        models: the path or URL of a checkpoint or a published weights file, a folder that is searched for checkpoints,
            a loaded `SRModel`, a list of these, or a mapping from names to files or loaded models.

    Raises:
        InputError: if there are none, a file doesn't exist, or two have the same name.
    """
    if isinstance(models, Mapping):
        found = [_named(str(name), model) for name, model in models.items()]
    else:
        several = [models] if _is_path(models) or hasattr(models, "scale") else models
        found = [network for model in several for network in _unnamed(model)]
    names = [network.name for network in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"Two models are named {min(twice)!r}. Give each a name of its own.")
    if BICUBIC in names:
        raise InputError(f"{BICUBIC!r} names the row to compare with. Choose another name for the model.")
    if not found:
        raise InputError("There are no models to rank.")
    return found


def find(path):
    """Returns the file at `path`, or the checkpoints in the folder `path` and below, sorted by path.

    Hidden files and the states that runs resume from are left out. `path` can also be the URL of a file.
    """
    name, path = shown(path) if is_url(path) else str(path), local(path)
    if path.is_file():
        return [Network(name, path)]
    if not path.is_dir():
        raise InputError(f"{path}: No such file or folder. Name a trained model, or train one first.")
    found = sorted(p for p in path.rglob("*.keras") if not p.name.startswith(".") and p.name != STATE)
    if not found:
        raise InputError(f"{path}: There are no checkpoints (.keras) in this folder.")
    return [Network(str(file), file) for file in found]


def of_one_scale(networks, scale=None):
    """Selects the networks that can be ranked together: figures at different scales can't be compared.

    Args:
        networks: list of `Network`.
        scale: the scale; default: the only one that all networks have.

    Returns:
        (networks, scale, {name of another network: why it was left out}).

    Raises:
        InputError: if the scale has to be chosen.
    """
    scales, failed = {}, {}
    for network in networks:
        try:
            scales[network] = network.scales
        except InputError as error:
            failed[network.name] = reason(error, network.path)
    if scale is None and scales:
        common = set.intersection(*map(set, scales.values()))
        if len(common) != 1:
            each = "".join(f"\n  {_listed(own)} {network.name}" for network, own in scales.items())
            raise InputError(f"Models can only be ranked together at one scale. Choose a scale:{each}")
        scale = common.pop()
    failed |= {network.name: f"is {_listed(own)}, not x{scale}" for network, own in scales.items() if scale not in own}
    return [network for network, own in scales.items() if scale in own], scale, failed


def _named(name, model):
    if not _is_path(model):
        return Network(name, model=model)
    path = local(model)
    if not path.exists():
        raise InputError(f"{path}: No such file, for the model {name!r}.")
    return Network(name, path)


def _unnamed(model):
    return find(model) if _is_path(model) else [Network(f"{model.architecture}-x{model.scale}", model=model)]


def _is_path(model):
    return isinstance(model, (str, os.PathLike))


def _listed(scales):
    return ", ".join(f"x{scale}" for scale in scales)
