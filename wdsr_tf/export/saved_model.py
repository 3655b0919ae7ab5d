"""TensorFlow's SavedModel. Its signature `serving_default` takes `lr`, returns `sr`, and needs no code of ours."""

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.models import SRModel

ANY_SIZE = (None, None, None, 3)


def write(model: SRModel, path: Path, *, half: bool, image: bool, tile: int | None) -> None:
    save(model, path, half=half, image=image)


def opened(path: Path) -> Callable:
    serve = _tensorflow().saved_model.load(path).signatures["serving_default"]
    return lambda lr: serve(lr=_tensorflow().constant(lr))["sr"].numpy()


def save(model: SRModel, path: str | Path, shape: tuple = ANY_SIZE, *, half: bool = False, image: bool = False) -> None:
    """Writes a model to a folder.

    Args:
        model: in float32.
        path: of the folder.
        shape: of the inputs (N, H, W, 3); None is any length.
        half: whether to store float16 weights; the model computes in float32 in any case.
        image: whether the model takes and returns uint8, clipped and rounded.
    """
    tf = _tensorflow()
    module = tf.Module()
    read = _used_weights(model)
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
    with _without_log_messages():
        tf.saved_model.save(module, str(path), signatures={"serving_default": serve})


def _used_weights(model):
    """Leaves out the weights of other scales, and those that only training needs."""
    tf = _tensorflow()
    run = tf.function(lambda lr: model(lr, training=False))
    read = {id(variable) for variable in run.get_concrete_function(tf.TensorSpec(ANY_SIZE, "float32")).variables}
    return [weight for weight in model.variables if id(weight.value) in read]


def _halved(value):
    return value.astype("float16") if np.issubdtype(value.dtype, np.floating) else value


@contextlib.contextmanager
def _without_log_messages():
    """TensorFlow logs what it writes."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)


def _tensorflow():
    if keras.config.backend() != "tensorflow":
        raise InputError(
            f"The formats saved_model and litert need TensorFlow, but Keras runs on {keras.config.backend()}. Unset "
            "KERAS_BACKEND."
        )
    import tensorflow

    return tensorflow
