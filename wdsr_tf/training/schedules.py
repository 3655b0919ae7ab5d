"""Learning rate as a function of the step, by name; an epoch is `steps_per_epoch` steps.

A schedule holds no state: its position is the optimizer's step count, which a checkpoint keeps.
"""

import keras
from keras import ops
from keras.optimizers import schedules

from wdsr_tf.errors import InputError


def create_schedule(
    name, learning_rate, *, steps, steps_per_epoch, step_size, decay, boundaries=(), maximum=None, warmup_steps=0
):
    """The schedule `name`, for a training of `steps` steps.

    step          times `decay` after every `step_size` epochs (krasserm, EDSR, WDSR, CARN, MSRN)
    multi-step    times `decay` behind each epoch of `boundaries` (WDSR's release of 2020)
    cosine        down to 1 % of `learning_rate` at the last step
    triangular    up to `maximum` and back in 2 * `step_size` epochs, over and over (seed 000)
    inverse-time  divided by 1 + steps * `decay` (waifu2x counts samples: decay = its rate * batch size)
    constant

    `warmup_steps` grow linearly from zero to where the schedule begins.
    """
    if name == "step":
        schedule = schedules.ExponentialDecay(learning_rate, step_size * steps_per_epoch, decay, staircase=True)
    elif name == "multi-step":
        if not boundaries:
            raise InputError("multi-step takes its steps behind --learning-rate-boundaries, such as 20,25: give them")
        rates = [learning_rate * decay**i for i in range(len(boundaries) + 1)]
        # A boundary's own step still has the old rate in Keras.
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
        raise InputError(
            f"there is no schedule {name!r}; known are step, multi-step, cosine, triangular, inverse-time, constant"
        )
    return WarmUp(schedule, warmup_steps) if warmup_steps else schedule


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
    """`schedule` behind `steps` steps that grow linearly from zero to its first value."""

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
