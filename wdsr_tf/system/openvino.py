"""OpenVINO without telemetry, and a model compiled as every caller here needs it."""

import sys

from wdsr_tf.system import cores, extras


def load_openvino():
    """Imports OpenVINO and returns its package; raises InputError if it isn't installed.

    OpenVINO reports its imports to its makers if the package `openvino_telemetry` is there: this import hides it.
    """
    sys.modules.setdefault("openvino_telemetry", None)
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise extras.missing("openvino", "openvino", "The engine 'openvino'") from error
    return openvino


def compile_network(core, network, shape, device="CPU"):
    """Compiles `network` for one input shape and a device, by OpenVINO's name, for the shortest time per call."""
    network.reshape(shape)
    # On CPUs that multiply bfloat16, float32 networks would run in it otherwise.
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    if device == "CPU" and (count := cores.limit()):
        options["INFERENCE_NUM_THREADS"] = count
    return core.compile_model(network, device, options)
