"""Training batches as `tf.data`."""

import math

import tensorflow as tf

GROUP_BYTES = 2**22  # made by one call into Python: enough batches that the call itself costs little ...
GROUP = 64  # ... but not more, because the first one waits for all


def training_dataset(sampler, start: int = 0) -> tf.data.Dataset:
    """Returns the sampler's batches from number `start` on: endless, of its dtype and shapes, always in one order."""
    dtype = tf.as_dtype(sampler.dtype)
    alike = all(None not in shape for shape in sampler.shapes)  # batches of several scales don't stack
    size = 1
    if alike:
        size = max(1, min(GROUP, GROUP_BYTES // (dtype.size * sum(map(math.prod, sampler.shapes)))))

    def group(k):
        lr, hr = tf.numpy_function(lambda k: sampler.batches(int(k), size), [k], (dtype, dtype))
        return tuple(tf.ensure_shape(x, (size, *shape)) for x, shape in zip((lr, hr), sampler.shapes, strict=True))

    numbers = tf.data.Dataset.range(start, tf.int64.max, size)
    return numbers.map(group, num_parallel_calls=2, deterministic=True).unbatch().prefetch(4)
