"""Feeds `fit`: with `tf.data` if TensorFlow is installed, else in plain Python.

Both give the sampler's batches, in the same order.
"""

import importlib.util
from collections.abc import Callable

import keras

from wdsr_tf.data.sampler import read_ahead

HAS_TENSORFLOW = importlib.util.find_spec("tensorflow") is not None


def endless(sampler, start: int = 0):
    """Returns the sampler's batches from number `start` on, without end."""
    if HAS_TENSORFLOW:
        from wdsr_tf.data.pipeline import training_dataset

        return training_dataset(sampler, start)
    return read_ahead(sampler, start)


def first(sampler, count: int):
    """Returns the sampler's first `count` batches, the same in every iteration."""
    if HAS_TENSORFLOW:
        from wdsr_tf.data.pipeline import training_dataset

        return training_dataset(sampler).take(count)
    return Batches(sampler.batch, count)


class Batches(keras.utils.PyDataset):
    """`count` batches, the same in every iteration; batch k is `batch(k)`."""

    def __init__(self, batch: Callable, count: int):
        super().__init__()
        self.batch = batch
        self.count = count

    @property
    def num_batches(self):
        return self.count

    def __getitem__(self, k):
        return self.batch(k)
