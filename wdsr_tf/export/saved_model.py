"""TensorFlow's SavedModel. Its signature `serving_default` takes `lr`, returns `sr`, and needs no code of ours."""

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.export.form import Form
from wdsr_tf.models import SRModel

ANY_SIZE = (None, None, None, 3)


def write(model: SRModel, path: Path, form: Form) -> None:
    save(model, path, form)


def opened(path: Path) -> Callable:
    serve = _tensorflow().saved_model.load(path).signatures["serving_default"]
    return lambda lr: serve(lr=_tensorflow().constant(lr))["sr"].numpy()


def save(model: SRModel, path: str | Path, form: Form) -> None:
    """Writes a model to a folder.

    Args:
        model: in float32.
        path: of the folder.
        form: what the result takes and returns. It computes in float32 in any case.
    """
    tf = _tensorflow()
    module = tf.Module()
    read = _used_weights(model)
    values = [keras.ops.convert_to_numpy(weight) for weight in read]
    module.weights = [tf.Variable(_halved(value) if form.half else value, trainable=False) for value in values]
    shape = form.shape(1, *form.tile) if form.tile else form.shape(None, None, None)

    @tf.function(input_signature=[tf.TensorSpec(shape, form.dtype, name="lr")])
    def serve(lr):
        lr = tf.transpose(lr, (0, 2, 3, 1)) if form.is_planar else lr
        lr = lr if form.white == 255 else lr * (255 / form.white)
        weights = [tf.cast(kept, weight.dtype) for weight, kept in zip(read, module.weights, strict=True)]
        with keras.StatelessScope(state_mapping=list(zip(read, weights, strict=True))):
            sr = model(tf.cast(lr, "float32"), training=False)
        if form.image:
            sr = tf.cast(tf.round(tf.clip_by_value(sr, 0.0, 255.0)), "uint8")
        sr = sr if form.white == 255 else sr * (form.white / 255)
        return {"sr": tf.transpose(sr, (0, 3, 1, 2)) if form.is_planar else sr}

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
