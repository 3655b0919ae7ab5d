"""Training batches and whole pictures as `tf.data`: the only place that knows it."""

import math

import numpy as np
import tensorflow as tf

from wdsr_tf.data import div2k

GROUP_BYTES = 2**22  # what one call into Python makes: enough batches that the call itself costs little ...
GROUP = 64  # ... and no more, lest the first one be waited for


def training_dataset(sampler, start=0):
    """`sampler`'s batches from number `start` on: endless, of its dtype and shapes, always in the same order."""
    dtype = tf.as_dtype(sampler.dtype)
    alike = all(None not in shape for shape in sampler.shapes)  # batches of several scales do not stack
    size = 1
    if alike:
        size = max(1, min(GROUP, GROUP_BYTES // (dtype.size * sum(map(math.prod, sampler.shapes)))))

    def group(k):
        lr, hr = tf.numpy_function(lambda k: sampler.batches(int(k), size), [k], (dtype, dtype))
        return tuple(tf.ensure_shape(x, (size, *shape)) for x, shape in zip((lr, hr), sampler.shapes, strict=True))

    numbers = tf.data.Dataset.range(start, tf.int64.max, size)
    return numbers.map(group, num_parallel_calls=2, deterministic=True).unbatch().prefetch(4)


def full_images(pairs, copies=1):
    """Every pair in order as one uint8 batch (copies, height, width, 3) each, of unknown height and width."""
    pairs = list(pairs)

    def read(i):
        return tuple(np.stack([div2k.load(path)] * copies) for path in (pairs[i].lr, pairs[i].hr))

    def pair(i):
        found = tf.numpy_function(read, [i], (tf.uint8, tf.uint8))
        return tuple(tf.ensure_shape(x, (copies, None, None, 3)) for x in found)

    return tf.data.Dataset.range(len(pairs)).map(pair, num_parallel_calls=2, deterministic=True).prefetch(2)
