"""What `fit` is fed with: `tf.data` where TensorFlow is installed, plain Python where only JAX is.

Both give the same batches in the same order: those of the sampler.
"""

import importlib.util

import keras
import numpy as np

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


def full_images(pairs):
    """Every pair, whole, as a batch of one picture."""
    if HAS_TENSORFLOW:
        from wdsr_tf.data import pipeline

        return pipeline.full_images(pairs)
    return Batches(lambda k: (np.load(pairs[k].lr)[None], np.load(pairs[k].hr)[None]), len(pairs))


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
