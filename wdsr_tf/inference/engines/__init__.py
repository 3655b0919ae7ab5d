"""What runs a network: Keras, ONNX Runtime or OpenVINO, all behind one function on batches of tiles."""

import dataclasses
import importlib
from collections.abc import Callable

from wdsr_tf.errors import InputError
from wdsr_tf.receptive_field import ReceptiveField
from wdsr_tf.system import memory

PRECISIONS = {"keras": ("float32", "float16"), "onnx": ("float32",), "openvino": ("float32", "int8")}


@dataclasses.dataclass(frozen=True)
class Engine:
    """A network, ready to run.

    Attributes:
        name: "keras", "onnx" or "openvino".
        precision: "float32", "float16" or "int8".
        architecture, scale: of the network.
        reach: what tiling needs to know.
        run: (N, H, W, 3) in 0..255, uint8 or float32, to float32 (N, scale * H, scale * W, 3), not clipped. Raises
            OutOfMemory.
        free: bytes that the device which runs it has left.
    """

    name: str
    precision: str
    architecture: str
    scale: int
    receptive_field: ReceptiveField
    run: Callable
    free: Callable = memory.free


def open_engine(checkpoint, name="keras", precision="float32", *, allow_loss=False, calibration=None):
    """The network in the file `checkpoint` as the engine `name` runs it.

    `allow_loss` and `calibration` (a folder of pictures) are for int8: whether a network that loses too much is used
    all the same, and what its ranges are measured on.
    """
    check_precision(name, precision)
    module = importlib.import_module(f"wdsr_tf.inference.engines.{name}")
    if precision == "int8":
        return module.load(checkpoint, precision, allow_loss=allow_loss, calibration=calibration)
    return module.load(checkpoint, precision)


def check_precision(name, precision):
    """Raises InputError where there is no such engine, or it has no such precision."""
    if name not in PRECISIONS:
        raise InputError(f"there is no engine {name!r}; known are {', '.join(PRECISIONS)}")
    if precision not in PRECISIONS[name]:
        reason = " (on a CPU half precision is slower than float32)" if precision == "float16" else ""
        has = ", ".join(PRECISIONS[name])
        raise InputError(f"the engine {name} has no precision {precision}{reason}; it has {has}")
