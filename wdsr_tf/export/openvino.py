"""OpenVINO's IR, a pair of .xml and .bin, from the network's ONNX graph: batch, height and width stay free."""

from wdsr_tf.export.onnx import to_onnx
from wdsr_tf.system.openvino import library


def write(model, path, *, half, image, tile):
    """`half` keeps the weights in float16, and computes in what the runtime is told to."""
    openvino = library()
    network = openvino.Core().read_model(to_onnx(model, image=image).SerializeToString())
    openvino.save_model(network, path, compress_to_fp16=half)


def opened(path):
    # On CPUs that multiply bfloat16, networks would run in it otherwise.
    network = library().Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda lr: network(lr)[0]
