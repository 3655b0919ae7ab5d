"""Training of one network at several scales, as for CARN and DRRN: each step runs at the scale of its batch."""

import numpy as np
from keras import ops

from wdsr_tf.errors import InputError
from wdsr_tf.models.carn import Upsampler
from wdsr_tf.models.luma import PreUpscale
from wdsr_tf.training import devices


def train_at(model, scales):
    """Makes every training step of the compiled `model` run at the scale of its batch, one of `scales`.

    Everything else, such as validation, keeps the model's own scale.

    Raises:
        InputError: If the weights of the model depend on the scale.
    """
    scaling = [layer for layer in model.layers if isinstance(layer, (Upsampler, PreUpscale))]
    own_step = model.train_step

    def at(scale, run, *arguments):
        """Returns `run(*arguments)` with the network at `scale`, which functions traced meanwhile keep."""
        try:
            for layer in scaling:
                layer.scale = scale
            return run(*arguments)
        finally:
            for layer in scaling:
                layer.scale = model.scale

    def train_step(*arguments):
        *state, (lr, hr) = arguments  # JAX has a state

        def step(scale):
            size = (-1, lr.shape[1] * scale, lr.shape[2] * scale, 3)
            return at(scale, own_step, *state, (lr, ops.reshape(hr, size)))

        if hr.shape[1] is not None:  # JAX traces each shape
            return step(hr.shape[1] // lr.shape[1])
        found = ops.shape(hr)[1] // lr.shape[1]
        index = sum(ops.cast(found > scale, "int32") for scale in scales)
        return ops.switch(index, [lambda scale=scale: step(scale) for scale in sorted(scales)])

    for scale in scales:
        try:
            sr = at(scale, model, np.zeros((1, 8, 8, 3)))
        except Exception:  # whatever the first layer that doesn't fit raises
            sr = None
        if sr is None or sr.shape != (1, 8 * scale, 8 * scale, 3):
            raise InputError(
                f"{model.architecture} has other weights at x{scale} than at x{model.scale}, so it can't be trained at "
                "both. carn and carn-m can with multi_scale=True, and drrn and srcnn as they are."
            )
    model.train_step = train_step
    # Keras builds loss and metrics from its first batch, which must be of the network's own scale.
    count = devices.local_count()
    model.test_on_batch(np.zeros((count, 8, 8, 3)), np.zeros((count, 8 * model.scale, 8 * model.scale, 3)))
