"""Batch normalization with the running variance of PyTorch."""

import math

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("wdsr_tf")
class TorchBatchNormalization(layers.BatchNormalization):
    """Batch normalization whose moving variance is PyTorch's: of the unbiased estimate, n / (n - 1) of Keras's.

    A batch is normalized by the biased estimate in both. The defaults are PyTorch's too; its momentum is 1 - Keras's.
    """

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-5, **kwargs):
        super().__init__(momentum=momentum, epsilon=epsilon, **kwargs)

    def call(self, inputs, training=None, mask=None):
        kept = self.momentum * self.moving_variance  # before Keras adds the batch's share
        outputs = super().call(inputs, training=training, mask=mask)
        if training and self.trainable:
            count = ops.cast(math.prod(ops.shape(inputs)[:-1]), self.moving_variance.dtype)
            share = self.moving_variance - kept
            self.moving_variance.assign(kept + share * (count / ops.maximum(count - 1, 1)))
        return outputs
