"""TensorFlow's SavedModel: the signature `serving_default` takes `lr` and returns `sr`, without this house's code."""

import contextlib
import logging

import keras
import numpy as np

from wdsr_tf.errors import InputError

ANY_SIZE = (None, None, None, 3)


def write(model, path, *, half, image, tile):
    save(model, path, half=half, image=image)


def opened(path):
    serve = _tensorflow().saved_model.load(path).signatures["serving_default"]
    return lambda lr: serve(lr=_tensorflow().constant(lr))["sr"].numpy()


def save(model, path, shape=ANY_SIZE, *, half=False, image=False):
    """Writes the network for inputs of `shape`; `half` keeps the weights in float16 and computes in float32."""
    tf = _tensorflow()
    module = tf.Module()
    read = _weights_that_are_read(model)
    values = [keras.ops.convert_to_numpy(weight) for weight in read]
    module.weights = [tf.Variable(_halved(value) if half else value, trainable=False) for value in values]

    @tf.function(input_signature=[tf.TensorSpec(shape, "uint8" if image else "float32", name="lr")])
    def serve(lr):
        weights = [tf.cast(kept, weight.dtype) for weight, kept in zip(read, module.weights, strict=True)]
        with keras.StatelessScope(state_mapping=list(zip(read, weights, strict=True))):
            sr = model(tf.cast(lr, "float32"), training=False)
        if image:
            sr = tf.cast(tf.round(tf.clip_by_value(sr, 0.0, 255.0)), "uint8")
        return {"sr": sr}

    module.serve = serve
    with _without_chatter():
        tf.saved_model.save(module, str(path), signatures={"serving_default": serve})


def _weights_that_are_read(model):
    """Not those of other scales, nor what only training needs."""
    tf = _tensorflow()
    run = tf.function(lambda lr: model(lr, training=False))
    read = {id(variable) for variable in run.get_concrete_function(tf.TensorSpec(ANY_SIZE, "float32")).variables}
    return [weight for weight in model.variables if id(weight.value) in read]


def _halved(value):
    return value.astype("float16") if np.issubdtype(value.dtype, np.floating) else value


@contextlib.contextmanager
def _without_chatter():
    """TensorFlow tells what it writes where, and how fast."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)


def _tensorflow():
    if keras.config.backend() != "tensorflow":
        raise InputError(
            f"TensorFlow writes the formats saved_model and litert, and Keras runs on {keras.config.backend()}: "
            "leave KERAS_BACKEND unset"
        )
    import tensorflow

    return tensorflow
