"""OpenVINO on the CPU, in float32 and int8, from the same ONNX file as the engine 'onnx'.

Height and width are fixed before a network is compiled, which takes a quarter of a second: with free ones int8 is a
sixth slower. The last two shapes stay compiled, each with memory of its own.
"""

import functools

from wdsr_tf.errors import OutOfMemory
from wdsr_tf.inference.engines import Engine, cache
from wdsr_tf.inference.engines.onnx import is_lack_of_memory
from wdsr_tf.system.openvino import compile_network, load_openvino

SHAPES = 2  # compiled at once: the tiles of an image have one shape, and those of the next image another


def load(model, precision="float32", *, allow_loss=False, calibration=None, log=None):
    """Opens the checkpoint or ONNX file `model`; refuses int8 past 0.10 dB of loss unless `allow_loss`."""
    openvino = load_openvino()
    path, facts = cache.onnx_network(model, log)
    if precision == "int8":
        from wdsr_tf.inference.engines import quantize

        path, cost = quantize.network(model, calibration, log)
        quantize.check_loss(model, cost, allow_loss)
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

    return Engine("openvino", precision, facts.architecture, facts.scale, facts.receptive_field, run)
