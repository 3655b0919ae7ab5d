"""OpenVINO's IR, a pair of .xml and .bin files, for images of any size. Converted from the model's ONNX graph."""

from collections.abc import Callable
from pathlib import Path

from wdsr_tf.export.onnx import to_onnx
from wdsr_tf.models import SRModel
from wdsr_tf.system.openvino import load_openvino


def write(model: SRModel, path: Path, *, half: bool, image: bool, tile: int | None) -> None:
    """Writes `model`. `half` stores float16 weights; the precision of computing is a setting of the runtime."""
    openvino = load_openvino()
    network = openvino.Core().read_model(to_onnx(model, image=image).SerializeToString())
    openvino.save_model(network, path, compress_to_fp16=half)


def opened(path: Path) -> Callable:
    # Without the hint, CPUs with bfloat16 instructions would compute in bfloat16.
    network = load_openvino().Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda lr: network(lr)[0]
