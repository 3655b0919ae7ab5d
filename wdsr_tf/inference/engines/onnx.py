"""ONNX Runtime on the CPU: starts in a fraction of TensorFlow's time and memory.

The network is exported on its first use and found beside its checkpoint from then on.
"""

from wdsr_tf.errors import InputError, OutOfMemory
from wdsr_tf.inference.engines import Engine, cache
from wdsr_tf.receptive_field import ReceptiveField


def load(checkpoint, precision="float32"):
    """The network in the file `checkpoint` as an `Engine`."""
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise InputError("the engine onnx needs ONNX Runtime: pip install 'wdsr-tf[onnx]'") from error
    path, facts = cache.onnx_network(checkpoint, "onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # it would print what it raises, too
    # Its arena keeps the memory of the largest tile: a tenth faster than asking for it anew with every tile.
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(batch):
        try:
            return session.run(None, {"lr": batch.astype("float32", copy=False)})[0]
        except Exception as error:
            if is_lack_of_memory(error):
                raise OutOfMemory(f"ONNX Runtime has no memory for a tile of {batch.shape}") from error
            raise

    return Engine(
        "onnx", precision, facts["architecture"], facts["scale"], ReceptiveField(**facts["receptive_field"]), run
    )


def is_lack_of_memory(error):
    """Whether a native library's exception says that memory ran out: they have no class for it."""
    says = str(error).lower()
    signs = ("bad_alloc", "bad allocation", "failed to allocate", "out of memory", "not enough memory")
    return isinstance(error, MemoryError) or any(sign in says for sign in signs)
