"""OpenVINO on the CPU or an Intel GPU, in float32, bfloat16, and int8, from the same ONNX file as the engine 'onnx'.

Height and width are fixed before a network is compiled, which takes a quarter of a second: with free ones int8 is a
sixth slower. The last two shapes stay compiled, each with memory of its own.
"""

import functools

from wdsr_tf.errors import InputError, OutOfMemory
from wdsr_tf.inference.engines import Engine, cache
from wdsr_tf.inference.engines.devices import AUTOMATIC, check_found
from wdsr_tf.inference.engines.onnx import is_lack_of_memory
from wdsr_tf.system import memory
from wdsr_tf.system.openvino import compile_network, load_openvino, runs_bfloat16

SHAPES = 2  # compiled at once: the tiles of an image have one shape, and those of the next image another


def load(model, precision="float32", *, allow_loss=False, calibration=None, log=None, device=AUTOMATIC):
    """Opens the checkpoint or ONNX file `model`; refuses int8 past 0.10 dB of loss unless `allow_loss`."""
    core = load_openvino().Core()
    found = gpus(core)
    if device.is_gpu:
        check_found(device, found, "openvino")
    path, facts = cache.onnx_network(model, log)
    if precision == "bfloat16" and device.is_gpu:
        raise InputError(f"OpenVINO runs bfloat16 on CPUs only; on {device}, use the precision float32 or int8.")
    if precision == "bfloat16" and not runs_bfloat16(core):
        raise InputError(
            "OpenVINO doesn't run bfloat16 on this CPU, which has no instructions for it (AVX512_BF16 or AMX_BF16). "
            "Use the precision float32 or int8, or leave the choice to auto."
        )
    if precision == "int8":
        from wdsr_tf.inference.engines import quantize

        path, cost = quantize.network(model, calibration, log)
        quantize.check_loss(model, cost, allow_loss)
    hint = "bfloat16" if precision == "bfloat16" else "float32"  # of what int8 leaves in float
    name = found[device.number] if device.is_gpu else "CPU"

    @functools.lru_cache(SHAPES)
    def compiled(shape):
        return compile_network(core, core.read_model(path), shape, name, hint)

    def run(batch):
        try:
            return compiled(batch.shape)(batch.astype("float32", copy=False))[0]
        except Exception as error:
            if is_lack_of_memory(error):
                compiled.cache_clear()  # the other shapes' memory, too
                raise OutOfMemory(f"OpenVINO has no memory for a tile of {batch.shape}") from error
            raise

    def free():  # the library tells how much memory a GPU has, not how much is left
        return int(core.get_property(name, "GPU_DEVICE_TOTAL_MEM_SIZE")) if device.is_gpu else memory.free()

    return Engine("openvino", precision, facts.architecture, facts.scale, facts.receptive_field, run, free)


def gpus(core=None):
    """OpenVINO's names of the GPUs that it can use: "GPU", or "GPU.0" and so on."""
    try:
        core = core or load_openvino().Core()
    except InputError:
        return []
    return [name for name in core.available_devices if name.partition(".")[0] == "GPU"]
