"""Training from pictures in device memory: the compiled step cuts its patches itself."""

import contextlib

import keras
import numpy as np

from wdsr_tf.data.resident import Plan, cut
from wdsr_tf.errors import InputError
from wdsr_tf.inference.engines.keras import free_memory
from wdsr_tf.training import devices

SPARE = 0.2  # of the free memory: what the training itself has to have


def train_from(model, sampler):
    """Puts the pictures of `sampler` on the device; returns a `Plan`, whose batches the compiled `model` now takes.

    Pictures that do not fit raise InputError. Validation is fed with pixels, as before.
    """
    plan = Plan(sampler)
    size, free = sum(packed.pixels.nbytes for packed in plan.packed), free_memory()
    if size > (1 - SPARE) * free:
        raise InputError(
            f"--device-resident: the training pictures take {size / 2**20:,.1f} MiB, and {free / 2**20:,.1f} MiB of "
            f"the device's memory are free, of which {SPARE:.0%} are for the training itself. Leave the flag out"
        )
    pictures = model.resident_pictures = _Pictures(plan)
    for packed in plan.packed:
        packed.pixels = None  # the host need not hold them as well
    own_step = model.train_step

    def train_step(*arguments):
        *state, (lr, hr) = arguments  # JAX has a state
        found = contextlib.nullcontext()
        if state:
            found = keras.StatelessScope(zip(model.metrics_variables, state[0][-1], strict=True))
        with found:
            lr, hr = (
                cut(pixels, places, side)
                for pixels, places, side in zip(pictures.pixels, (lr, hr), plan.sides, strict=True)
            )
        return own_step(*state, (lr, hr))

    model.train_step = train_step
    # Keras would build what is not built from its first batch, which holds no pictures: loss and metrics, and layers
    # that do not count as built because they have nothing to build.
    model.test_on_batch(*(np.zeros((devices.local_count(), side, side, 3), "uint8") for side in plan.sides))
    for layer in model._flatten_layers():
        layer.built = True
    return plan


class _Pictures(keras.metrics.Metric):
    """What is kept: Keras hands the variables of metrics to each compiled step, and saves none of them."""

    def __init__(self, plan):
        super().__init__(name="resident_pictures")
        self.pixels = [
            keras.Variable(packed.pixels, dtype="uint8", trainable=False, name=name)
            for packed, name in zip(plan.packed, ("lr", "hr"), strict=True)
        ]

    def update_state(self, *arguments, **named):
        """Does nothing."""

    def result(self):
        """Says nothing."""
        return {}

    def reset_state(self):
        """Keeps the pictures."""
