"""ONNX: takes and returns RGB, by default in 0..255, NHWC, float32, with any batch size, height and width.

The graph has standard operators only and computes in NCHW. It is written layer by layer (`operators.py`), with what
most runtimes can run: an old opset, pixel shuffles in CRD order, and borders without arithmetic on shapes.
"""

import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import onnx
from onnx import helper

import wdsr_tf
from wdsr_tf.errors import InputError
from wdsr_tf.export import shuffles
from wdsr_tf.export.description import described, sentence
from wdsr_tf.export.form import Form
from wdsr_tf.export.graph import TYPES, Graph
from wdsr_tf.export.operators import WRITERS
from wdsr_tf.models import SRModel, create_model, transfer
from wdsr_tf.models.graph import graph_nodes

OPSET = 13
IR_VERSION = 7  # the one that goes with this opset: older runtimes reject newer ones


def to_onnx(model: SRModel, form: Form = Form()) -> onnx.ModelProto:  # noqa: B008  (it is immutable)
    """Converts a model and checks the result.

    Weight normalization is folded, and a mixed-precision model computes in float32.

    Args:
        model: in any precision.
        form: what the result takes and returns. With float16, it stores float16 weights and computes as
            `mixed_float16` does: layers that need float32 keep it. int8 is quantized later, see `openvino.py`.

    Raises:
        InputError: a layer can't be exported.
    """
    if form.half:
        model = _in_half_precision(model)
    graph = Graph()
    graph.scope = "input"
    x = graph.cast("lr", "float32") if form.image else "lr"
    x = x if form.is_planar else graph.op("Transpose", x, perm=[0, 3, 1, 2])
    x = x if form.white == 255 else graph.op("Mul", x, np.float32(255 / form.white))
    x = _written(graph, model, x, form)
    graph.scope = "output"
    if form.image:
        x = graph.op("Clip", x, np.float32(0), np.float32(255))
        x = graph.cast(graph.op("Round", x), "uint8")
    x = x if form.white == 255 else graph.op("Mul", x, np.float32(form.white / 255))
    if form.is_planar:
        graph.nodes.append(helper.make_node("Identity", [x], ["sr"], name="output/Identity"))
    else:
        graph.nodes.append(helper.make_node("Transpose", [x], ["sr"], name="output/Transpose", perm=[0, 2, 3, 1]))
    shuffles.reorder(graph)
    return _checked(graph, model, form)


def write(model: SRModel, path: Path, form: Form) -> None:
    path.write_bytes(to_onnx(model, form).SerializeToString())


def opened(path: Path) -> Callable:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda lr: session.run(["sr"], {"lr": lr})[0]


def _written(graph, model, x, form):
    """Writes all layers and returns the name of the output."""
    dtypes = {x: "float32"}
    values = {id(model.inputs[0]): x}
    graph.sizes[x] = form.tile
    for node in graph_nodes(model):
        layer = node.operation
        if type(layer) not in WRITERS:
            raise InputError(f"The layer {layer.name} ({type(layer).__name__}) can't be exported to ONNX.")
        graph.scope, graph.dtype = layer.name, layer.compute_dtype if form.half else "float32"
        inputs = [values[id(tensor)] for tensor in node.input_tensors]
        sizes = [graph.size(x) for x in inputs]
        inputs = [x if dtypes[x] == graph.dtype else graph.cast(x, graph.dtype) for x in inputs]
        graph.sizes |= dict(zip(inputs, sizes, strict=True))
        output = WRITERS[type(layer)](graph, layer, *inputs)
        dtypes[output] = graph.dtype
        graph.sizes[output] = form.tile and _size(node, sizes)
        values[id(node.outputs[0])] = output
    return values[id(model.outputs[0])]


def _size(node, sizes):
    """Height and width of a layer's output for inputs of these sizes."""
    sizes = iter(sizes)
    fixed = keras.tree.map_structure(
        lambda x: keras.KerasTensor((1, *next(sizes), x.shape[-1]), x.dtype), node.arguments.args[0]
    )
    return tuple(node.operation.compute_output_spec(fixed).shape[1:3])


def _checked(graph, model, form):
    """Returns the graph as a model after a full check, including shapes and types."""
    batch, *size = (1, *form.tile) if form.tile else ("batch", "height", "width")
    large = [model.scale * axis if form.tile else f"{model.scale} * {axis}" for axis in size]
    large = size if model.scale == 1 else large
    lr = helper.make_tensor_value_info("lr", TYPES[form.dtype], form.shape(batch, *size))
    sr = helper.make_tensor_value_info("sr", TYPES[form.dtype], form.shape(batch, *large))
    body = helper.make_graph(graph.nodes, model.architecture, [lr], [sr], list(graph.constants.values()))
    opset = helper.make_opsetid("", OPSET)
    network = helper.make_model(body, opset_imports=[opset], ir_version=IR_VERSION)
    network.producer_name, network.producer_version = "wdsr_tf", wdsr_tf.__version__
    network.doc_string = sentence(model, form)
    helper.set_model_props(network, described(model, form) | {"facts": json.dumps(model.facts)})
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
