"""Convolutions that are trained as branches: each equals its branches, computed one by one as in its paper."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.importers import convert
from wdsr_tf.layers import REPARAMETERIZED, ReparameterizedConv2D
from wdsr_tf.layers.reparameterized import EDGE_FILTERS
from wdsr_tf.models import create_model, fold, transfer

TINY = {"num_filters": 4, "num_res_blocks": 1, "res_expansion": 2}
# Sums in another order, in float32: each output is a sum of some hundred products of about its own size.
ORDER_OF_SUMS = 1e-5


def filled(layer, channels):
    """The layer with random weights, as float64 arrays by the end of their names."""
    layer.build((None, None, None, channels))
    random = np.random.default_rng(0)
    layer.set_weights([random.normal(0, 0.5, weight.shape) for weight in layer.get_weights()])
    return {weight.name: np.asarray(weight, "float64") for weight in layer.weights}


def convolved(x, kernel, bias=0.0):
    """A convolution in float64 that pads with zeros."""
    size = len(kernel)
    padded = np.pad(x, [(0, 0), *[(size // 2, size // 2)] * 2, (0, 0)])
    height, width = x.shape[1:3]
    taps = ((i, j) for i in range(size) for j in range(size))
    return bias + sum(padded[:, i : i + height, j : j + width] @ kernel[i, j] for i, j in taps)


def mixed(x, kernel):
    """A 1x1 convolution without bias."""
    return x @ kernel.reshape(kernel.shape[-2:])


def chained(x, w, first, second):
    """A 1x1 convolution and a 3x3 one, where zeros are padded before the first one's bias."""
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    wide = mixed(padded, w[f"{first}_kernel"]) + w[f"{first}_bias"]
    return convolved(wide, w[f"{second}_kernel"], w[f"{second}_bias"])[:, 1:-1, 1:-1]


def branches_of_span(x, w):
    inside = chained(x, w, "expand", "spread")
    return mixed(inside, w["project_kernel"]) + w["project_bias"] + mixed(x, w["skip_kernel"]) + w["skip_bias"]


def branches_of_sesr(x, w):
    out = mixed(convolved(x, w["expand_kernel"], w["expand_bias"]), w["project_kernel"]) + w["project_bias"]
    return out + x if x.shape == out.shape else out


def branches_of_ecb(x, w):
    out = convolved(x, w["plain_kernel"], w["plain_bias"])
    out = out + chained(x, w, "expand", "squeeze")
    for name, edge in EDGE_FILTERS.items():
        mix = mixed(x, w[f"{name}_kernel"])
        depthwise = np.array(edge)[..., None, None] * np.diag(w[f"{name}_scale"])
        out = out + convolved(mix, depthwise, w[f"{name}_bias"])
    return out


@pytest.mark.parametrize("filters", [3, 5])
@pytest.mark.parametrize(
    ("kind", "branches"), [("span", branches_of_span), ("sesr", branches_of_sesr), ("ecb", branches_of_ecb)]
)
def test_the_layer_equals_its_branches_up_to_the_border(kind, branches, filters):
    layer = REPARAMETERIZED[kind](filters)
    weights = filled(layer, 3)
    x = np.random.default_rng(1).normal(size=(2, 6, 7, 3))
    expected = branches(x, weights)
    np.testing.assert_allclose(layer(x), expected, atol=ORDER_OF_SUMS * np.abs(expected).max())


@pytest.mark.parametrize("kind", REPARAMETERIZED)
def test_every_weight_is_trained(kind):
    layer = REPARAMETERIZED[kind](4)
    filled(layer, 3)
    model = keras.Sequential([keras.Input((None, None, 3)), layer])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    before = layer.get_weights()
    random = np.random.default_rng(1)
    model.train_on_batch(random.normal(size=(1, 5, 5, 3)), random.normal(size=(1, 5, 5, 4)))
    for weight, old, new in zip(layer.weights, before, layer.get_weights(), strict=True):
        assert (old != new).any(), weight.name


@pytest.mark.parametrize("kind", REPARAMETERIZED)
def test_branches_are_combined_in_float32_under_mixed_precision(kind):
    layer = REPARAMETERIZED[kind](4, dtype="mixed_bfloat16")
    filled(layer, 3)
    seen = []
    layer.fused = lambda fused=layer.fused: seen.append(fused()) or seen[-1]
    assert keras.backend.standardize_dtype(layer(np.ones((1, 4, 4, 3))).dtype) == "bfloat16"
    exact = REPARAMETERIZED[kind](4)
    exact.build((None, None, None, 3))
    exact.set_weights(layer.get_weights())
    for inside, outside in zip(seen[0], exact.fused(), strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(inside), ops.convert_to_numpy(outside))


@pytest.mark.parametrize("kind", REPARAMETERIZED)
def test_a_folded_wdsr_has_plain_convolutions_and_equal_output(kind):
    model = create_model("wdsr-a", 2, reparameterize=kind, **TINY)
    lr = np.random.default_rng(0).integers(0, 256, (1, 9, 12, 3)).astype("float32")
    folded = fold(model)
    assert not any(isinstance(layer, ReparameterizedConv2D) for layer in folded.layers)
    assert folded.recipe == create_model("wdsr-a", 2, **TINY).recipe
    np.testing.assert_allclose(folded(lr), model(lr), atol=255 * ORDER_OF_SUMS)
    assert model(lr, training=True).shape == folded(lr, training=True).shape  # borders, too
    branched = [layer.name for layer in model.layers if isinstance(layer, ReparameterizedConv2D)]
    assert branched == ["head", "body_0_expand", "body_0_project", "tail_x2"]


def test_a_checkpoint_is_saved_with_its_branches_and_converted_to_plain_and_to_weights(tmp_path):
    model = create_model("wdsr-a", 2, reparameterize="ecb", **TINY)
    lr = np.random.default_rng(0).integers(0, 256, (1, 8, 9, 3)).astype("float32")
    checkpoint.save(model, tmp_path / "ecb.keras")
    np.testing.assert_array_equal(checkpoint.load(tmp_path / "ecb.keras")(lr), model(lr))
    lines = []
    convert.to_plain(tmp_path / "ecb.keras", tmp_path / "plain.keras", log=lines.append)
    plain = checkpoint.load(tmp_path / "plain.keras")
    assert plain.hyperparameters["reparameterize"] is None and str(tmp_path / "plain.keras") in lines[0]
    np.testing.assert_allclose(plain(lr), model(lr), atol=255 * ORDER_OF_SUMS)
    convert.to_weights(tmp_path / "ecb.keras", tmp_path / "plain.pth")
    convert.to_checkpoint(tmp_path / "plain.pth", tmp_path / "again.keras", scale=2, model="wdsr-a")
    np.testing.assert_allclose(checkpoint.load(tmp_path / "again.keras")(lr), model(lr), atol=255 * ORDER_OF_SUMS)
    with pytest.raises(InputError, match=r"plain\.keras has plain convolutions already"):
        convert.to_plain(tmp_path / "plain.keras", tmp_path / "twice.keras")


def test_onnx_has_plain_convolutions_alone_and_equal_output(tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from wdsr_tf.export.model import export_model

    checkpoint.save(create_model("wdsr-a", 2, reparameterize="sesr", **TINY), tmp_path / "sesr.keras")
    cards, failed = export_model(tmp_path / "sesr.keras", tmp_path)  # which compares with Keras
    assert not failed
    (path,) = tmp_path.glob("*.onnx")
    graph = onnx.load(path).graph
    assert sum(node.op_type == "Conv" for node in graph.node) == 5
    largest = max(np.prod(each.dims) for each in graph.initializer)
    assert largest <= 5 * 5 * 3 * 12 and json.dumps(cards[0]["parity"])


def test_branches_exclude_weight_normalization_and_unknown_names():
    for options, message in (
        ({"weight_norm": True}, "reparameterize can't be combined with weight_norm"),
        ({"variant": "reloaded"}, "fixed norms"),
    ):
        with pytest.raises(InputError, match=message):
            create_model("wdsr-a", 2, reparameterize="ecb", **TINY, **options)
    with pytest.raises(InputError, match=r"Unknown reparameterize 'ebc'.*ecb"):
        create_model("wdsr-a", 2, reparameterize="ebc", **TINY)


def test_a_plain_network_takes_what_it_can_from_one_with_branches():
    source, target = create_model("wdsr-a", 2, reparameterize="span", **TINY), create_model("wdsr-a", 2, **TINY)
    copied, fresh = transfer(source, target)
    assert fresh == [] and len(copied) == 5
