"""Training batches as `tf.data`."""

import math

import tensorflow as tf

GROUP_BYTES = 2**22  # made by one call into Python: enough batches that the call itself costs little ...
GROUP = 64  # ... but not more, because the first one waits for all


def training_dataset(sampler, start: int = 0) -> tf.data.Dataset:
    """Returns the sampler's batches from number `start` on: endless, of its dtype and shapes, always in one order.

    TensorFlow isn't told the number of patches in a batch: where it knows all sizes and expects more than 205 MB, its
    memory optimizer adds up gradients in the order in which they arrive, and two equal trainings differ.
    """
    size = _group_size(sampler)
    return _dataset(sampler, range(start, tf.int64.max, size), lambda k: sampler.batches(k, size), size)


def epoch_dataset(sampler) -> tf.data.Dataset:
    """Returns the batches of one epoch of an `OracleSampler`: in each iteration, of the epoch that it is at then.

    It ends with the epoch. If it went on, it would have to wait for the next epoch, and would block threads of
    TensorFlow with which the epoch should end.
    """
    size = _group_size(sampler)

    def group(i):
        return sampler.batches(sampler.first + i, min(size, sampler.steps - i))

    dataset = _dataset(sampler, range(0, sampler.steps, size), group)
    return dataset.apply(tf.data.experimental.assert_cardinality(sampler.steps))


def _group_size(sampler):
    """The number of batches to make by one call into Python."""
    if any(None in shape for shape in sampler.shapes):
        return 1  # batches of several scales don't stack
    numbers = sum(map(math.prod, sampler.shapes))
    return max(1, min(GROUP, GROUP_BYTES // (tf.as_dtype(sampler.dtype).size * numbers)))


def _dataset(sampler, numbers, group, size=None):
    """The batches in `group(number)` for all `numbers`; `size` is their number in each group, if it's always the same.

    The size of a batch stays unknown; see `training_dataset`.
    """
    dtype = tf.as_dtype(sampler.dtype)

    def batches(number):
        found = tf.numpy_function(lambda number: group(int(number)), [number], (dtype, dtype))
        shapes = ((size, None, *patch) for _, *patch in sampler.shapes)
        return tuple(tf.ensure_shape(x, shape) for x, shape in zip(found, shapes, strict=True))

    made = tf.data.Dataset.range(numbers.start, numbers.stop, numbers.step)
    return made.map(batches, num_parallel_calls=2, deterministic=True).unbatch().prefetch(4)
