"""LiteRT (TensorFlow Lite) for tiles of a fixed size, with builtin operators only."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from wdsr_tf.errors import InputError
from wdsr_tf.export import saved_model
from wdsr_tf.models import SRModel


def write(model: SRModel, path: Path, *, half: bool, image: bool, tile: int) -> None:
    """Writes `model` for inputs of `tile` x `tile` pixels.

    `half` stores float16 weights; runtimes compute in float32 unless they are told otherwise.
    """
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        saved_model.save(model, folder, (1, tile, tile, 3), image=image)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serving_default"])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if half:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        try:
            path.write_bytes(converter.convert())
        except Exception as error:  # the converter raises many types
            raise InputError(
                f"TensorFlow's converter can't write {model.architecture} with builtin operators only: {error}"
            ) from error


def opened(path: Path) -> Callable:
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(model_path=str(path)).get_signature_runner("serving_default")
    return lambda lr: run(lr=lr)["sr"]
