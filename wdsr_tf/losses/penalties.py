"""Penalties on a discriminator's gradient with respect to its input, which can be differentiated again.

Images are RGB in 0..255 as everywhere, but gradients are those with respect to images in 0..1, as published. Neither
penalty has its weight: WGAN-GP's is 10, and R1's is gamma / 2.

`discriminator(images)` returns logits. Let it call the network with `training=False`: a penalty calls it once more for
the same step, and that mustn't move batch statistics or the vectors of spectral normalization.
"""

import keras
from keras import ops


def gradient_penalty(discriminator, hr, sr, random, axes=(1, 2, 3)):
    """Returns the mean of (|gradient| - 1)^2 between HR and SR, as a float32 scalar.

    Gulrajani et al., NeurIPS 2017, https://arxiv.org/abs/1704.00028.

    Args:
        discriminator: Function from images to logits.
        hr: The HR images.
        sr: The SR images.
        random: For each image, a number in 0..1: the share of HR at the point where the gradient is taken.
        axes: The axes that a norm extends over. The default is the paper's: one norm for each image. BasicSR takes one
            for each pixel: `axes=(-1,)`.
    """
    hr, sr = ops.cast(hr, "float32"), ops.cast(sr, "float32")
    random = ops.reshape(ops.cast(random, "float32"), (-1, 1, 1, 1))
    gradient = _gradient(discriminator, random * hr + (1 - random) * sr)
    squares = ops.sum(ops.square(gradient), axis=axes)
    norm = ops.sqrt(ops.maximum(squares, 1e-24))  # the derivative of the square root at 0 is infinite
    return ops.mean(ops.square(norm - 1))


def r1(discriminator, hr):
    """Returns the mean over the batch of the squared norm of the gradient at HR, as a float32 scalar.

    Mescheder et al., ICML 2018, https://arxiv.org/abs/1801.04406.

    Args:
        discriminator: Function from images to logits.
        hr: The HR images.
    """
    gradient = _gradient(discriminator, ops.cast(hr, "float32"))
    return ops.mean(ops.sum(ops.square(gradient), axis=(1, 2, 3)))


def _gradient(discriminator, images):
    """Returns the gradient of the sum of all logits with respect to images in 0..1."""

    def total(images):
        return ops.sum(ops.cast(discriminator(images), "float32"))

    if keras.backend.backend() == "jax":
        import jax

        gradient = jax.grad(total)(images)
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(images)
            value = total(images)
        gradient = tape.gradient(value, images)
    return 255 * ops.cast(gradient, "float32")
