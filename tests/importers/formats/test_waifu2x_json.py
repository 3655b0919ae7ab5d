import itertools
import json

import numpy as np
import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats, waifu2x
from wdsr_tf.importers.tensors import assign
from wdsr_tf.models import create_model

RNG = np.random.default_rng(0)


def convolution(channels, filters, size=3, kind="nn.SpatialConvolutionMM"):
    """Returns a convolution as waifu2x exports it."""
    first = (channels, filters) if "Full" in kind else (filters, channels)
    planes = {"nInputPlane": channels, "nOutputPlane": filters, "kW": size, "kH": size, "class_name": kind}
    return planes | {
        "weight": RNG.normal(size=(*first, size, size)).tolist(),
        "bias": RNG.normal(size=filters).tolist(),
    }


@pytest.fixture
def file(tmp_path):
    """`file(content)` writes JSON and returns the path."""

    def write(content):
        path = tmp_path / "scale2.0x_model.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def test_convolutions_have_pytorchs_layout_and_the_files_order(file):
    layers = [convolution(3, 4), convolution(4, 5, 2, "cudnn.SpatialConvolution")]
    del layers[1]["class_name"]  # as in the earliest files
    arrays = formats.read(file(layers)).arrays
    assert {name: array.shape for name, array in arrays.items()} == {
        "0.weight": (4, 3, 3, 3),
        "0.bias": (4,),
        "1.weight": (5, 4, 2, 2),
        "1.bias": (5,),
    }
    np.testing.assert_array_equal(arrays["1.weight"], np.float32(layers[1]["weight"]))


def test_a_full_convolution_is_transposed_like_pytorchs(file):
    layer = convolution(6, 3, 4, "nn.SpatialFullConvolution")
    array = formats.read(file([layer])).arrays["0.weight"]
    assert array.shape == (6, 3, 4, 4)
    np.testing.assert_array_equal(array, np.float32(layer["weight"]))


def test_a_model_exported_by_waifu2x_is_assigned(file):
    widths = (3, 16, 32, 64, 128, 128, 256)
    layers = [convolution(*pair) for pair in itertools.pairwise(widths)]
    layers.append(convolution(256, 3, 4, "nn.SpatialFullConvolution") | {"bias": [0, 0, 0]})
    layers[0]["model_config"] = {"arch_name": "upconv_7", "channels": 3}
    model = create_model("upconv7", 2)
    assign(model, formats.read(file(layers)).arrays, waifu2x.in_order)
    kernel = np.float32(layers[-1]["weight"])
    np.testing.assert_array_equal(model.get_layer("tail_x2").get_weights()[0], kernel.transpose(2, 3, 1, 0))


def test_the_reference_model_is_the_same_in_json(golden, file):
    arrays, _ = golden("vgg7_published_ukbench")
    kernels = [array for name, array in arrays.items() if name.startswith("w/") and array.ndim == 4]
    biases = [array for name, array in arrays.items() if name.startswith("w/") and array.ndim == 1]
    layers = [
        convolution(*kernel.shape[1::-1]) | {"weight": kernel.tolist(), "bias": bias.tolist()}
        for kernel, bias in zip(kernels, biases, strict=True)
    ]
    read = formats.read(file(layers)).arrays
    for i, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
        np.testing.assert_array_equal(read[f"{i}.weight"], kernel)
        np.testing.assert_array_equal(read[f"{i}.bias"], bias)


def changed(**changes):
    return [convolution(3, 4) | changes]


@pytest.mark.parametrize(
    "content, message",
    [
        (changed(weight=convolution(3, 5)["weight"]), "expected numbers of shape"),
        (changed(bias=[0.5]), "expected numbers of shape"),
        (changed(bias=["a", "b", "c", "d"]), "expected numbers"),
        (changed(bias=[[0.1], 0.2, 0.3, 0.4]), "damaged"),
        (changed(bias=[0, 0, 0, 1e999]), "aren't finite"),
        (changed(class_name="nn.SpatialDilatedConvolution"), "has class"),
        (changed(class_name=["nn.Linear"]), "has class"),
        (changed(nOutputPlane=10**8), "have more than"),
        (changed(nOutputPlane="4"), "impossible shape"),
        ([{"weight": []}], "object 0 has no nInputPlane"),
        ([{}, 5], "expected a list of objects"),
        ('[{"weight": [1, 2', "damaged"),
        ('[{"weight":' + "[" * 100_000, "damaged"),
        ('[{"weight": [' + "[]," * 2_500_001 + "[]]}]", "larger than 64 MiB or has more than"),
    ],
)
def test_invalid_content_is_refused(file, content, message):
    with pytest.raises(InputError, match=message):
        formats.read(file(content))
