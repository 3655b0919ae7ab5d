"""The registry of networks, and the model class that remembers how it was built.

A builder returns a functional `keras.Model` that keeps the house's contract: RGB in [0, 255], NHWC, uint8 or float,
comes in; RGB in [0, 255] as float32, `scale` times as large, comes out. Further outputs of that model are auxiliary:
they are pictures too, but exist in training only.
"""

import dataclasses
import inspect
from collections.abc import Callable

import keras
from keras import ops

from wdsr_tf.errors import InputError, suggestion


@dataclasses.dataclass(frozen=True)
class Architecture:
    """What the house may ask about a network without building it.

    Attributes:
        name: the registry's name, as typed after `--model`.
        build: the builder, `build(scale, **hyperparameters) -> keras.Model`.
        scales: the scales that it can be built for.
        luma: whether the network computes on luma alone and takes the colors from an enlarged input.
        global_mean: whether an output pixel depends on a mean over the whole input, so that tiles are not exact.
    """

    name: str
    build: Callable
    scales: tuple
    luma: bool = False
    global_mean: bool = False

    @property
    def hyperparameters(self):
        """The builder's keyword arguments with their defaults."""
        parameters = inspect.signature(self.build).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


_architectures = {}


def register(name, scales, *, luma=False, global_mean=False):
    """Registers the decorated builder under `name`; a name that is taken raises ValueError."""

    def decorate(build):
        if name in _architectures:
            raise ValueError(f"a network named {name!r} is registered already")
        _architectures[name] = Architecture(name, build, tuple(scales), luma, global_mean)
        return build

    return decorate


def list_models():
    """The names of all networks, sorted."""
    return sorted(_architectures)


def get_architecture(name):
    """The `Architecture` of that name; an unknown name raises InputError with the nearest known one."""
    if name not in _architectures:
        hint = suggestion(name, _architectures)
        raise InputError(f"there is no network {name!r}; {hint}known are {', '.join(list_models())}")
    return _architectures[name]


def create_model(name, scale, **hyperparameters):
    """Builds a network with fresh weights under the global dtype policy.

    An unknown name, a scale that the network does not have, or a misspelt hyperparameter raises InputError.
    """
    architecture = get_architecture(name)
    if scale not in architecture.scales:
        raise InputError(f"{name} has no scale {scale}; it has {', '.join(map(str, architecture.scales))}")
    known = architecture.hyperparameters
    for wrong in hyperparameters.keys() - known.keys():
        hint = suggestion(wrong, known)
        raise InputError(f"{name} has no hyperparameter {wrong!r}; {hint}it has {', '.join(known)}")
    # Defaults are written down too: a checkpoint then loads even after a default has changed.
    hyperparameters = known | hyperparameters
    graph = architecture.build(scale, **hyperparameters)
    return SRModel(graph.inputs[0], graph.outputs, architecture=name, scale=scale, hyperparameters=hyperparameters)


@keras.saving.register_keras_serializable("wdsr_tf")
class SRModel(keras.Model):
    """A network that saves its recipe as its config and is rebuilt from it, under the caller's dtype policy.

    Attributes:
        architecture, scale, hyperparameters: the recipe, complete with defaults.
        facts: a dictionary of plain values that travels with the checkpoint (where it came from, what it reached).
        training_outputs: the graph's tensors that a training step compares with HR: the output and auxiliary ones.
        training_pass: what runs instead of the graph when `training`: a function from LR to those, or None.

    Loss and metrics see HR cropped at its center to the size of the output, because networks without padding return
    less than they were given when they train. Standard Keras losses thus work as they are. With auxiliary outputs, the
    model returns a list when `training`, and the loss is the mean of the losses of its outputs; metrics see the first.
    """

    def __init__(self, inputs, outputs, *, architecture, scale, hyperparameters, facts=None):
        super().__init__(inputs=inputs, outputs=outputs[0], name=architecture.replace("-", "_"))
        self.training_outputs = tuple(outputs)
        self.training_pass = None
        if len(outputs) > 1:
            whole = keras.Model(inputs, outputs)
            # A function, because a model would be listed and saved as a layer.
            self.training_pass = lambda lr: whole(lr, training=True)
        self.architecture = architecture
        self.scale = scale
        self.hyperparameters = dict(hyperparameters)
        self.facts = dict(facts or {})

    @property
    def recipe(self):
        """What `create_model` needs to build this network again."""
        return {"name": self.architecture, "scale": self.scale, **self.hyperparameters}

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
    """Cuts as much from each side of `image` (NHWC) as makes it the size of `like`."""
    height, width = ops.shape(like)[1:3]
    top = (ops.shape(image)[1] - height) // 2
    left = (ops.shape(image)[2] - width) // 2
    return image[:, top : top + height, left : left + width]
