"""What `fit` is fed with: `tf.data` where TensorFlow is installed, plain Python where only JAX is.

Both give the same batches in the same order: those of the sampler.
"""

import importlib.util

import keras
import numpy as np

from wdsr_tf.data import div2k
from wdsr_tf.data.sampler import read_ahead

HAS_TENSORFLOW = importlib.util.find_spec("tensorflow") is not None


def endless(sampler, start=0):
    """The sampler's batches from number `start` on, without end."""
    if HAS_TENSORFLOW:
        from wdsr_tf.data.pipeline import training_dataset

        return training_dataset(sampler, start)
    return read_ahead(sampler, start)


def first(sampler, count):
    """The sampler's first `count` batches, the same in every reading."""
    if HAS_TENSORFLOW:
        from wdsr_tf.data.pipeline import training_dataset

        return training_dataset(sampler).take(count)
    return Batches(sampler.batch, count)


def full_images(pairs, copies=1):
    """Every pair, whole, as a batch of `copies` of one picture: devices that share batches want one each."""
    if HAS_TENSORFLOW:
        from wdsr_tf.data import pipeline

        return pipeline.full_images(pairs, copies)

    def batch(k):
        return tuple(np.stack([div2k.load(path)] * copies) for path in (pairs[k].lr, pairs[k].hr))

    return Batches(batch, len(pairs))


class Batches(keras.utils.PyDataset):
    """Batch k is `batch(k)`; `count` of them, the same in every reading."""

    def __init__(self, batch, count):
        super().__init__()
        self.batch = batch
        self.count = count

    @property
    def num_batches(self):
        return self.count

    def __getitem__(self, k):
        return self.batch(k)
