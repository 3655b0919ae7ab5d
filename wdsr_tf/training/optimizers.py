"""Optimizers by name, with the clipping of published recipes."""

import re

import keras
from keras import ops, optimizers

from wdsr_tf.errors import InputError, suggestion
from wdsr_tf.training.config import OPTIMIZERS
from wdsr_tf.training.schedules import create_schedule

KERNEL = r"kernel(:0)?$|(^|/)v(:0)?$"  # names of kernels, weight-normalized ones included; TensorFlow adds ":0"


def for_training(config, learning_rate, done=None, ema=None):
    """Returns the optimizer of a training, with its schedule.

    Args:
        config: The TrainingConfig.
        learning_rate: The initial learning rate; a discriminator has its own.
        done: The epochs and steps that are done, after which the schedule continues.
        ema: The momentum of an average of the weights, if there is to be one.
    """
    done = done or {}
    schedule = create_schedule(
        config.schedule,
        learning_rate,
        steps=config.epochs * config.steps_per_epoch,
        steps_per_epoch=config.steps_per_epoch,
        step_size=config.learning_rate_step_size,
        decay=_decay(config),
        boundaries=sorted({*config.learning_rate_boundaries}),
        maximum=config.max_learning_rate,
        warmup_steps=config.warmup_steps,
        ahead=done.get("epoch", 0) * config.steps_per_epoch - done.get("steps", 0),
    )
    return create_optimizer(
        config.optimizer,
        schedule,
        weight_decay=config.weight_decay,
        kernels_only=config.weight_decay_kernels_only,
        last_layer_rate=config.last_layer_rate,
        momentum=config.momentum,
        global_clipnorm=config.global_clipnorm,
        clipvalue=config.clipvalue,
        adjustable_clip=config.adjustable_clip,
        ema_momentum=ema,
    )


def _decay(config):
    """The learning rate's decay, by default what is usual with the schedule: for inverse-time, waifu2x's."""
    if config.learning_rate_decay is not None:
        return config.learning_rate_decay
    return 3e-7 * config.batch_size if config.schedule == "inverse-time" else 0.5


def create_optimizer(
    name,
    learning_rate,
    *,
    weight_decay=0.0,
    kernels_only=False,
    last_layer_rate=1.0,
    momentum=0.9,
    global_clipnorm=None,
    clipvalue=None,
    adjustable_clip=None,
    ema_momentum=None,
):
    """Creates an optimizer.

    Args:
        name: adam, amsgrad, adamw or sgd.
        learning_rate: A number or a schedule.
        weight_decay: L2 regularization in the gradient for adam, amsgrad and sgd; decoupled for adamw.
        kernels_only: Leaves other variables than kernels out of the weight decay, such as biases.
        last_layer_rate: sgd: factor on the learning rate of the last layer's variables. Clipping by global norm or
            value sees their gradients multiplied by it.
        momentum: Of sgd.
        global_clipnorm, clipvalue: Limits of the gradients' global norm or of their values; None or 0 for no limit.
        adjustable_clip: sgd: limits the gradients' global norm to this over the learning rate, as DRRN is trained
            (Kim et al., 2016, section 3.2).
        ema_momentum: Keeps an exponential moving average of the weights with this momentum.

    Raises:
        InputError: If the name is unknown, or both kinds of clipping are wanted.
    """
    if global_clipnorm and clipvalue:
        raise InputError("Gradients are clipped by global_clipnorm or by clipvalue, not by both. Set one of them to 0.")
    common = {"global_clipnorm": global_clipnorm or None, "clipvalue": clipvalue or None}
    if ema_momentum is not None:
        common |= {"use_ema": True, "ema_momentum": ema_momentum}
    if name == "adamw":
        optimizer = optimizers.AdamW(learning_rate, weight_decay=weight_decay, **common)
        if kernels_only:
            optimizer.exclude_from_weight_decay(var_names=[f"^(?!.*({KERNEL}))"])
        return optimizer
    l2 = {"l2": weight_decay, "kernels_only": kernels_only}
    if name == "sgd":
        kind = {"momentum": momentum, "adjustable_clip": adjustable_clip, "last_layer_rate": last_layer_rate}
        return SGD(learning_rate, **l2, **kind, **common)
    if name in ("adam", "amsgrad"):
        return Adam(learning_rate, **l2, amsgrad=name == "amsgrad", **common)
    hint = suggestion(name, OPTIMIZERS)
    raise InputError(f"Unknown optimizer {name!r}. {hint}Choose one of {', '.join(OPTIMIZERS)}.")


class _L2:
    """Adds the gradient of `l2 / 2 * ||w||^2` before Keras clips by norm or value, like a term of the loss."""

    def apply(self, grads, trainable_variables=None):
        if self.l2:
            variables = trainable_variables or self._trainable_variables
            grads = [self._with_l2(g, v) for g, v in zip(grads, variables, strict=True)]
        return super().apply(grads, trainable_variables)

    def _with_l2(self, grad, variable):
        if self.kernels_only and not re.search(KERNEL, variable.name):
            return grad
        return grad + self.l2 * ops.cast(variable, grad.dtype)


class _LastLayerRate:
    """Multiplies the gradients of the last layer's variables, which for SGD is a learning rate of their own."""

    def apply(self, grads, trainable_variables=None):
        if self.last_layer_rate != 1:
            layers = [v.path.rpartition("/")[0] for v in trainable_variables or self._trainable_variables]
            grads = [
                g * ops.cast(self.last_layer_rate, g.dtype) if layer == layers[-1] else g
                for g, layer in zip(grads, layers, strict=True)
            ]
        return super().apply(grads, trainable_variables)


@keras.saving.register_keras_serializable("wdsr_tf")
class Adam(_L2, optimizers.Adam):
    """Adam with L2 regularization in the gradient; `l2=0` is plain Adam."""

    def __init__(self, learning_rate=1e-3, l2=0.0, kernels_only=False, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.l2 = l2
        self.kernels_only = kernels_only

    def get_config(self):
        return super().get_config() | {"l2": self.l2, "kernels_only": self.kernels_only}


@keras.saving.register_keras_serializable("wdsr_tf")
class SGD(_L2, _LastLayerRate, optimizers.SGD):
    """SGD with L2 regularization in the gradient, adjustable gradient clipping, and a rate for the last layer."""

    def __init__(
        self, learning_rate=1e-2, l2=0.0, kernels_only=False, adjustable_clip=None, last_layer_rate=1.0, **kwargs
    ):
        super().__init__(learning_rate, **kwargs)
        self.l2 = l2
        self.kernels_only = kernels_only
        self.adjustable_clip = adjustable_clip
        self.last_layer_rate = last_layer_rate

    def apply(self, grads, trainable_variables=None):
        if self.adjustable_clip:
            limit = self.adjustable_clip / ops.maximum(self.learning_rate, 1e-12)
            norm = ops.sqrt(sum(ops.sum(ops.square(ops.cast(g, "float32"))) for g in grads))
            factor = ops.minimum(1.0, limit / ops.maximum(norm, 1e-12))
            grads = [g * ops.cast(factor, g.dtype) for g in grads]
        return super().apply(grads, trainable_variables)

    def get_config(self):
        config = {"l2": self.l2, "kernels_only": self.kernels_only, "adjustable_clip": self.adjustable_clip}
        return super().get_config() | config | {"last_layer_rate": self.last_layer_rate}
