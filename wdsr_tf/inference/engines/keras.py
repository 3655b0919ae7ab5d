"""The Keras model itself, compiled for inference by its backend."""

import contextlib
import functools
import importlib

import keras
import numpy as np

from wdsr_tf import checkpoint as checkpoints
from wdsr_tf.errors import OutOfMemory
from wdsr_tf.inference.engines import Engine
from wdsr_tf.inference.engines.devices import AUTO, AUTOMATIC, check_found
from wdsr_tf.models import fold, is_plain, receptive_field
from wdsr_tf.system import memory

EXHAUSTED = ("MemoryError", "RESOURCE_EXHAUSTED", "ResourceExhaustedError", "Out of memory", "OOM when allocating")


def load(path, precision="float32", *, log=None, device=AUTOMATIC):
    """Opens the checkpoint at `path`, with its convolutions folded into plain ones."""
    if device.is_gpu:
        check_found(device, gpus(), "keras")
    with dtype_policy(precision), _on(device):
        model = checkpoints.load(path)
        return of_model(model if is_plain(model.hyperparameters) else fold(model), device)


def of_model(model, device=AUTOMATIC):
    """An `Engine` for a model in memory, which uses the weights that it has when it runs."""
    if device.is_gpu:
        check_found(device, gpus(), "keras")
    return Engine(
        "keras",
        "float16" if "float16" in model.dtype_policy.name else "float32",
        model.architecture,
        model.scale,
        receptive_field.of_graph(model),
        _translated(_compiled(model), device),
        functools.partial(free_memory, device),
    )


def gpus():
    """The backend's names of the GPUs that it can use."""
    try:
        return keras.distribution.list_devices("gpu")
    except RuntimeError:  # JAX, without any
        return []


def _on(device):
    """A context in which the backend runs on `device`, or on what it chooses."""
    if device.kind == AUTO:
        return contextlib.nullcontext()
    return keras.device(f"{device.kind}:{device.number}")


@contextlib.contextmanager
def dtype_policy(precision):
    """Sets the dtype policy of new layers meanwhile."""
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


def _translated(run, device=AUTOMATIC):
    """`run` on float32 and `device` that raises OutOfMemory for the backends' own errors."""

    def translated(lr):
        try:
            with _on(device):
                return run(np.asarray(lr, "float32"))
        except Exception as error:  # each backend has classes of its own
            if any(words in f"{type(error).__name__} {error}" for words in EXHAUSTED):
                raise OutOfMemory(str(error)) from None
            raise

    return translated


def free_memory(device=AUTOMATIC):
    """Free bytes of the accelerator, or of the system if there is none or `device` is the CPU."""
    if device.kind == "cpu":
        return memory.free()
    if keras.config.backend() == "jax":
        import jax

        figures = jax.local_devices()[device.number].memory_stats() or {}
        if "bytes_limit" in figures:
            return figures["bytes_limit"] - figures["bytes_in_use"]
    if keras.config.backend() == "tensorflow":
        tf = importlib.import_module("tensorflow")
        if tf.config.list_logical_devices("GPU"):
            from tensorflow.python.client import device_lib

            limit = min(d.memory_limit for d in device_lib.list_local_devices() if d.device_type == "GPU")
            return limit - tf.config.experimental.get_memory_info(f"GPU:{device.number}")["current"]
    return memory.free()
