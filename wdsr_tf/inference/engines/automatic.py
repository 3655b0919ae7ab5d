"""What "auto" stands for: the engine and the precision that are fastest here within 0.02 dB of float32.

OpenVINO in bfloat16, where the CPU multiplies it, OpenVINO is installed, and the network was measured to keep its PSNR.
Elsewhere float32, in ONNX Runtime if that can run the model: it's about as fast there as OpenVINO, starts sooner, and
compiles nothing for each new size of image.
"""

import dataclasses
import importlib
from pathlib import Path

from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.inference.engines.devices import AUTOMATIC, Device
from wdsr_tf.system import cpu, extras
from wdsr_tf.system.require import require_keras

AUTO = "auto"
PRECISIONS = {"onnx": ("float32",), "openvino": ("float32", "bfloat16", "int8"), "keras": ("float32", "float16")}
# Networks whose PSNR on Set5 and Set14 bfloat16 changes by at most 0.02 dB, as `benchmarks.precision` measures.
KEEP_PSNR = frozenset({"carn-m", "edsr", "span", "upcunet", "wdsr-a", "wdsr-b"})


@dataclasses.dataclass(frozen=True)
class Choice:
    """What runs a model.

    Args:
        engine: "onnx", "openvino" or "keras".
        precision: one that it has.
        reason: why bfloat16 was chosen, or wasn't; "" if that wasn't the question.
    """

    engine: str
    precision: str
    reason: str = ""


def choose(model: object, engine: str = AUTO, precision: str = AUTO, device: Device = AUTOMATIC) -> Choice:
    """Returns the `Choice` for a checkpoint, an ONNX file or a model in memory; what isn't "auto" stays.

    Raises:
        InputError: no engine has the GPU.
    """
    if precision != AUTO:
        return Choice(automatic_engine(model, precision, device) if engine == AUTO else engine, precision)
    if engine not in (AUTO, "openvino") or device.is_gpu or not isinstance(model, Path):
        engine = automatic_engine(model, AUTO, device) if engine == AUTO else engine
        return Choice(engine, PRECISIONS[engine][0])
    reason = _against_bfloat16(model)
    if not reason:
        return Choice("openvino", "bfloat16", f"this CPU multiplies it ({', '.join(cpu.bfloat16_instructions())})")
    return Choice(automatic_engine(model) if engine == AUTO else engine, "float32", reason)


def _against_bfloat16(model):
    """Why the file `model` doesn't run in bfloat16 here, or ""."""
    if not cpu.multiplies_bfloat16():
        return "this CPU has neither AMX_BF16 nor AVX512_BF16"
    if not extras.is_installed("openvino"):
        return "bfloat16, which this CPU multiplies, needs OpenVINO"
    if not _has_onnx(model):
        return "bfloat16, which this CPU multiplies, needs the model as ONNX"
    architecture = _architecture(model)
    if architecture not in KEEP_PSNR:
        return f"{architecture or 'the network'} isn't known to keep its PSNR in bfloat16"
    return ""


def _architecture(model):
    """The name of the network in a file; None if the file doesn't say, which is reported when it's opened."""
    from wdsr_tf.inference.engines.metadata import describe

    if model.suffix == ".onnx":
        found = describe(model)
        return found and found.architecture
    try:
        return checkpoint.read_config(model)["architecture"]
    except InputError:
        return None


def automatic_engine(model, precision: str = AUTO, device: Device = AUTOMATIC) -> str:
    """The engine for `precision`: ONNX Runtime if the model is ONNX or can be converted, else Keras.

    A precision that only one engine has decides for that engine; for a GPU, the first engine that has one does.
    """
    having = [name for name, offered in PRECISIONS.items() if precision in offered]
    if len(having) == 1:
        return having[0]
    if not isinstance(model, Path):
        return "keras"
    if device.is_gpu:
        return _engine_with_gpu(model, device)
    return "onnx" if extras.is_installed("onnxruntime") and _has_onnx(model) else "keras"


def _has_onnx(model):
    from wdsr_tf.inference.engines import cache

    return bool(cache.find_onnx(model)) or cache.can_convert()


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
