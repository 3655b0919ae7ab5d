"""Oracle sampling: an epoch trains hard patches of the epoch before again; see `wdsr_tf/data/oracle.py`.

As in waifu2x, the measure is the mean squared error of clipped SR in the training step, whatever the loss.
"""

import keras
from keras import ops

from wdsr_tf.data.oracle import OracleSampler
from wdsr_tf.models.registry import center_crop
from wdsr_tf.training.adversarial import first

FACT = "oracle"  # what a checkpoint calls the numbers of the patches that the next epoch trains again


class Oracle(keras.callbacks.Callback):
    """At the end of an epoch, chooses hard patches for the next, and records them for the checkpoint.

    Must come before the callbacks that validate, which overwrite the errors, and before those that save.

    Args:
        model: The compiled network; its training steps will measure each patch.
        sampler: The sampler of its patches.
        steps_per_epoch: Batches in an epoch.
        rate, drop_rate: As in `data.oracle.hard`.
        step: Number of steps that are done.
        carried: The numbers of the patches to train again, as a checkpoint records them.

    Attributes:
        sampler: The sampler to train with, an `OracleSampler`.
    """

    def __init__(self, model, sampler, steps_per_epoch, rate, drop_rate, step=0, carried=()):
        super().__init__()
        self.sampler = OracleSampler(sampler, steps_per_epoch)
        self.sampler.begin(step, carried)
        self.rate = rate
        self.drop_rate = drop_rate
        self.errors = model.patch_errors = PatchErrors(steps_per_epoch * sampler.batch_size)
        model.compute_metrics = self.errors.watch(model.compute_metrics)

    def on_epoch_end(self, epoch, logs=None):
        errors = ops.convert_to_numpy(self.errors.latest)
        carried = self.model.facts[FACT] = self.sampler.hard(errors, self.rate, self.drop_rate)
        self.sampler.begin(self.sampler.first + self.sampler.steps, carried)


class PatchErrors(keras.metrics.Metric):
    """The mean squared errors of the latest `count` patches, oldest first.

    A metric, because Keras passes the variables of metrics to each compiled step, and saves none of them.
    """

    def __init__(self, count, name="patch_errors", **kwargs):
        super().__init__(name=name, **kwargs)
        self.latest = self.add_variable((count,), initializer="zeros", name="latest", dtype="float32")

    def watch(self, compute_metrics):
        """Returns a model's `compute_metrics` that also measures each patch."""

        def measuring(x, y, y_pred, sample_weight=None):
            sr = first(y_pred)
            self.update_state(center_crop(y, sr), sr)
            return compute_metrics(x, y, y_pred, sample_weight)

        return measuring

    def update_state(self, hr, sr, sample_weight=None):
        error = ops.clip(ops.cast(sr, "float32"), 0, 255) - ops.cast(hr, "float32")
        new = ops.mean(ops.square(error), axis=(1, 2, 3))
        kept = self.latest[ops.shape(new)[0] :]
        self.latest.assign(ops.reshape(ops.concatenate([kept, new]), self.latest.shape))

    def result(self):
        """Returns nothing: the history contains means."""
        return {}

    def reset_state(self):
        """Does nothing: an epoch replaces all errors before it."""
