"""ONNX: takes and returns RGB in 0..255, NHWC, float32, with any batch size, height and width.

The graph has standard operators only and computes in NCHW. It is written layer by layer (`operators.py`).
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import onnx
from onnx import helper

import wdsr_tf
from wdsr_tf.errors import InputError
from wdsr_tf.export.graph import TYPES, Graph
from wdsr_tf.export.operators import WRITERS
from wdsr_tf.models import SRModel, create_model, transfer
from wdsr_tf.models.graph import graph_nodes
from wdsr_tf.models.receptive_field import of_graph

OPSET = 17
IR_VERSION = 8  # the one that goes with this opset: older runtimes reject newer ones


def to_onnx(model: SRModel, half: bool = False, image: bool = False) -> onnx.ModelProto:
    """Converts a model and checks the result.

    Weight normalization is folded, and a mixed-precision model computes in float32.

    Args:
        model: in any precision.
        half: whether to store float16 weights and compute as `mixed_float16` does: layers that need float32 keep it.
        image: whether the result takes and returns uint8, clipped and rounded.

    Raises:
        InputError: a layer can't be exported.
    """
    if half:
        model = _in_half_precision(model)
    graph = Graph()
    graph.scope = "input"
    x = graph.op("Transpose", graph.cast("lr", "float32") if image else "lr", perm=[0, 3, 1, 2])
    x = _written(graph, model, x, half)
    graph.scope = "output"
    if image:
        x = graph.op("Clip", x, np.float32(0), np.float32(255))
        x = graph.cast(graph.op("Round", x), "uint8")
    graph.nodes.append(helper.make_node("Transpose", [x], ["sr"], name="output/Transpose", perm=[0, 2, 3, 1]))
    return _checked(graph, model, "uint8" if image else "float32")


def write(model: SRModel, path: Path, *, half: bool, image: bool, tile: int | None) -> None:
    path.write_bytes(to_onnx(model, half, image).SerializeToString())


def opened(path: Path) -> Callable:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda lr: session.run(["sr"], {"lr": lr})[0]


def _written(graph, model, x, half):
    """Writes all layers and returns the name of the output."""
    dtypes = {x: "float32"}
    values = {id(model.inputs[0]): x}
    for node in graph_nodes(model):
        layer = node.operation
        if type(layer) not in WRITERS:
            raise InputError(f"The layer {layer.name} ({type(layer).__name__}) can't be exported to ONNX.")
        graph.scope, graph.dtype = layer.name, layer.compute_dtype if half else "float32"
        inputs = [values[id(tensor)] for tensor in node.input_tensors]
        inputs = [x if dtypes[x] == graph.dtype else graph.cast(x, graph.dtype) for x in inputs]
        output = WRITERS[type(layer)](graph, layer, *inputs)
        dtypes[output] = graph.dtype
        values[id(node.outputs[0])] = output
    return values[id(model.outputs[0])]


def _checked(graph, model, dtype):
    """Returns the graph as a model after a full check, including shapes and types."""
    height, width = (f"{model.scale} * {axis}" if model.scale > 1 else axis for axis in ("height", "width"))
    lr = helper.make_tensor_value_info("lr", TYPES[dtype], ["batch", "height", "width", 3])
    sr = helper.make_tensor_value_info("sr", TYPES[dtype], ["batch", height, width, 3])
    body = helper.make_graph(graph.nodes, model.architecture, [lr], [sr], list(graph.constants.values()))
    opset = helper.make_opsetid("", OPSET)
    network = helper.make_model(body, opset_imports=[opset], ir_version=IR_VERSION)
    network.producer_name, network.producer_version = "wdsr_tf", wdsr_tf.__version__
    facts = {"receptive_field": dataclasses.asdict(of_graph(model)), "facts": model.facts}
    props = {"architecture": model.architecture, "scale": str(model.scale)}
    helper.set_model_props(network, props | {name: json.dumps(value) for name, value in facts.items()})
    onnx.checker.check_model(network, full_check=True)
    return network


def _in_half_precision(model):
    """Returns a copy of the model under the policy mixed_float16."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        copy = create_model(**model.recipe)
    finally:
        keras.config.set_dtype_policy(before)
    transfer(model, copy)
    return copy
