"""Gradients on either backend, TensorFlow or JAX."""

import keras
import numpy as np


def squared_error_gradients(layer, x, target):
    """Returns the gradients of mean((layer(x) - target)^2) with respect to x and the layer's trainable variables."""
    variables = [variable.value for variable in layer.trainable_variables]

    def loss(x, values):
        with keras.StatelessScope(state_mapping=zip(layer.trainable_variables, values, strict=True)):
            y = keras.ops.cast(layer(x), "float32")
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
