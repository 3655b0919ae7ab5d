"""Training from images in device memory: the compiled step cuts its own patches."""

import contextlib

import keras
import numpy as np

from wdsr_tf.data.resident import Plan, cut
from wdsr_tf.errors import InputError
from wdsr_tf.inference.engines.keras import free_memory
from wdsr_tf.training import devices

SPARE = 0.2  # fraction of the free memory to leave for the training itself


def train_from(model, sampler):
    """Puts the images of `sampler` on the device; returns a `Plan`, whose batches the compiled `model` now takes.

    Validation still takes pixels.

    Raises:
        InputError: If the images don't fit.
    """
    plan = Plan(sampler)
    size, free = sum(packed.pixels.nbytes for packed in plan.packed), free_memory()
    if size > (1 - SPARE) * free:
        raise InputError(
            f"device_resident: The training images take {size / 2**20:,.1f} MiB, but only {free / 2**20:,.1f} MiB of "
            f"device memory are free, and {SPARE:.0%} of them are for the training itself. Turn device_resident off."
        )
    images = model.resident_images = _Images(plan)
    for packed in plan.packed:
        packed.pixels = None  # the host needn't keep them too
    own_step = model.train_step

    def train_step(*arguments):
        *state, (lr, hr) = arguments  # JAX has a state
        found = contextlib.nullcontext()
        if state:
            found = keras.StatelessScope(zip(model.metrics_variables, state[0][-1], strict=True))
        with found:
            lr, hr = (
                cut(pixels, places, side)
                for pixels, places, side in zip(images.pixels, (lr, hr), plan.sides, strict=True)
            )
        return own_step(*state, (lr, hr))

    model.train_step = train_step
    # Keras would build the rest from its first batch, which contains no images: loss and metrics, and layers that don't
    # count as built because they have nothing to build.
    model.test_on_batch(*(np.zeros((devices.local_count(), side, side, 3), "uint8") for side in plan.sides))
    for layer in model._flatten_layers():
        layer.built = True
    return plan


class _Images(keras.metrics.Metric):
    """Holds the images: Keras passes the variables of metrics to each compiled step, and saves none of them."""

    def __init__(self, plan):
        super().__init__(name="resident_images")
        self.pixels = [
            keras.Variable(packed.pixels, dtype="uint8", trainable=False, name=name)
            for packed, name in zip(plan.packed, ("lr", "hr"), strict=True)
        ]

    def update_state(self, *arguments, **named):
        """Does nothing."""

    def result(self):
        """Returns nothing."""
        return {}

    def reset_state(self):
        """Keeps the images."""
