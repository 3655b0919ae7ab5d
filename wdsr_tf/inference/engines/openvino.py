"""OpenVINO on the CPU, in float32 and int8, from the network that the engine onnx runs.

Height and width are fixed before a network is compiled, which takes a quarter of a second: with free ones int8 is a
sixth slower. The last two shapes stay compiled, each with memory of its own.
"""

import functools

from wdsr_tf.errors import OutOfMemory
from wdsr_tf.inference.engines import Engine, cache
from wdsr_tf.inference.engines.onnx import is_lack_of_memory
from wdsr_tf.receptive_field import ReceptiveField
from wdsr_tf.system.quiet import load_openvino

SHAPES = 2  # compiled at once: a picture's tiles have one shape, and those of the next picture another


def load(checkpoint, precision="float32", *, allow_loss=False, calibration=None):
    """The network in the file `checkpoint` as an `Engine`; int8 is refused past 0.10 dB of loss unless `allow_loss`."""
    openvino = load_openvino()
    if precision == "int8":
        from wdsr_tf.inference.engines import quantize

        path, facts = quantize.network(checkpoint, calibration)
        quantize.check_loss(checkpoint, facts, allow_loss)
    else:
        path, facts = cache.onnx_network(checkpoint, "openvino")
    core = openvino.Core()

    @functools.lru_cache(SHAPES)
    def compiled(shape):
        return compile_network(core, core.read_model(path), shape)

    def run(batch):
        try:
            return compiled(batch.shape)(batch.astype("float32", copy=False))[0]
        except Exception as error:
            if is_lack_of_memory(error):
                compiled.cache_clear()  # the other shapes' memory, too
                raise OutOfMemory(f"OpenVINO has no memory for a tile of {batch.shape}") from error
            raise

    return Engine(
        "openvino", precision, facts["architecture"], facts["scale"], ReceptiveField(**facts["receptive_field"]), run
    )


def compile_network(core, network, shape):
    """`network` for one shape of input, for the shortest time per call."""
    network.reshape(shape)
    # On CPUs that multiply bfloat16, float32 networks would run in it otherwise.
    return core.compile_model(network, "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"})
