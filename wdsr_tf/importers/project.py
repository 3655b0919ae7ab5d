"""What a project's file says about itself: which published files are its own, and of which network they are.

Each file of this package ends with `PROJECTS`, a `Project` per layout. Its `recipes` looks at names and shapes alone
and yields a `Recipe` where they are the project's; `recognize.recognize` asks all of them.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The network that a file's weights are for, as far as names and shapes tell.

    Attributes:
        name: the registry's name.
        scales: those that the weights serve.
        hyperparameters: what the builder needs besides its defaults.
        several: where one file serves several scales, what the builder needs to hold all of them, at the first scale;
            None where a person has to choose.
        note: a sentence about what the file does not say, and what was taken for it.
    """

    name: str
    scales: tuple
    hyperparameters: dict
    several: dict | None = None
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Project:
    """A published layout.

    Attributes:
        name: whose it is, such as `nmhkahn/CARN-pytorch`.
        layout: `layout(tensors, model) -> {layer name: [arrays]}`.
        recipes: `recipes(published)` yields a `Recipe` for each network that a file with these names can be of; it may
            raise MisfitError.
    """

    name: str
    layout: Callable
    recipes: Callable


class MisfitError(Exception):
    """Why a file that has a project's names is not one of its files after all."""


MOST = 4096  # of any whole number
MOST_LAYERS = 256  # of blocks times units: Keras takes some milliseconds to build each
COUNTS = ("num_res_blocks", "num_groups", "num_units", "num_layers")
WIDTHS = ("num_filters", "min_filters", "nin_filters", "nin_filters_2", "upsampler_filters", "res_expansion")
WHOLE = (*COUNTS, *WIDTHS, "growth", "reduction", "groups", "fusion_size", "fusion_groups", "body_size")
MOST_LETTERS = 64


def demand_sound(hyperparameters):
    """MisfitError where a value is of a kind or a size that no network has, and that could take for ever to build."""
    for name, value in hyperparameters.items():
        if not _is_sound(name, value):
            name, value = (ascii(thing)[:MOST_LETTERS] for thing in (name, value))
            raise MisfitError(f"{name} is {value}, which no network here has")
    layers = math.prod(hyperparameters.get(name, 1) for name in COUNTS)
    if layers > MOST_LAYERS:
        raise MisfitError(f"{layers} blocks and units are more than the {MOST_LAYERS} that any network here may have")


def _is_sound(name, value):
    if name in WHOLE and (not isinstance(value, int) or isinstance(value, bool)):
        return False
    if isinstance(value, int):
        return (1 if name.startswith("num_") else 0) <= value <= MOST
    if isinstance(value, str):
        return value.isprintable() and len(value) <= MOST_LETTERS
    return value is None or (isinstance(value, float) and math.isfinite(value))


class Published:
    """The names and shapes of a file's arrays. What is asked for and is not there raises MisfitError."""

    def __init__(self, arrays):
        self.arrays = arrays
        self.shapes = {name: tuple(np.shape(array)) for name, array in arrays.items()}

    def has(self, *names):
        """Whether the file has arrays of all these names."""
        return all(name in self.shapes for name in names)

    def shape(self, name, rank=4):
        """The shape of an array of `rank` axes."""
        if name not in self.shapes:
            raise MisfitError(f"{name} is missing")
        if len(self.shapes[name]) != rank or 0 in self.shapes[name]:
            raise MisfitError(f"{name} is {self.shapes[name]}, which has not {rank} axes with something on each")
        return self.shapes[name]

    def expect(self, name, *shape):
        """Demands this shape: what is built is then no larger than what is in the file."""
        if self.shape(name, rank=len(shape)) != shape:
            raise MisfitError(f"{name} is {self.shapes[name]}, should be {shape}")

    def filters(self, name, inputs, size):
        """How many filters a PyTorch kernel (filters, `inputs`, `size`, `size`) has."""
        shape = self.shape(name)
        if shape[1:] != (inputs, size, size):
            raise MisfitError(f"{name} is {shape}, should be (any, {inputs}, {size}, {size})")
        return shape[0]

    def count(self, name, shape=None, start=0):
        """How many of `name.format(start)`, `name.format(start + 1)`, ... there are, all of one shape."""
        there = list(itertools.takewhile(self.has, (name.format(i) for i in itertools.count(start))))
        wanted = shape or (self.shapes[there[0]] if there else None)
        for each in there:
            if self.shapes[each] != wanted:
                raise MisfitError(f"{each} is {self.shapes[each]}, should be {wanted}")
        if not there:
            raise MisfitError(f"{name.format(start)} is missing")
        return len(there)

    def enlarges(self, name, channels, axis=0):
        """The factor of the pixel shuffle behind a kernel that makes `channels` of the enlarged picture."""
        return root(name, self.shape(name)[axis], channels)

    def upsampling(self, name, channels, step=2):
        """The scale of convolutions `name.format(0)`, `name.format(step)`, ... with a pixel shuffle behind each."""
        names = itertools.takewhile(self.has, (name.format(i) for i in itertools.count(0, step)))
        factors = [self.enlarges(each, channels) for each in names]
        if not factors:
            raise MisfitError(f"{name.format(0)} is missing")
        return math.prod(factors)


def root(name, outputs, channels):
    """The whole factor whose square times `channels` is `outputs`."""
    factor = math.isqrt(outputs // channels)
    if factor < 1 or factor**2 * channels != outputs:
        raise MisfitError(f"{name} makes {outputs} channels, which is no square times {channels}")
    return factor


def ratio(name, outputs, inputs):
    """How often `inputs` go into `outputs`."""
    if outputs % inputs:
        raise MisfitError(f"{name} makes {outputs} channels, which is no multiple of {inputs}")
    return outputs // inputs
