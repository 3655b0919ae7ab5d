"""What runs a model: ONNX Runtime, OpenVINO or Keras, each as one function on batches of tiles."""

import dataclasses
import importlib
import os
from collections.abc import Callable
from pathlib import Path

from wdsr_tf.errors import InputError, suggestion
from wdsr_tf.inference.engines.devices import AUTOMATIC, Device, parse_device
from wdsr_tf.receptive_field import ReceptiveField
from wdsr_tf.system import extras, memory
from wdsr_tf.system.require import require_keras

AUTO = "auto"
PRECISIONS = {"onnx": ("float32",), "openvino": ("float32", "int8"), "keras": ("float32", "float16")}


@dataclasses.dataclass(frozen=True)
class Engine:
    """A model, ready to run.

    Args:
        name: "onnx", "openvino" or "keras".
        precision: "float32", "float16" or "int8".
        architecture: registered name of the network.
        scale: upscaling factor.
        receptive_field: what tiling needs to know.
        run: takes (N, H, W, 3) in 0..255, uint8 or float32, and returns float32 (N, scale * H, scale * W, 3), not
            clipped. Raises OutOfMemory.
        free: returns the free bytes of the device that runs it.
        release: gives back memory that is kept for the next tile.
    """

    name: str
    precision: str
    architecture: str
    scale: int
    receptive_field: ReceptiveField
    run: Callable
    free: Callable = memory.free
    release: Callable = lambda: None


def open_engine(
    model: "str | os.PathLike | Engine | object",
    name: str = AUTO,
    precision: str = AUTO,
    *,
    allow_loss: bool = False,
    calibration: str | os.PathLike | None = None,
    log: Callable[[str], None] | None = None,
    device: str | Device = "auto",
) -> Engine:
    """Opens a model.

    Args:
        model: a checkpoint (`.keras`), an ONNX file written by `wdsr_tf`, an `SRModel`, or an `Engine`, which is
            returned as it is.
        name: "onnx", "openvino", "keras", or "auto".
        precision: "float32", "float16" (keras), "int8" (openvino), or "auto".
        allow_loss: use an int8 model that loses more than 0.10 dB.
        calibration: image, or folder of images, that int8 is calibrated on.
        log: called with a line before a conversion that takes a while.
        device: "cpu", "gpu", "gpu:1" and so on, or "auto": the CPU for "onnx" and "openvino", what Keras's backend
            chooses for "keras".

    Raises:
        InputError: the file is damaged, the engine doesn't have that precision or device, or a package is missing.
    """
    if isinstance(model, Engine):
        return model
    check_engine(name, precision)
    device = parse_device(device)
    model = Path(model) if isinstance(model, str | os.PathLike) else model
    name = automatic_engine(model, precision, device) if name == AUTO else name
    precision = automatic_precision(name) if precision == AUTO else precision
    check_engine(name, precision)
    if not isinstance(model, Path):
        return _open_in_memory(model, name, device)
    if name == "keras":
        _load_keras(model)
    module = importlib.import_module(f"wdsr_tf.inference.engines.{name}")
    if precision == "int8":
        return module.load(model, precision, allow_loss=allow_loss, calibration=calibration, log=log, device=device)
    return module.load(model, precision, log=log, device=device)


def check_engine(name: str, precision: str) -> None:
    """Raises InputError if there is no such engine, or it doesn't have that precision. Both may be "auto"."""
    if name not in (AUTO, *PRECISIONS):
        raise InputError(
            f"Unknown engine {name!r}. {suggestion(name, PRECISIONS)}Engines: {', '.join((AUTO, *PRECISIONS))}."
        )
    offered = PRECISIONS.get(name) or tuple(dict.fromkeys(sum(PRECISIONS.values(), ())))
    if precision not in (AUTO, *offered):
        said = "No engine runs" if name == AUTO else f"The engine {name!r} doesn't run"
        raise InputError(f"{said} in precision {precision!r}. Precisions: {', '.join((AUTO, *offered))}.")


def automatic_engine(model, precision: str = AUTO, device: Device = AUTOMATIC) -> str:
    """The engine that "auto" stands for: ONNX Runtime if the model is ONNX or can be converted, else Keras.

    A precision that only one engine has decides for that engine; for a GPU, the first engine that has one does.
    """
    having = [name for name, offered in PRECISIONS.items() if precision in offered]
    if len(having) == 1:
        return having[0]
    if not isinstance(model, Path):
        return "keras"
    if device.is_gpu:
        return _engine_with_gpu(model, device)
    from wdsr_tf.inference.engines import cache

    if not extras.is_installed("onnxruntime"):
        return "keras"
    return "onnx" if cache.find_onnx(model) or cache.can_convert() else "keras"


def automatic_precision(engine: str) -> str:
    """The precision that "auto" stands for."""
    return PRECISIONS[engine][0]


def _engine_with_gpu(model, device):
    """The first engine that can run `model` on that GPU; raises InputError if none has it."""
    names = ("onnx", "openvino") if model.suffix == ".onnx" or not extras.is_installed("keras") else PRECISIONS
    for name in names:
        if name == "keras":
            require_keras(f"The device {device}")
        found = importlib.import_module(f"wdsr_tf.inference.engines.{name}").gpus()
        if device.number < len(found):
            return name
    raise InputError(
        f"No engine found a device {device} for {model.name}. ONNX Runtime needs an NVIDIA GPU and onnxruntime-gpu in "
        "place of onnxruntime, OpenVINO an Intel GPU, and Keras a TensorFlow or JAX that was installed for GPUs. "
        "'wdsr-tf doctor' lists what each has found."
    )


def _open_in_memory(model, name, device):
    if name != "keras":
        raise InputError(f"A model in memory runs with the engine 'keras' only; save it to a file to use {name!r}.")
    from wdsr_tf.inference.engines.keras import of_model

    return of_model(model, device)


def _load_keras(path):
    if path.suffix == ".onnx":
        raise InputError(f"{path}: an ONNX file runs with the engine 'onnx' or 'openvino', not with 'keras'.")
    require_keras(f"The engine 'keras', which runs {path.name},")
