"""OpenVINO without telemetry, and a model compiled as every caller here needs it."""

import sys

from wdsr_tf.system import cores, extras

HINTS = {"float32": "f32", "bfloat16": "bf16"}  # INFERENCE_PRECISION_HINT


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


def runs_bfloat16(core) -> bool:
    """Whether OpenVINO's CPU device says that it computes in bfloat16 here."""
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def compile_network(core, network, shape, device="CPU", precision="float32"):
    """Compiles `network` for one input shape and a device, by OpenVINO's name, for the shortest time per call.

    `precision` is that of what the network has in float32: "float32" or "bfloat16", to which OpenVINO casts weights and
    activations. Without the hint, it chooses bfloat16 by itself on CPUs that multiply it.
    """
    network.reshape(shape)
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": HINTS[precision]}
    if device == "CPU" and (count := cores.limit()):
        options["INFERENCE_NUM_THREADS"] = count
    return core.compile_model(network, device, options)
