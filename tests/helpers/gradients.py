"""Gradients on whichever backend runs."""

import keras
import numpy as np


def squared_error_gradients(layer, x, target):
    """Gradients of mean((layer(x) - target)^2): of x, and then of the layer's trainable variables, as NumPy arrays."""
    variables = [variable.value for variable in layer.trainable_variables]

    def loss(x, values):
        with keras.StatelessScope(state_mapping=zip(layer.trainable_variables, values, strict=True)):
            y = keras.ops.cast(layer(x), "float32")
        return keras.ops.mean(keras.ops.square(y - target))

    x = keras.ops.convert_to_tensor(x)
    if keras.backend.backend() == "jax":
        import jax

        of_x, of_variables = jax.grad(loss, argnums=(0, 1))(x, variables)
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            for variable in variables:
                tape.watch(variable)
            value = loss(x, variables)
        of_x, of_variables = tape.gradient(value, (x, variables))
    return [np.asarray(gradient) for gradient in (of_x, *of_variables)]


def gradient(function, x):
    """Gradient of the scalar `function(x)`, as a NumPy array."""
    x = keras.ops.convert_to_tensor(x)
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(function)(x))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return np.asarray(tape.gradient(value, x))
