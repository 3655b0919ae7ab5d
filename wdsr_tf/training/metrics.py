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


@keras.saving.register_keras_serializable("wdsr_tf")
class NotFiniteSteps(keras.metrics.Metric):
    """Number of consecutive training steps, up to now, whose loss was infinite or NaN. Continues across epochs.

    Keras passes images to metrics, not the loss, and those of validation too. So this one counts in `watch`.
    """

    def __init__(self, name="not_finite_steps", **kwargs):
        super().__init__(name=name, **kwargs)
        # Devices that share a batch count alike.
        kind = {"dtype": "int32", "aggregation": "only_first_replica"}
        self.steps = self.add_variable((), initializer="zeros", name="steps", **kind)

    def watch(self, compute_loss):
        """Returns a model's `compute_loss` that also counts."""

        def counting(x=None, y=None, y_pred=None, sample_weight=None, training=True):
            loss = compute_loss(x, y, y_pred, sample_weight, training)
            if training:
                self.steps.assign(ops.where(ops.isfinite(loss), 0, self.steps + 1))
            return loss

        return counting

    def update_state(self, hr, sr, sample_weight=None):
        """Does nothing: images don't tell."""

    def result(self):
        return self.steps + 0  # a copy: JAX gives a state's memory away at the next step

    def reset_state(self):
        """Does nothing: Keras resets metrics at every epoch, which broken steps may span."""
