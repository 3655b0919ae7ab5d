"""LiteRT (TensorFlow Lite) for tiles of a fixed size, with builtin operators only."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from wdsr_tf.errors import InputError
from wdsr_tf.export import saved_model
from wdsr_tf.export.description import sentence
from wdsr_tf.export.form import Form
from wdsr_tf.export.int8 import Calibration
from wdsr_tf.files import temporary_folder
from wdsr_tf.models import SRModel


def write(model: SRModel, path: Path, form: Form) -> None:
    """Writes `model` for tiles. float16 is stored only; runtimes compute in float32 unless they are told otherwise."""
    with _converter(model, form) as converter:
        if form.half:
            import tensorflow as tf

            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        path.write_bytes(_described(converter.convert(), model, form))


def write_int8(model: SRModel, path: Path, form: Form, calibration: Calibration) -> None:
    """Writes `model` with int8 weights, whose convolutions find the ranges of their int8 inputs as they run.

    So the file depends on no calibration images, which only its loss is measured on. Ranges that are fixed beforehand
    cost these networks several times as many dB: the converter doesn't smooth channels as `quantize.py` does.
    """
    import tensorflow as tf

    with _converter(model, form) as converter:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        path.write_bytes(_described(converter.convert(), model, form))


def opened(path: Path) -> Callable:
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(model_path=str(path)).get_signature_runner("serving_default")
    return lambda lr: run(lr=lr)["sr"]


@contextlib.contextmanager
def _converter(model: SRModel, form: Form) -> Iterator:
    """Yields TensorFlow's converter for `model`, and translates what it raises."""
    import tensorflow as tf

    with temporary_folder() as folder:
        saved_model.save(model, folder, form)
        try:
            converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=["serving_default"])
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
            yield converter
        except Exception as error:  # the converter raises many types
            raise InputError(
                f"TensorFlow's converter can't write {model.architecture} with builtin operators only: {error}"
            ) from error


def _described(content, model, form):
    from tensorflow.lite.tools import flatbuffer_utils

    network = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    network.description = sentence(model, form)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(network))
