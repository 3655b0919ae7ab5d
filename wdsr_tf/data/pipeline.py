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
    dtype = tf.as_dtype(sampler.dtype)
    alike = all(None not in shape for shape in sampler.shapes)  # batches of several scales don't stack
    size = 1
    if alike:
        size = max(1, min(GROUP, GROUP_BYTES // (dtype.size * sum(map(math.prod, sampler.shapes)))))

    def group(k):
        lr, hr = tf.numpy_function(lambda k: sampler.batches(int(k), size), [k], (dtype, dtype))
        shapes = ((size, None, *patch) for _, *patch in sampler.shapes)
        return tuple(tf.ensure_shape(x, shape) for x, shape in zip((lr, hr), shapes, strict=True))

    numbers = tf.data.Dataset.range(start, tf.int64.max, size)
    return numbers.map(group, num_parallel_calls=2, deterministic=True).unbatch().prefetch(4)
