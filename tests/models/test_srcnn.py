import keras
import numpy as np
import pytest

from tests.helpers.networks import assert_equals_golden, golden_model, luma_core, nhwc
from wdsr_tf.errors import InputError
from wdsr_tf.importers import srcnn
from wdsr_tf.importers.tensors import assign
from wdsr_tf.models import create_model

SRCNN_PYTORCH = {"padding": "same", "colors": "full-range", "pre_upscaling": "bilinear"}


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("body_size, count", [(1, 8_129), (5, 57_281)])
def test_parameter_counts_equal_the_published_ones(scale, body_size, count):
    assert create_model("srcnn", scale, body_size=body_size).count_params() == count


@pytest.mark.parametrize("file, body_size", [("srcnn_915", 1), ("srcnn_955", 5), ("srcnn_published", 1)])
def test_srcnn_equals_the_reference_output(golden, file, body_size):
    arrays, _ = golden(file)
    model = golden_model(arrays, srcnn.pytorch, "srcnn", 2, body_size=body_size, **SRCNN_PYTORCH)
    assert_equals_golden(luma_core(model, "luma")(nhwc(arrays["input"])), nhwc(arrays["output"]))


def test_published_weights_reproduce_the_published_image(golden):
    arrays, _ = golden("srcnn_published")
    model = golden_model(arrays, srcnn.pytorch, "srcnn", 2, **SRCNN_PYTORCH)
    lr = arrays["real_input_rgb_u8"][None]
    upscaled = keras.Model(model.input, model.get_layer("enlarged").output)(lr)
    assert_equals_golden(np.asarray(upscaled) / 255, nhwc(arrays["upscaled_rgb"]))
    sr = keras.ops.convert_to_numpy(model(lr))[0]
    assert_equals_golden(sr / 255, arrays["output_rgb"].transpose(1, 2, 0))
    bytes_ = np.floor(np.clip(sr + 0.5, 0, 255)).astype("uint8")
    # Values within rounding error of a half may be rounded either way.
    assert np.abs(bytes_.astype(int) - arrays["output_rgb_u8"]).max() <= 1
    assert np.mean(bytes_ != arrays["output_rgb_u8"]) < 1e-3


def imfilter(image, kernel):
    """MATLAB's `imfilter(image, kernel, 'same', 'replicate')`: a correlation with repeated borders."""
    height, width = kernel.shape
    padded = np.pad(image, [(height // 2, height // 2), (width // 2, width // 2)], "edge")
    return np.einsum("ijkl,kl->ij", np.lib.stride_tricks.sliding_window_view(padded, kernel.shape), kernel)


def in_matlab(x, variables):
    """Computes the authors' SRCNN.m on the luma `x`, with the variables of their .mat file."""
    for i in (1, 2, 3):
        kernels = variables[f"weights_conv{i}"]
        kernels = kernels[None] if i == 1 else kernels[..., None] if i == 3 else kernels
        channels, area, filters = kernels.shape
        out = [0.0] * filters
        for j, k in np.ndindex(channels, filters):
            # reshape(weights(j, :, k), size, size) is in column-major order
            out[k] = out[k] + imfilter(x[..., j], kernels[j, :, k].reshape(2 * [int(area**0.5)], order="F"))
        x = np.stack(out, axis=-1) + variables[f"biases_conv{i}"].reshape(-1)
        x = np.maximum(x, 0) if i < 3 else x
    return x


@pytest.mark.parametrize("body_size", [1, 5])
def test_the_authors_weights_reproduce_the_output_of_their_code(body_size):
    rng = np.random.default_rng(0)
    shapes = {"conv1": (81, 6), "conv2": (6, body_size**2, 3), "conv3": (3, 25)}
    how = {f"weights_{name}": rng.normal(size=shape) / shape[0] for name, shape in shapes.items()}
    how |= {f"biases_conv{i}": rng.normal(size=(n, 1)) for i, n in ((1, 6), (2, 3), (3, 1))}
    model = create_model("srcnn", 2, num_filters=6, body_size=body_size)
    tensors = how
    assign(model, tensors, srcnn.matlab)
    luma = rng.uniform(size=(11, 14, 1))
    assert_equals_golden(luma_core(model, "luma")(luma[None])[0], in_matlab(luma, how))


def test_the_authors_weights_of_another_size_are_listed_in_the_error():
    how = {f"weights_conv{i}": np.zeros(shape) for i, shape in ((1, (81, 64)), (2, (64, 25, 32)), (3, (32, 25)))}
    tensors = how | {f"biases_conv{i}": np.zeros((n, 1)) for i, n in ((1, 64), (2, 32), (3, 1))}
    model = create_model("srcnn", 2, body_size=1)
    with pytest.raises(InputError, match=r"wrong shape: body is \[\(64, 25, 32\), \(32,\)\]"):
        assign(model, tensors, srcnn.matlab)


@pytest.mark.parametrize("body_size, cropped", [(1, 12), (5, 16)])
def test_training_pads_nothing_and_inference_repeats_borders(body_size, cropped):
    model = create_model("srcnn", 2, num_filters=4, body_size=body_size)
    for weights in model.weights:
        weights.assign(np.random.default_rng(0).uniform(0, 0.1, weights.shape))
    lr = np.full((1, 12, 10, 3), 90.0)
    trained, inferred = (keras.ops.convert_to_numpy(model(lr, training=training)) for training in (True, False))
    assert trained.shape == (1, 24 - cropped, 20 - cropped, 3)
    # On a constant image, only repeated pixels keep the borders constant.
    np.testing.assert_allclose(inferred, np.broadcast_to(trained[:, :1, :1], inferred.shape), rtol=1e-5)


def test_one_set_of_weights_fits_every_scale():
    weights = create_model("srcnn", 2).get_weights()
    for scale in (3, 4):
        model = create_model("srcnn", scale)
        model.set_weights(weights)
        assert model(np.zeros((1, 3, 2, 3))).shape == (1, 3 * scale, 2 * scale, 3)


def test_an_unknown_padding_is_refused():
    with pytest.raises(InputError, match="Choose from valid, same"):
        create_model("srcnn", 2, padding="edge")
