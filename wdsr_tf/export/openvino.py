"""OpenVINO's IR, a pair of .xml and .bin files. Converted from the model's ONNX graph."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from wdsr_tf.export.description import described
from wdsr_tf.export.form import Form
from wdsr_tf.export.int8 import Calibration
from wdsr_tf.export.onnx import to_onnx
from wdsr_tf.models import SRModel
from wdsr_tf.system.openvino import load_openvino


def write(model: SRModel, path: Path, form: Form) -> None:
    """Writes `model`. float16 is stored only; the precision of computing is a setting of the runtime."""
    _save(_read(model, form), model, path, form)


def write_int8(model: SRModel, path: Path, form: Form, calibration: Calibration) -> None:
    """Writes `model` with int8 convolutions, for the ranges that values have in the calibration images."""
    from wdsr_tf.inference.engines.quantize import quantized

    _save(quantized(_read(model, form), calibration.patches(form)), model, path, form)


def opened(path: Path) -> Callable:
    # Without the hint, CPUs with bfloat16 instructions would compute in bfloat16.
    network = load_openvino().Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda lr: network(lr)[0]


def _read(model, form):
    return load_openvino().Core().read_model(to_onnx(model, _computed(form)).SerializeToString())


def _save(network, model, path, form):
    for key, value in described(model, form).items():
        network.set_rt_info(value, ["wdsr_tf", key])
    load_openvino().save_model(network, path, compress_to_fp16=form.half)


def _computed(form):
    """The same input and output in float32, in which OpenVINO computes."""
    return dataclasses.replace(form, precision="float32")
