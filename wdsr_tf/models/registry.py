"""The registry of networks, and the model class that records how it was built.

A builder returns a functional `keras.Model` that takes RGB in [0, 255], NHWC, as uint8 or float, and returns RGB in
[0, 255] as float32, `scale` times as large. Further outputs of that model are auxiliary: they are images too, but are
computed in training only.
"""

import contextlib
import dataclasses
import inspect
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
from keras import ops

from wdsr_tf.errors import InputError, check_choice, suggestion


@dataclasses.dataclass(frozen=True)
class Architecture:
    """What can be said about a network without building it.

    Args:
        name: its name in the registry.
        build: the builder, `build(scale, **hyperparameters) -> keras.Model`.
        scales: the scales it can be built for.
        luma: whether it processes luma alone and takes the colors from the interpolated input.
        global_mean: whether output pixels depend on a mean over the whole input, which tiles change.
    """

    name: str
    build: Callable[..., keras.Model]
    scales: tuple[int, ...]
    luma: bool = False
    global_mean: bool = False

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The builder's keyword arguments with their defaults."""
        parameters = inspect.signature(self.build).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


_architectures: dict[str, Architecture] = {}


def register(name: str, scales: Iterable[int], *, luma: bool = False, global_mean: bool = False) -> Callable:
    """Registers the decorated builder; see `Architecture` for the arguments.

    Raises:
        ValueError: the name is taken.
    """

    def decorate(build):
        if name in _architectures:
            raise ValueError(f"a network named {name!r} is already registered")
        _architectures[name] = Architecture(name, build, tuple(scales), luma, global_mean)
        return build

    return decorate


def list_models() -> list[str]:
    """Returns the names of all networks, sorted."""
    return sorted(_architectures)


def get_architecture(name: str) -> Architecture:
    """Returns the registered `Architecture`.

    Raises:
        InputError: there is no network of this name.
    """
    return _architectures[check_choice("model", name, list_models())]


def create_model(name: str, scale: int, **hyperparameters: Any) -> "SRModel":
    """Builds a network with fresh weights under the global dtype policy.

    Args:
        name: one of `list_models()`.
        scale: upscaling factor.
        **hyperparameters: the builder's keyword arguments, see `get_architecture(name).hyperparameters`.

    Raises:
        InputError: an unknown name or hyperparameter, a scale that the network doesn't have, or values that don't go
            together.
    """
    architecture = get_architecture(name)
    if scale not in architecture.scales:
        raise InputError(f"{name} has no scale {scale}. Choose from {', '.join(map(str, architecture.scales))}.")
    known = architecture.hyperparameters
    for unknown in hyperparameters.keys() - known.keys():
        hint = suggestion(unknown, known)
        raise InputError(f"{name} has no hyperparameter {unknown!r}. {hint}Choose from {', '.join(known)}.")
    # The recipe includes the defaults, so that a checkpoint still loads after a default has changed.
    hyperparameters = known | hyperparameters
    graph = architecture.build(scale, **hyperparameters)
    return SRModel(graph.inputs[0], graph.outputs, architecture=name, scale=scale, hyperparameters=hyperparameters)


_checking = threading.RLock()


@contextlib.contextmanager
def weights_checked(check: Callable[[tuple[int, ...]], None]) -> Iterator[None]:
    """Calls `check(shape)` before any layer that this thread builds allocates a weight; `check` may raise.

    A recipe of a few bytes may describe gigabytes of weights, and only building the network tells.
    """
    thread = threading.get_ident()
    with _checking:  # one at a time, so that each puts back what it replaced
        add_weight = keras.layers.Layer.add_weight

        def checked(layer, shape=None, *arguments, **named):
            if threading.get_ident() == thread:
                check(tuple(shape or ()))
            return add_weight(layer, shape, *arguments, **named)

        keras.layers.Layer.add_weight = checked
        try:
            yield
        finally:
            keras.layers.Layer.add_weight = add_weight


@keras.saving.register_keras_serializable("wdsr_tf")
class SRModel(keras.Model):
    """A network whose config is its recipe, so that Keras rebuilds it under the caller's dtype policy.

    Networks without padding return less than the whole image in training. Losses and metrics therefore see the center
    of HR, cropped to the size of the output, and standard Keras losses just work. With auxiliary outputs, a call with
    `training=True` returns a list, the loss is the mean over the outputs, and metrics see the first output.

    Attributes:
        architecture: the network's name in the registry.
        scale: upscaling factor.
        hyperparameters: the builder's keyword arguments, including the defaults.
        facts: plain values that are saved with a checkpoint, such as its source and its figures.
        training_outputs: the tensors that a training step compares with HR: the output and the auxiliary ones.
        training_pass: a function from LR to the training outputs that runs instead of the graph in training, or None.
    """

    def __init__(
        self,
        inputs: keras.KerasTensor,
        outputs: list[keras.KerasTensor],
        *,
        architecture: str,
        scale: int,
        hyperparameters: dict[str, Any],
        facts: dict[str, Any] | None = None,
    ):
        super().__init__(inputs=inputs, outputs=outputs[0], name=architecture.replace("-", "_"))
        self.training_outputs = tuple(outputs)
        self.training_pass = None
        if len(outputs) > 1:
            whole = keras.Model(inputs, outputs)
            # A function, because Keras would list and save a model attribute as a layer.
            self.training_pass = lambda lr: whole(lr, training=True)
        self.architecture = architecture
        self.scale = scale
        self.hyperparameters = dict(hyperparameters)
        self.facts = dict(facts or {})

    @property
    def recipe(self) -> dict[str, Any]:
        """The arguments of `create_model` that build this network."""
        return {"name": self.architecture, "scale": self.scale, **self.hyperparameters}

    @property
    def title(self) -> str:
        """What messages call it, such as "wdsr-a x2"."""
        return f"{self.architecture} x{self.scale}"

    def get_config(self):
        return {
            "architecture": self.architecture,
            "scale": self.scale,
            "hyperparameters": dict(self.hyperparameters),
            "facts": dict(self.facts),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        model = create_model(config["architecture"], config["scale"], **config["hyperparameters"])
        model.facts = dict(config.get("facts", {}))
        return model

    def call(self, inputs, training=None, mask=None):
        if training and self.training_pass:
            return self.training_pass(inputs)
        return super().call(inputs, training=training, mask=mask)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss
        outputs = y_pred if isinstance(y_pred, list) else [y_pred]
        return sum(loss(x, center_crop(y, sr), sr, sample_weight, training) for sr in outputs) / len(outputs)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        sr = y_pred[0] if isinstance(y_pred, list) else y_pred
        return super().compute_metrics(x, center_crop(y, sr), sr, sample_weight)


def center_crop(image, like):
    """Crops the center of `image` (NHWC) to the size of `like`."""
    height, width = ops.shape(like)[1:3]
    top = (ops.shape(image)[1] - height) // 2
    left = (ops.shape(image)[2] - width) // 2
    return image[:, top : top + height, left : left + width]
