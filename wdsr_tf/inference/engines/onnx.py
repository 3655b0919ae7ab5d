"""ONNX Runtime on the CPU or a CUDA GPU: starts in a fraction of TensorFlow's time and memory."""

import contextlib
import functools

import numpy as np

from wdsr_tf.errors import InputError, OutOfMemory, line
from wdsr_tf.inference.engines import Engine, cache
from wdsr_tf.inference.engines.devices import AUTOMATIC, check_found
from wdsr_tf.system import cores, cuda, extras, memory, quiet

RELEASING = 8  # LR pixels a side, or that times the network's multiple: the run that gives memory back
CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"


def load(model, precision="float32", *, log=None, device=AUTOMATIC):
    """Opens the checkpoint or ONNX file `model` as an `Engine`."""
    try:
        with quiet.silenced():
            import onnxruntime
    except ModuleNotFoundError as error:
        raise extras.missing("onnxruntime", None, "The engine 'onnx'") from error
    if device.is_gpu:
        check_found(device, gpus(), "onnx")
    path, facts = cache.onnx_network(model, log)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores.limit() or 0  # 0: the library chooses
    options.log_severity_level = 4  # it would also print what it raises
    if not device.is_gpu and _share_arena():
        options.add_session_config_entry("session.use_env_allocators", "1")
    # A pattern is one more block, beside those of the first run with a shape, which the arena keeps.
    options.enable_mem_pattern = False
    try:
        session = onnxruntime.InferenceSession(path, options, providers=_providers(device))
    except Exception as error:  # a class of its own for each cause
        raise InputError(f"{path}: ONNX Runtime can't load it: {line(error)}") from error
    if device.is_gpu and session.get_providers()[0] != CUDA:  # it would run on the CPU without a word
        raise InputError(
            f"ONNX Runtime can't use {device}: its CUDA or cuDNN libraries are missing, or of another version than "
            "this onnxruntime-gpu needs. Install those, or use the device cpu."
        )
    if session.get_inputs()[0].type != "tensor(float)":
        raise InputError(f"{path} doesn't take float32 values; export it without --image.")

    def run(batch):
        try:
            return session.run(None, {"lr": batch.astype("float32", copy=False)})[0]
        except Exception as error:
            if is_lack_of_memory(error):
                raise OutOfMemory(f"ONNX Runtime has no memory for a tile of {batch.shape}") from error
            raise

    arena = f"gpu:{device.number}" if device.is_gpu else "cpu:0"

    def release():
        side = RELEASING * facts.receptive_field.multiple
        shrinking = onnxruntime.RunOptions()
        shrinking.add_run_config_entry("memory.enable_memory_arena_shrinkage", arena)
        with contextlib.suppress(Exception):  # there isn't even memory for that
            session.run(None, {"lr": np.zeros((1, side, side, 3), "float32")}, shrinking)

    free = functools.partial(cuda.free, device.number) if device.is_gpu else memory.free
    return Engine("onnx", precision, facts.architecture, facts.scale, facts.receptive_field, run, free, release)


def gpus():
    """The names of the GPUs that this ONNX Runtime could use: CUDA's, if it was built for CUDA."""
    try:
        import onnxruntime
    except ModuleNotFoundError:
        return []
    return cuda.names() if CUDA in onnxruntime.get_available_providers() else []


def _providers(device):
    if not device.is_gpu:
        return [CPU]
    # TensorFloat-32 would keep 10 bits of each factor.
    options = {"device_id": str(device.number), "use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"}
    return [(CUDA, options), CPU]


@functools.cache
def _share_arena():
    """Makes the arena of all sessions allocate what is asked for; whether that worked.

    It keeps the memory of the largest tile, which is a tenth faster than allocating it for every tile. A session's own
    arena doubles what it allocates, and took up to 1.4 times the limit.
    """
    import onnxruntime

    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    memory = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    same_as_requested = onnxruntime.OrtArenaCfg(0, 1, -1, -1)
    try:
        onnxruntime.create_and_register_allocator(memory, same_as_requested)
        return True
    except Exception:  # the process has one already
        return False


def is_lack_of_memory(error):
    """Whether a native library's exception says that memory ran out; they have no class for it."""
    says = str(error).lower()
    signs = ("bad_alloc", "bad allocation", "failed to allocate", "out of memory", "not enough memory")
    return isinstance(error, MemoryError) or any(sign in says for sign in signs)
