"""The registry of discriminators, and the model class that records how one was built.

A builder returns a functional `keras.Model` that takes HR-sized RGB in [0, 255], NHWC, as uint8 or float, and returns
logits in float32: one per image (N, 1), or a map of them (N, H, W, 1). No sigmoid: the losses take logits.
"""

import dataclasses
import inspect
import math
from collections.abc import Callable
from typing import Any

import keras

from wdsr_tf.errors import InputError, check_choice, suggestion


@dataclasses.dataclass(frozen=True)
class InputSide:
    """The sides of the square patches that a discriminator takes.

    Args:
        exact: the only side, in HR pixels; None if there is a choice.
        multiple: what the side has to be a multiple of, if there is.
    """

    exact: int | None = None
    multiple: int = 1

    def fits(self, side: int) -> bool:
        """Returns whether patches of this side can be compared."""
        return side == self.exact if self.exact else side > 0 and side % self.multiple == 0

    def __str__(self):
        return f"exactly {self.exact}" if self.exact else f"a multiple of {self.multiple}"


@dataclasses.dataclass(frozen=True)
class _Entry:
    build: Callable[..., keras.Model]
    side: InputSide

    @property
    def hyperparameters(self):
        return {name: p.default for name, p in inspect.signature(self.build).parameters.items()}


_discriminators: dict[str, _Entry] = {}


def register(name: str, *, exact: int | None = None, multiple: int = 1) -> Callable:
    """Registers the decorated builder; see `InputSide` for the arguments."""

    def decorate(build):
        if name in _discriminators:
            raise ValueError(f"a discriminator named {name!r} is already registered")
        _discriminators[name] = _Entry(build, InputSide(exact, multiple))
        return build

    return decorate


def list_discriminators() -> list[str]:
    """Returns the names of all discriminators, sorted."""
    return sorted(_discriminators)


def _entry(name):
    return _discriminators[check_choice("discriminator", name, list_discriminators())]


def hyperparameters_of(name: str) -> dict[str, Any]:
    """Returns the keyword arguments of a discriminator with their defaults; raises InputError for an unknown name."""
    return _entry(name).hyperparameters


def input_side(name: str) -> InputSide:
    """Returns the sides of the patches that a discriminator takes; raises InputError for an unknown name."""
    return _entry(name).side


def check_input_side(name: str, side: int, scale: int) -> None:
    """Raises InputError if a discriminator can't compare patches of `side` x `side` HR pixels.

    Args:
        name: one of `list_discriminators()`.
        side: the side of a patch as the network returns it in training, in HR pixels.
        scale: the upscaling factor, from which the message derives LR patch sizes that fit.
    """
    allowed = input_side(name)
    if allowed.fits(side):
        return
    problem = f"The side of HR patches for the discriminator {name} must be {allowed}; it is {side}. "
    if allowed.exact is None:
        step = allowed.multiple // math.gcd(allowed.multiple, scale)
        raise InputError(f"{problem}At x{scale}, choose an LR patch size that is a multiple of {step}.")
    if allowed.exact % scale == 0:
        raise InputError(f"{problem}At x{scale}, choose the LR patch size {allowed.exact // scale}.")
    free = ", ".join(other for other in list_discriminators() if input_side(other).exact is None)
    raise InputError(f"{problem}No LR patch size gives it at x{scale}: choose another discriminator, such as {free}.")


def create_discriminator(name: str, **hyperparameters: Any) -> "Discriminator":
    """Builds a discriminator with fresh weights under the global dtype policy.

    Args:
        name: one of `list_discriminators()`.
        **hyperparameters: the builder's keyword arguments, see `hyperparameters_of(name)`.

    Raises:
        InputError: an unknown name or hyperparameter.
    """
    entry = _entry(name)
    known = entry.hyperparameters
    for unknown in hyperparameters.keys() - known.keys():
        hint = suggestion(unknown, known)
        raise InputError(f"{name} has no hyperparameter {unknown!r}. {hint}Choose from {', '.join(known)}.")
    hyperparameters = known | hyperparameters
    graph = entry.build(**hyperparameters)
    return Discriminator(graph.inputs[0], graph.outputs[0], architecture=name, hyperparameters=hyperparameters)


@keras.saving.register_keras_serializable("wdsr_tf")
class Discriminator(keras.Model):
    """A discriminator whose config is its recipe, so that Keras rebuilds it under the caller's dtype policy.

    Attributes:
        architecture: its name in the registry.
        hyperparameters: the builder's keyword arguments, including the defaults.
    """

    def __init__(
        self,
        inputs: keras.KerasTensor,
        outputs: keras.KerasTensor,
        *,
        architecture: str,
        hyperparameters: dict[str, Any],
    ):
        super().__init__(inputs=inputs, outputs=outputs, name=f"discriminator_{architecture.replace('-', '_')}")
        self.architecture = architecture
        self.hyperparameters = dict(hyperparameters)

    @property
    def recipe(self) -> dict[str, Any]:
        """The arguments of `create_discriminator` that build this network."""
        return {"name": self.architecture, **self.hyperparameters}

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"the discriminator {self.architecture}"

    def get_config(self):
        return {"architecture": self.architecture, "hyperparameters": dict(self.hyperparameters)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return create_discriminator(config["architecture"], **config["hyperparameters"])
