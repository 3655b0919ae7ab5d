"""Published projects: which files are theirs, and which model a file's weights belong to.

Every module that maps a project's names to our layers ends with `PROJECTS`, one `Project` per layout.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

MAX_NUMBER = 4096  # of filters, blocks, ...
MAX_LAYERS = 256  # blocks times units; Keras needs some milliseconds to build each
MAX_LETTERS = 64
MAX_LIST = 3  # values of a hyperparameter that is a list, such as a color
COUNTS = ("num_res_blocks", "num_groups", "num_units", "num_layers")
WIDTHS = ("num_filters", "min_filters", "nin_filters", "nin_filters_2", "upsampler_filters", "res_expansion")
INTEGERS = (*COUNTS, *WIDTHS, "growth", "reduction", "groups", "fusion_size", "fusion_groups", "body_size")
# The fewest weights for each pair of filters. Weight-normalized models draw their weights before Keras counts them.
WEIGHTS_PER_PAIR = {"edsr": 9, "wdsr-a": 9, "wdsr-b": 1}


class MismatchError(Exception):
    """A file has a project's names but can't be one of its files; the message says why."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A model that a file's weights may belong to.

    Args:
        name: The model's name in the registry.
        scales: The scales that the weights work for.
        hyperparameters: The builder's arguments that differ from its defaults.
        all_scales: The hyperparameters of a single model that holds all `scales`, or None if there is no such model.
        note: What the file doesn't record, and what is assumed instead.
        chosen_scale: The scale that `recognize.choose` has chosen.
        project: The project, such as "nmhkahn/CARN-pytorch".
        layout: The function that maps the project's names to our layers.
    """

    name: str
    scales: tuple[int, ...]
    hyperparameters: dict[str, Any]
    all_scales: dict[str, Any] | None = None
    note: str = ""
    chosen_scale: int | None = None
    project: str = ""
    layout: Callable | None = None

    @property
    def scale(self) -> int | None:
        """The chosen or only scale; None if the scale is still to be chosen."""
        return self.chosen_scale or (self.scales[0] if len(self.scales) == 1 else None)

    @property
    def all_in_one(self) -> bool:
        """Whether this is the model that holds all `scales`."""
        return self.all_scales is not None and self.hyperparameters | self.all_scales == self.hyperparameters

    def __str__(self):
        """Returns, for example, `carn-m x2 (groups=4, num_filters=64) of nmhkahn/CARN-pytorch`."""
        values = ", ".join(f"{name}={value}" for name, value in sorted(self.hyperparameters.items()))
        scales = " or ".join(f"x{scale}" for scale in ([self.scale] if self.scale else self.scales))
        return f"{self.name} {scales}{f' ({values})' if values else ''} of {self.project}"


@dataclasses.dataclass(frozen=True)
class Project:
    """A published layout.

    Args:
        name: The project, such as "nmhkahn/CARN-pytorch".
        layout: `layout(tensors, model)` returns {layer name: [arrays]}.
        detect: `detect(contents)` yields a `Candidate` for each model that a file with these names and shapes fits. It
            may raise MismatchError.
    """

    name: str
    layout: Callable
    detect: Callable

    def candidates(self, contents: "Contents") -> Iterator[Candidate]:
        """Yields the models that the file fits; raises MismatchError if it only has the project's names."""
        for candidate in self.detect(contents):
            check_hyperparameters(candidate.hyperparameters)
            contents.check_size(candidate)
            yield dataclasses.replace(contents.with_scale(candidate), project=self.name, layout=self.layout)


def check_hyperparameters(hyperparameters: dict[str, Any]) -> None:
    """Raises MismatchError for a value that no supported model has and that could take forever to build."""
    for name, value in hyperparameters.items():
        if not _is_plausible(name, value):
            name, value = (ascii(thing)[:MAX_LETTERS] for thing in (name, value))
            raise MismatchError(f"{name} is {value}, which no supported model has")
    layers = math.prod(hyperparameters.get(name, 1) for name in COUNTS)
    if layers > MAX_LAYERS:
        raise MismatchError(f"{layers} blocks and units are more than the maximum of {MAX_LAYERS}")


def _is_plausible(name, value):
    if name in INTEGERS and (not isinstance(value, int) or isinstance(value, bool)):
        return False
    if isinstance(value, int):
        return (1 if name.startswith("num_") else 0) <= value <= MAX_NUMBER
    if isinstance(value, str):
        return value.isprintable() and len(value) <= MAX_LETTERS
    values = value if isinstance(value, list) and len(value) <= MAX_LIST else [value]
    return value is None or all(isinstance(each, float) and math.isfinite(each) for each in values)


class Contents:
    """The names and shapes of a file's arrays. Its methods raise MismatchError if something is missing or differs."""

    def __init__(self, arrays: dict[str, np.ndarray], facts: dict[str, Any] | None = None):
        self.arrays = arrays
        self.facts = facts or {}
        self.shapes = {name: tuple(np.shape(array)) for name, array in arrays.items()}

    def renamed(self, names: dict[str, str]) -> "Contents":
        """Returns the same contents with the arrays' names replaced."""
        return Contents({names[name]: array for name, array in self.arrays.items()}, self.facts)

    def layers(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """Returns {layer: {"weight": shape, "bias": shape}} in the order of the file."""
        layers = {}
        for name, shape in self.shapes.items():
            layer, _, part = name.rpartition(".")
            layers.setdefault(layer, {})[part] = shape
        return layers

    def has(self, *names: str) -> bool:
        """Returns whether the file has arrays with all these names."""
        return all(name in self.shapes for name in names)

    def shape(self, name: str, rank: int = 4) -> tuple[int, ...]:
        """Returns the shape of an array, which must have `rank` axes, none of them empty."""
        if name not in self.shapes:
            raise MismatchError(f"{name} is missing")
        if len(self.shapes[name]) != rank or 0 in self.shapes[name]:
            raise MismatchError(f"{name} has shape {self.shapes[name]}; expected {rank} axes that aren't empty")
        return self.shapes[name]

    def expect(self, name: str, *shape: int) -> None:
        """Requires this shape, which guarantees that the model is no larger than the file."""
        if self.shape(name, rank=len(shape)) != shape:
            raise MismatchError(f"{name} has shape {self.shapes[name]}; expected {shape}")

    def filters(self, name: str, inputs: int, size: int) -> int:
        """Returns the number of filters of a PyTorch kernel (filters, `inputs`, `size`, `size`)."""
        shape = self.shape(name)
        if shape[1:] != (inputs, size, size):
            raise MismatchError(f"{name} has shape {shape}; expected (any, {inputs}, {size}, {size})")
        return shape[0]

    def count(self, name: str, shape: tuple[int, ...] | None = None, start: int = 0) -> int:
        """Returns how many of `name.format(start)`, `name.format(start + 1)`, ... there are, all with one shape."""
        present = list(itertools.takewhile(self.has, (name.format(i) for i in itertools.count(start))))
        if not present:
            raise MismatchError(f"{name.format(start)} is missing")
        for each in present:
            self.expect(each, *(shape or self.shapes[present[0]]))
        return len(present)

    def shuffle_factor(self, name: str, channels: int, axis: int = 0) -> int:
        """Returns the factor of the pixel shuffle that follows a kernel and leaves `channels` channels."""
        return shuffle_factor(name, self.shape(name)[axis], channels)

    def upsampling(self, name: str, channels: int, step: int = 2) -> int:
        """Returns the scale of the kernels `name.format(0)`, `name.format(step)`, ..., each before a pixel shuffle."""
        names = itertools.takewhile(self.has, (name.format(i) for i in itertools.count(0, step)))
        factors = [self.shuffle_factor(each, channels) for each in names]
        if not factors:
            raise MismatchError(f"{name.format(0)} is missing")
        return math.prod(factors)

    def with_scale(self, candidate: Candidate) -> Candidate:
        """Returns the candidate for the scale of the file's graph, if that is known.

        A graph of scale 1 may belong to a model that upscales its input first. Raises MismatchError for other scales.
        """
        scale = self.facts.get("scale", 1)
        if scale == 1:
            return candidate
        if scale not in candidate.scales:
            raise MismatchError(f"its graph upscales by {scale}, and not by {' or '.join(map(str, candidate.scales))}")
        return dataclasses.replace(candidate, scales=(scale,))

    def check_size(self, candidate: Candidate) -> None:
        """Raises MismatchError if the model would be many times as large as the file, as only a forged one is."""
        names = ("num_filters", "num_res_blocks", "res_expansion")
        filters, blocks, expansion = (candidate.hyperparameters.get(name, 1) for name in names)
        weights = filters**2 * expansion * WEIGHTS_PER_PAIR.get(candidate.name, 0.25)
        if weights > sum(np.size(array) for array in self.arrays.values()) or blocks > len(self.arrays):
            raise MismatchError(f"it is too small for {filters} filters in {blocks} blocks")


def shuffle_factor(name: str, outputs: int, channels: int) -> int:
    """Returns the integer whose square times `channels` is `outputs`."""
    factor = math.isqrt(outputs // channels)
    if factor < 1 or factor**2 * channels != outputs:
        raise MismatchError(f"{name} has {outputs} outputs, which isn't {channels} times a square")
    return factor


def ratio(name: str, outputs: int, inputs: int) -> int:
    """Returns `outputs` divided by `inputs`."""
    if outputs % inputs:
        raise MismatchError(f"{name} has {outputs} outputs, which isn't a multiple of {inputs}")
    return outputs // inputs
