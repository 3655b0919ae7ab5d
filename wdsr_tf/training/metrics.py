"""Metrics besides the loss."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("wdsr_tf")
class PSNR(keras.metrics.Mean):
    """Mean PSNR of the images on RGB, peak 255, neither clipped nor rounded: the krasserm/wdsr protocol.

    HR must be cropped to the size of SR.
    """

    def __init__(self, name="psnr", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, hr, sr, sample_weight=None):
        error = ops.cast(hr, "float32") - ops.cast(sr, "float32")
        mse = ops.maximum(ops.mean(ops.square(error), axis=(1, 2, 3)), 1e-10)  # equal images: 148 dB, not infinity
        return super().update_state(10 * ops.log10(255.0**2 / mse))


class ConsecutiveSteps(keras.metrics.Metric):
    """Number of consecutive training steps, up to now, of some kind. Continues across epochs.

    Keras passes images to metrics, not the loss, and those of validation too. So the training step itself counts.
    """

    def __init__(self, name, **kwargs):
        super().__init__(name=name, **kwargs)
        # Devices that share a batch count alike.
        kind = {"dtype": "int32", "aggregation": "only_first_replica"}
        self.steps = self.add_variable((), initializer="zeros", name="steps", **kind)

    def count(self, is_one):
        """Counts a step if `is_one`, and begins anew otherwise."""
        self.steps.assign(ops.where(is_one, self.steps + 1, 0))

    def update_state(self, hr, sr, sample_weight=None):
        """Does nothing: images of any step come here."""

    def result(self):
        return self.steps + 0  # a copy: JAX gives a state's memory away at the next step

    def reset_state(self):
        """Does nothing: Keras resets metrics at every epoch, which such steps may span."""


@keras.saving.register_keras_serializable("wdsr_tf")
class NotFiniteSteps(ConsecutiveSteps):
    """Number of consecutive training steps, up to now, whose loss was infinite or NaN."""

    def __init__(self, name="not_finite_steps", **kwargs):
        super().__init__(name=name, **kwargs)

    def watch(self, compute_loss):
        """Returns a model's `compute_loss` that also counts."""

        def counting(x=None, y=None, y_pred=None, sample_weight=None, training=True):
            loss = compute_loss(x, y, y_pred, sample_weight, training)
            if training:
                self.count(ops.logical_not(ops.isfinite(loss)))
            return loss

        return counting


class ConstantSteps(ConsecutiveSteps):
    """Number of consecutive training steps, up to now, in which SR was one color, or nearly so, and HR wasn't."""

    NEARLY = 0.02  # of HR's standard deviation; padding leaves something at the borders

    def __init__(self, name="constant_steps", **kwargs):
        super().__init__(name=name, **kwargs)

    def watch(self, hr, sr):
        """Counts a step with these images."""
        self.count(_deviation(sr) < self.NEARLY * _deviation(hr))


def _deviation(images):
    """The mean over images and colors of the standard deviation."""
    return ops.mean(ops.std(ops.cast(images, "float32"), axis=(1, 2)))
