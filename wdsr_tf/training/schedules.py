"""Learning rate schedules by name.

A schedule has no state: its position is the optimizer's step count, which a checkpoint keeps.
"""

import keras
from keras import ops
from keras.optimizers import schedules

from wdsr_tf.errors import InputError, suggestion
from wdsr_tf.training.config import SCHEDULES


def create_schedule(
    name,
    learning_rate,
    *,
    steps,
    steps_per_epoch,
    step_size,
    decay,
    boundaries=(),
    maximum=None,
    warmup_steps=0,
    ahead=0,
):
    """Creates the schedule `name`.

    step          times `decay` after every `step_size` epochs (krasserm/wdsr, EDSR, WDSR, CARN, MSRN)
    multi-step    times `decay` after each epoch of `boundaries` (WDSR's release of 2020)
    cosine        down to 1% of `learning_rate` at the last step
    triangular    up to `maximum` and back in 2 * `step_size` epochs, over and over (yu45020/Waifu2x)
    inverse-time  divided by 1 + steps * `decay` (waifu2x counts samples: decay = its rate * batch size)
    constant

    Args:
        name: One of these names.
        learning_rate: Where the schedule begins.
        steps: Steps of the whole training.
        steps_per_epoch: Steps of an epoch.
        step_size, decay, boundaries, maximum: See above. `maximum` is by default four times `learning_rate`.
        warmup_steps: Steps before the schedule begins, over which the rate grows linearly from zero.
        ahead: Steps by which a schedule of epochs is ahead of the optimizer's count, because earlier epochs had fewer
            steps; negative if they had more.

    Raises:
        InputError: If the name is unknown, or multi-step has no boundaries.
    """
    if name == "step":
        schedule = schedules.ExponentialDecay(learning_rate, step_size * steps_per_epoch, decay, staircase=True)
    elif name == "multi-step":
        if not boundaries:
            raise InputError("The multi-step schedule needs learning_rate_boundaries: epochs such as 20,25.")
        rates = [learning_rate * decay**i for i in range(len(boundaries) + 1)]
        # In Keras, a boundary's own step still has the old rate.
        schedule = schedules.PiecewiseConstantDecay([epoch * steps_per_epoch - 1 for epoch in boundaries], rates)
    elif name == "cosine":
        schedule = schedules.CosineDecay(learning_rate, max(1, steps - warmup_steps), alpha=0.01)
    elif name == "triangular":
        schedule = Triangular(learning_rate, maximum or 4 * learning_rate, step_size * steps_per_epoch)
    elif name == "inverse-time":
        schedule = schedules.InverseTimeDecay(learning_rate, decay_steps=1, decay_rate=decay)
    elif name == "constant":
        schedule = schedules.PiecewiseConstantDecay([steps], [learning_rate, learning_rate])
    else:
        hint = suggestion(name, SCHEDULES)
        raise InputError(f"Unknown schedule {name!r}. {hint}Choose one of {', '.join(SCHEDULES)}.")
    if ahead and name != "inverse-time":  # which counts steps, not epochs
        schedule = Ahead(schedule, ahead)
    return WarmUp(schedule, warmup_steps) if warmup_steps else schedule


@keras.saving.register_keras_serializable("wdsr_tf")
class Ahead(schedules.LearningRateSchedule):
    """`schedule`, `steps` steps ahead of the optimizer."""

    def __init__(self, schedule, steps):
        self.schedule = schedule
        self.steps = steps

    def __call__(self, step):
        return self.schedule(ops.maximum(step + self.steps, 0))

    def get_config(self):
        return {"schedule": schedules.serialize(self.schedule), "steps": self.steps}

    @classmethod
    def from_config(cls, config):
        return cls(schedules.deserialize(config["schedule"]), config["steps"])


@keras.saving.register_keras_serializable("wdsr_tf")
class Triangular(schedules.LearningRateSchedule):
    """Linear from `minimum` to `maximum` in `half_period` steps, and back. Smith, 2015, https://arxiv.org/abs/1506.01186."""

    def __init__(self, minimum, maximum, half_period):
        self.minimum = minimum
        self.maximum = maximum
        self.half_period = half_period

    def __call__(self, step):
        position = ops.cast(step, "float32") / self.half_period
        distance = ops.abs(position - 2 * ops.floor(position / 2) - 1)  # 1 at the minimum, 0 at the maximum
        return self.minimum + (self.maximum - self.minimum) * (1 - distance)

    def get_config(self):
        return {"minimum": self.minimum, "maximum": self.maximum, "half_period": self.half_period}


@keras.saving.register_keras_serializable("wdsr_tf")
class WarmUp(schedules.LearningRateSchedule):
    """`schedule` after `steps` steps over which the rate grows linearly from zero to its first value."""

    def __init__(self, schedule, steps):
        self.schedule = schedule
        self.steps = steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        growing = self.schedule(ops.zeros_like(step)) * (step + 1) / self.steps
        return ops.where(step < self.steps, growing, self.schedule(ops.maximum(step - self.steps, 0.0)))

    def get_config(self):
        return {"schedule": schedules.serialize(self.schedule), "steps": self.steps}

    @classmethod
    def from_config(cls, config):
        return cls(schedules.deserialize(config["schedule"]), config["steps"])
