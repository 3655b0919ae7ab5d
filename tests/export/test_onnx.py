import importlib.util
import json

import keras
import numpy as np
import pytest
from keras import layers

from tests.helpers.exported import VARIANTS, randomized, small
from tests.models.test_models import ONCE
from wdsr_tf import layers as own
from wdsr_tf.errors import InputError
from wdsr_tf.export.form import Form
from wdsr_tf.images import to_uint8
from wdsr_tf.models import create_model, get_architecture, list_models
from wdsr_tf.models.receptive_field import of_graph
from wdsr_tf.models.registry import SRModel
from wdsr_tf.receptive_field import ReceptiveField
from wdsr_tf.system.openvino import load_openvino

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx import helper  # noqa: E402  (onnx may be missing)

from wdsr_tf.export.graph import Graph  # noqa: E402
from wdsr_tf.export.onnx import OPSET, to_onnx  # noqa: E402
from wdsr_tf.export.operators import bicubic_shrink  # noqa: E402
from wdsr_tf.inference.engines import open_engine  # noqa: E402

EXACT = 1e-2 / 255  # of the output's range: an export's limit, ten times the error of float32 sums
HALVED = [pytest.param(n, marks=[pytest.mark.slow] * (n not in ("wdsr-a", "carn-v2", "dcscn"))) for n in list_models()]


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(0)


def random_image(height, width, batch=1, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (batch, height, width, 3)).astype("float32")


def session(network):
    return onnxruntime.InferenceSession(network.SerializeToString(), providers=["CPUExecutionProvider"])


def difference(model, runs, lr):
    (sr,) = runs.run(None, {"lr": lr})
    expected = keras.ops.convert_to_numpy(model(lr))
    assert sr.shape == expected.shape and sr.dtype == expected.dtype
    return np.abs(sr - expected).max() / max(255, np.ptp(expected))


@pytest.mark.parametrize(
    "name, scale, how", [pytest.param(*each.values, {}, marks=each.marks) for each in ONCE] + VARIANTS
)
def test_onnx_runtime_equals_keras_at_any_size(name, scale, how):
    model = randomized(create_model(name, scale, **small(name) | how))
    runs = session(to_onnx(model))
    for size in [(1, 1), (13, 10)]:
        assert difference(model, runs, random_image(*size)) <= EXACT


@pytest.mark.slow
@pytest.mark.parametrize("name", list_models())
def test_openvino_equals_keras(name):
    if not importlib.util.find_spec("openvino"):
        pytest.skip("needs openvino")
    openvino = load_openvino()
    model = randomized(create_model(name, get_architecture(name).scales[-1], **small(name)))
    network = openvino.Core().read_model(to_onnx(model).SerializeToString())
    for size in [(1, 1), (13, 10)]:
        lr = random_image(*size)
        network.reshape(lr.shape)
        sr = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(lr)[0]
        expected = keras.ops.convert_to_numpy(model(lr))
        assert np.abs(sr - expected).max() <= EXACT * max(255, np.ptp(expected))


def test_batches_equal_keras():
    model = randomized(create_model("dcscn", 2, **small("dcscn")))
    assert difference(model, session(to_onnx(model)), random_image(5, 7, batch=3)) <= EXACT


def test_the_model_has_standard_operators_only_and_native_pixel_shuffles():
    network = to_onnx(create_model("carn-m", 4, num_filters=8))
    assert [(opset.domain, opset.version) for opset in network.opset_import] == [("", OPSET)]
    assert {node.domain for node in network.graph.node} == {""}
    shuffles = [node for node in network.graph.node if node.op_type == "DepthToSpace"]
    assert len(shuffles) == 2


def test_shared_weights_are_stored_once():
    model = create_model("carn-m", 2, num_filters=8)
    stored = sum(np.prod(t.dims) for t in to_onnx(model).graph.initializer if t.name.endswith(("/kernel", "/bias")))
    assert stored == model.count_params()


def test_the_file_says_what_it_is():
    model = create_model("wdsr-a", 3, num_filters=8, num_res_blocks=1)
    model.facts = {"license": "CC0-1.0"}
    said = {p.key: p.value for p in to_onnx(model).metadata_props}
    assert (said["architecture"], said["scale"]) == ("wdsr-a", "3")
    assert ReceptiveField(**json.loads(said["receptive_field"])) == of_graph(model)
    assert json.loads(said["facts"]) == model.facts


def test_an_image_model_takes_and_returns_uint8():
    model = randomized(create_model("wdsr-a", 2, num_filters=8, num_res_blocks=1))
    lr = random_image(9, 8).astype("uint8")
    (sr,) = session(to_onnx(model, Form(image=True))).run(None, {"lr": lr})
    expected = to_uint8(keras.ops.convert_to_numpy(model(lr)))
    assert sr.dtype == "uint8"
    # Values within rounding error of a half may be rounded either way.
    assert np.abs(sr.astype(int) - expected).max() <= 1 and np.mean(sr != expected) < 0.01


@pytest.mark.parametrize("name", HALVED)
def test_half_precision_equals_keras_with_smaller_weights(name):
    scale = get_architecture(name).scales[0]
    model = randomized(create_model(name, scale, **small(name)))
    full, half = to_onnx(model), to_onnx(model, Form(precision="float16"))
    assert half.ByteSize() < full.ByteSize()
    (sr,) = session(half).run(None, {"lr": random_image(8, 9)})
    expected = keras.ops.convert_to_numpy(model(random_image(8, 9)))
    assert sr.dtype == "float32"
    # Each layer rounds to 11 bits.
    assert np.abs(sr - expected).max() <= 0.005 * max(255, np.ptp(expected))


def test_a_mixed_precision_network_is_exported_in_float32(policy):
    policy("mixed_float16")
    mixed = randomized(create_model("wdsr-a", 2, num_filters=8, num_res_blocks=1))
    policy("float32")
    exact = create_model(**mixed.recipe)
    exact.set_weights(mixed.get_weights())
    assert difference(exact, session(to_onnx(mixed)), random_image(6, 5)) <= EXACT


def test_nonfinite_outputs_stay_nonfinite():
    model = create_model("vgg7", 1)
    model.get_layer("tail").bias.assign(np.full(3, np.inf))
    (sr,) = session(to_onnx(model)).run(None, {"lr": random_image(3, 4)})
    assert not np.isfinite(sr).any()


@pytest.mark.parametrize(
    "layer", [layers.Softmax(name="odd"), layers.ReLU(negative_slope=0.1, name="odd"), layers.Activation("gelu")]
)
def test_an_unsupported_layer_is_refused_by_name(layer):
    lr = keras.Input((None, None, 3))
    model = SRModel(lr, [layer(lr)], architecture="odd", scale=1, hyperparameters={})
    with pytest.raises(InputError, match=r"The layer odd \((Softmax|ReLU)\)|The activation gelu"):
        to_onnx(model)


def test_a_model_exported_for_other_programs_is_refused_as_a_model_to_upscale_with(tmp_path):
    model = create_model("wdsr-a", 2, num_filters=8, num_res_blocks=1)
    for i, form in enumerate([Form(layout="nchw"), Form(value_range="0..1"), Form(tile=(20, 20)), Form(image=True)]):
        path = tmp_path / f"{i}.onnx"
        path.write_bytes(to_onnx(model, form).SerializeToString())
        with pytest.raises(InputError, match="exported for other programs, with --image, --layout, --range, or --tile"):
            open_engine(path, "onnx")


@pytest.mark.parametrize("scale, inner", [(1, 2), (3, 4), (2, 3)])
def test_a_bicubic_shrink_is_a_convolution_that_equals_keras(scale, inner):
    lr = keras.Input((None, None, 3))
    model = keras.Model(lr, own.BicubicShrink(scale, inner)(lr))
    given = random_image(3 * inner, 2 * inner)
    graph = Graph()
    graph.scope = "shrink"
    output = bicubic_shrink(graph, model.layers[-1], "lr")
    info = [helper.make_tensor_value_info(n, 1, ["n", 3, "h", "w"]) for n in ("lr", output)]
    body = helper.make_graph(graph.nodes, "x", info[:1], info[1:], list(graph.constants.values()))
    runs = session(helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=7))
    (sr,) = runs.run(None, {"lr": given.transpose(0, 3, 1, 2)})
    np.testing.assert_allclose(sr.transpose(0, 2, 3, 1), keras.ops.convert_to_numpy(model(given)), atol=1e-3)
