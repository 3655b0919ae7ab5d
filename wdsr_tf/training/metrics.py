"""What is watched beside the loss."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("wdsr_tf")
class PSNR(keras.metrics.Mean):
    """Mean over images of the PSNR on RGB, peak 255, neither clipped nor rounded (the `seed` protocol).

    Sees HR cropped to the size of SR.
    """

    def __init__(self, name="psnr", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, hr, sr, sample_weight=None):
        error = ops.cast(hr, "float32") - ops.cast(sr, "float32")
        mse = ops.maximum(ops.mean(ops.square(error), axis=(1, 2, 3)), 1e-10)  # equal images: 148 dB, not infinity
        return super().update_state(10 * ops.log10(255.0**2 / mse))


@keras.saving.register_keras_serializable("wdsr_tf")
class NotFiniteSteps(keras.metrics.Metric):
    """How many training steps on end, up to now, had a loss that is not finite. Runs on across epochs.

    Keras shows metrics the pictures alone, also those of validation: this one counts where `watch` lets it.
    """

    def __init__(self, name="not_finite_steps", **kwargs):
        super().__init__(name=name, **kwargs)
        # Devices that share a batch count alike.
        kind = {"dtype": "int32", "aggregation": "only_first_replica"}
        self.steps = self.add_variable((), initializer="zeros", name="steps", **kind)

    def watch(self, compute_loss):
        """A model's `compute_loss`, counting."""

        def counting(x=None, y=None, y_pred=None, sample_weight=None, training=True):
            loss = compute_loss(x, y, y_pred, sample_weight, training)
            if training:
                self.steps.assign(ops.where(ops.isfinite(loss), 0, self.steps + 1))
            return loss

        return counting

    def update_state(self, hr, sr, sample_weight=None):
        """Does nothing: the pictures do not tell."""

    def result(self):
        return self.steps + 0  # a copy: JAX gives a state's memory away at the next step

    def reset_state(self):
        """Keeps counting: Keras resets metrics at every epoch, a run of broken steps does not care."""
