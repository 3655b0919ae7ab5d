"""What runs a model: ONNX Runtime, OpenVINO or Keras, each as one function on batches of tiles."""

import dataclasses
import importlib
import os
from collections.abc import Callable
from pathlib import Path

from wdsr_tf.errors import InputError, suggestion
from wdsr_tf.inference.engines.automatic import AUTO, PRECISIONS, Choice, choose
from wdsr_tf.inference.engines.devices import Device, parse_device
from wdsr_tf.receptive_field import ReceptiveField
from wdsr_tf.system import memory
from wdsr_tf.system.require import require_keras

__all__ = ["AUTO", "PRECISIONS", "Choice", "Engine", "check_engine", "choose", "open_engine"]


@dataclasses.dataclass(frozen=True)
class Engine:
    """A model, ready to run.

    Args:
        name: "onnx", "openvino" or "keras".
        precision: "float32", "bfloat16", "float16" or "int8".
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
    precision: str = "float32",
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
        precision: "float32", "float16" (keras), "bfloat16" or "int8" (openvino), or "auto", which stands for the
            fastest within 0.02 dB.
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
    chosen = choose(model, name, precision, device)
    name, precision = chosen.engine, chosen.precision
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


def _open_in_memory(model, name, device):
    if name != "keras":
        raise InputError(f"A model in memory runs with the engine 'keras' only; save it to a file to use {name!r}.")
    from wdsr_tf.inference.engines.keras import of_model

    return of_model(model, device)


def _load_keras(path):
    if path.suffix == ".onnx":
        raise InputError(f"{path}: an ONNX file runs with the engine 'onnx' or 'openvino', not with 'keras'.")
    require_keras(f"The engine 'keras', which runs {path.name},")
