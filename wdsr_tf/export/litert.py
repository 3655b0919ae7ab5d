"""LiteRT (TensorFlow Lite): one tile of a fixed size, builtin operators alone."""

import tempfile

from wdsr_tf.errors import InputError
from wdsr_tf.export import saved_model


def write(model, path, *, half, image, tile):
    """`half` keeps the weights in float16; runtimes compute in float32 unless they are told otherwise."""
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
        except Exception as error:  # the converter raises whatever the layer led to
            raise InputError(
                f"TensorFlow's converter cannot write {model.architecture} with builtin operators alone: {error}"
            ) from error


def opened(path):
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(model_path=str(path)).get_signature_runner("serving_default")
    return lambda lr: run(lr=lr)["sr"]
