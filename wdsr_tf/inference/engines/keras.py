"""The Keras model itself, compiled for inference by its backend."""

import contextlib
import importlib

import keras
import numpy as np

from wdsr_tf import checkpoint as checkpoints
from wdsr_tf.errors import OutOfMemory
from wdsr_tf.inference.engines import Engine
from wdsr_tf.models import fold, receptive_field
from wdsr_tf.system import memory

EXHAUSTED = ("MemoryError", "RESOURCE_EXHAUSTED", "ResourceExhaustedError", "Out of memory", "OOM when allocating")


def load(path, precision="float32", *, log=None):
    """Opens the checkpoint at `path`, with weight normalization folded into the kernels."""
    with _policy(precision):
        model = checkpoints.load(path)
        return of_model(fold(model) if model.hyperparameters.get("weight_norm") else model)


def of_model(model):
    """An `Engine` for a model in memory, which uses the weights that it has when it runs."""
    return Engine(
        "keras",
        "float16" if "float16" in model.dtype_policy.name else "float32",
        model.architecture,
        model.scale,
        receptive_field.of_graph(model),
        _translated(_compiled(model)),
        free_memory,
    )


@contextlib.contextmanager
def _policy(precision):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _compiled(model):
    """A function on arrays: with TensorFlow one graph for all sizes, without XLA; else compiled for each size."""
    if keras.config.backend() == "tensorflow":
        tf = importlib.import_module("tensorflow")
        signature = [tf.TensorSpec((None, None, None, 3), "float32")]
        run = tf.function(lambda lr: model(lr, training=False), input_signature=signature, jit_compile=False)
        return lambda lr: run(lr).numpy()

    if keras.config.backend() == "jax":
        import jax

        @jax.jit
        def run(trainable, rest, lr):
            return model.stateless_call(trainable, rest, lr, training=False)[0]

        def of_arrays(lr):
            weights = ([v.value for v in kind] for kind in (model.trainable_variables, model.non_trainable_variables))
            return np.asarray(run(*weights, lr))

        return of_arrays

    return lambda lr: keras.ops.convert_to_numpy(model(lr, training=False))


def _translated(run):
    """`run` on float32 that raises OutOfMemory for the backends' own errors."""

    def translated(lr):
        try:
            return run(np.asarray(lr, "float32"))
        except Exception as error:  # each backend has classes of its own
            if any(words in f"{type(error).__name__} {error}" for words in EXHAUSTED):
                raise OutOfMemory(str(error)) from None
            raise

    return translated


def free_memory():
    """Free bytes of the accelerator, or of the system if there is none."""
    if keras.config.backend() == "jax":
        import jax

        figures = jax.local_devices()[0].memory_stats() or {}
        if "bytes_limit" in figures:
            return figures["bytes_limit"] - figures["bytes_in_use"]
    if keras.config.backend() == "tensorflow":
        tf = importlib.import_module("tensorflow")
        if tf.config.list_logical_devices("GPU"):
            from tensorflow.python.client import device_lib

            limit = min(d.memory_limit for d in device_lib.list_local_devices() if d.device_type == "GPU")
            return limit - tf.config.experimental.get_memory_info("GPU:0")["current"]
    return memory.free()
