import sys

import numpy as np
import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats
from wdsr_tf.importers.formats import onnx as reader

onnx = pytest.importorskip("onnx")
helper, numpy_helper, TensorProto = onnx.helper, onnx.numpy_helper, onnx.TensorProto
RNG = np.random.default_rng(0)
KERNEL, BIAS = RNG.normal(size=(4, 3, 3, 3)).astype("f4"), RNG.normal(size=4).astype("f4")


def saved(path, tensors, nodes):
    """Writes an ONNX file with nodes and initializers: named arrays, or tensors with the name None."""
    tensors = [numpy_helper.from_array(tensor, name) if name else tensor for name, tensor in tensors]
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])
    graph = helper.make_graph(nodes, "network", [value], [value], tensors)
    path.write_bytes(helper.make_model(graph, producer_name="pytorch").SerializeToString())
    return path


def conv(name, weight, bias):
    return helper.make_node("Conv", ["x", weight, bias], ["y"], name=name)


def test_initializers_keep_the_names_and_the_order_of_the_file(tmp_path):
    tensors = [("conv2.weight", KERNEL), ("conv2.bias", BIAS), ("shape", np.array([1, 3], "i8"))]
    nodes = [conv("/conv2/Conv", "conv2.weight", "conv2.bias")]
    arrays = reader.read(saved(tmp_path / "a.onnx", tensors, nodes))
    assert list(arrays) == ["conv2.weight", "conv2.bias"]
    np.testing.assert_array_equal(arrays["conv2.weight"], KERNEL)


def test_a_number_is_replaced_by_the_name_of_the_layer(tmp_path):
    tensors = [("onnx::Conv_12", KERNEL), ("13", BIAS), ("body.0.bias", BIAS)]
    nodes = [conv("/body/body.0/Conv", "onnx::Conv_12", "body.0.bias"), conv("/head/Conv", "other", "13")]
    arrays = reader.read(saved(tmp_path / "a.onnx", tensors, nodes))
    assert list(arrays) == ["body.body.0.weight", "head.bias", "body.0.bias"]


def test_a_shared_weight_has_the_names_of_both_layers(tmp_path):
    nodes = [helper.make_node("Identity", ["conv1.bias"], ["conv2.bias"], name="Identity_0")]
    arrays = reader.read(saved(tmp_path / "a.onnx", [("conv1.bias", BIAS)], nodes))
    assert list(arrays) == ["conv1.bias", "conv2.bias"]
    np.testing.assert_array_equal(arrays["conv2.bias"], BIAS)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE])
@pytest.mark.parametrize("raw", [False, True])
def test_floats_of_every_type_become_float32(tmp_path, kind, raw):
    values = np.array([1.5, -2.25, 0.0])
    if raw:
        values = values.astype(helper.tensor_dtype_to_np_dtype(kind)).tobytes()
    tensor = helper.make_tensor("a.weight", kind, [3], values, raw=raw)
    array = reader.read(saved(tmp_path / "a.onnx", [(None, tensor)], []))["a.weight"]
    assert array.dtype == "float32"
    np.testing.assert_array_equal(array, [1.5, -2.25, 0])


def test_published_weights_have_pytorchs_names_and_values(reference, golden):
    arrays, _ = golden("srcnn_published")
    read = reader.read(reference / "weights" / "srcnn.onnx")
    assert list(read) == ["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "conv3.weight", "conv3.bias"]
    for name, array in read.items():
        np.testing.assert_array_equal(array, arrays[f"w/{name}"])


def outside():
    tensor = onnx.TensorProto(name="a.weight", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def shaped(*dimensions):
    return onnx.TensorProto(name="a.weight", data_type=TensorProto.FLOAT, dims=dimensions, raw_data=BIAS.tobytes())


@pytest.mark.parametrize(
    "tensor, message",
    [
        (outside(), "is stored in another file"),
        (shaped(-1), "impossible shape"),
        (shaped(2**20, 2**20), "have more than"),
    ],
)
def test_a_tensor_without_its_data_is_refused(tmp_path, tensor, message):
    with pytest.raises(InputError, match=message):
        reader.read(saved(tmp_path / "a.onnx", [(None, tensor)], []))


def test_a_shape_that_disagrees_with_the_values_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot reshape"):
        formats.read(saved(tmp_path / "a.onnx", [(None, shaped(5))], []))


def test_two_tensors_with_the_same_name_are_refused(tmp_path):
    with pytest.raises(InputError, match="two tensors are called"):
        reader.read(saved(tmp_path / "a.onnx", [("a.bias", BIAS), ("a.bias", BIAS)], []))


def test_two_layers_with_the_same_name_are_refused(tmp_path):
    nodes = [conv("/a/Conv", "12", "13"), conv("/a/Conv", "14", "15")]
    with pytest.raises(InputError, match="same name"):
        reader.read(saved(tmp_path / "a.onnx", [("12", KERNEL), ("14", KERNEL)], nodes))


def test_without_the_package_the_message_says_how_to_install_it(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.onnx", [("a.bias", BIAS)], [])
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"Reading ONNX files needs onnx.* pip install .*\[train\]"):
        reader.read(path)
