"""Training batches and whole pictures as `tf.data`: the only place that knows it."""

import math

import numpy as np
import tensorflow as tf

from wdsr_tf.data import div2k

GROUP_BYTES = 2**22  # what one call into Python makes: enough batches that the call itself costs little


def training_dataset(sampler, start=0):
    """`sampler`'s batches from number `start` on: endless, uint8, of its shapes, always in the same order."""
    alike = all(None not in shape for shape in sampler.shapes)  # batches of several scales do not stack
    size = max(1, GROUP_BYTES // sum(map(math.prod, sampler.shapes))) if alike else 1

    def group(k):
        lr, hr = tf.numpy_function(lambda k: sampler.batches(int(k), size), [k], (tf.uint8, tf.uint8))
        return tuple(tf.ensure_shape(x, (size, *shape)) for x, shape in zip((lr, hr), sampler.shapes, strict=True))

    numbers = tf.data.Dataset.range(start, tf.int64.max, size)
    return numbers.map(group, num_parallel_calls=2, deterministic=True).unbatch().prefetch(4)


def full_images(pairs):
    """Every pair in order as one uint8 batch (1, height, width, 3) each, of unknown height and width."""
    pairs = list(pairs)

    def read(i):
        return tuple(np.array(div2k.load(path))[None] for path in (pairs[i].lr, pairs[i].hr))

    def pair(i):
        return tuple(tf.ensure_shape(x, (1, None, None, 3)) for x in tf.numpy_function(read, [i], (tf.uint8, tf.uint8)))

    return tf.data.Dataset.range(len(pairs)).map(pair, num_parallel_calls=2, deterministic=True).prefetch(2)
