"""Gradients on either backend, TensorFlow or JAX."""

import keras
import numpy as np


def squared_error_gradients(layer, x, target, **arguments):
    """Returns the gradients of mean((layer(x) - target)^2) with respect to x and the layer's trainable variables.

    What the call assigns to other variables is forgotten. `arguments` are more of the call's, such as `training`.
    """
    variables = [variable.value for variable in layer.trainable_variables]

    def loss(x, values):
        with keras.StatelessScope(state_mapping=zip(layer.trainable_variables, values, strict=True)):
            y = keras.ops.cast(layer(x, **arguments), "float32")
        return keras.ops.mean(keras.ops.square(y - target))

    x = keras.ops.convert_to_tensor(x)
    if keras.backend.backend() == "jax":
        import jax

        x_gradient, gradients = jax.grad(loss, argnums=(0, 1))(x, variables)
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            for variable in variables:
                tape.watch(variable)
            value = loss(x, variables)
        x_gradient, gradients = tape.gradient(value, (x, variables))
    return [np.asarray(gradient) for gradient in (x_gradient, *gradients)]


def gradient(function, x):
    """Returns the gradient of the scalar `function(x)` as a NumPy array."""
    x = keras.ops.convert_to_tensor(x)
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(function)(x))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return np.asarray(tape.gradient(value, x))


def gradient_of_penalty(function, x):
    """Returns the gradient of |gradient of the scalar `function(x)`|^2 as a NumPy array."""
    x = keras.ops.convert_to_tensor(x)
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(lambda x: keras.ops.sum(keras.ops.square(jax.grad(function)(x))))(x))
    import tensorflow as tf

    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            value = function(x)
        penalty = tf.reduce_sum(tf.square(inner.gradient(value, x)))
    return np.asarray(outer.gradient(penalty, x))
