"""Feeds `fit`: with `tf.data` if TensorFlow is installed, else in plain Python.

Both give the sampler's batches, in the same order.
"""

import importlib.util
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

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


def epoch(sampler):
    """Returns the batches of one epoch of an `OracleSampler`: in each iteration, of the epoch that it is at then."""
    if HAS_TENSORFLOW:
        from wdsr_tf.data.pipeline import epoch_dataset

        return epoch_dataset(sampler)
    return Epoch(sampler)


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


class Epoch(keras.utils.PyDataset):
    """The batches of an `OracleSampler`'s epoch, while a thread makes the next `ahead` ones of the same epoch."""

    def __init__(self, sampler, ahead: int = 4):
        super().__init__()
        self.sampler = sampler
        self.ahead = ahead
        self.thread = ThreadPoolExecutor(1)
        self.coming = {}

    @property
    def num_batches(self):
        return self.sampler.steps

    def __getitem__(self, i):
        first, stop = self.sampler.first, min(i + 1 + self.ahead, self.sampler.steps)
        self.coming = {
            k: self.coming.get(k) or self.thread.submit(self.sampler.batch, k) for k in range(first + i, first + stop)
        }
        return self.coming.pop(first + i).result()
