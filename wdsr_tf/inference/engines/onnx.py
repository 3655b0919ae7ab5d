"""ONNX Runtime on the CPU: starts in a fraction of TensorFlow's time and memory."""

from wdsr_tf.errors import InputError, OutOfMemory
from wdsr_tf.inference.engines import Engine, cache
from wdsr_tf.system import cores, extras, quiet


def load(model, precision="float32", *, log=None):
    """Opens the checkpoint or ONNX file `model` as an `Engine`."""
    try:
        with quiet.silenced():
            import onnxruntime
    except ModuleNotFoundError as error:
        raise extras.missing("onnxruntime", None, "The engine 'onnx'") from error
    path, facts = cache.onnx_network(model, log)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores.limit() or 0  # 0: the library chooses
    options.log_severity_level = 4  # it would also print what it raises
    # Its arena keeps the memory of the largest tile: a tenth faster than allocating it for every tile.
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    if session.get_inputs()[0].type != "tensor(float)":
        raise InputError(f"{path} doesn't take float32 values; export it without --image.")

    def run(batch):
        try:
            return session.run(None, {"lr": batch.astype("float32", copy=False)})[0]
        except Exception as error:
            if is_lack_of_memory(error):
                raise OutOfMemory(f"ONNX Runtime has no memory for a tile of {batch.shape}") from error
            raise

    return Engine("onnx", precision, facts.architecture, facts.scale, facts.receptive_field, run)


def is_lack_of_memory(error):
    """Whether a native library's exception says that memory ran out; they have no class for it."""
    says = str(error).lower()
    signs = ("bad_alloc", "bad allocation", "failed to allocate", "out of memory", "not enough memory")
    return isinstance(error, MemoryError) or any(sign in says for sign in signs)
