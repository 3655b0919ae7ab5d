import keras
import numpy as np
import pytest
from keras import ops

from tests.helpers.gradients import gradient
from tests.helpers.networks import nhwc
from wdsr_tf.errors import InputError
from wdsr_tf.losses import PERCEPTUAL_LAYERS, PerceptualLoss
from wdsr_tf.losses.perceptual import gram
from wdsr_tf.losses.vgg import CONVOLUTIONS, SHAPES, Features, VGGWeights, normalized

REAL_ESRGAN = PERCEPTUAL_LAYERS["real-esrgan"].layers
GOLDEN = {  # layers, criterion and normalization of each variant in the reference file
    "realesrgan_l1": ("real-esrgan", None, "torchvision"),
    "realesrgan_l2": ("real-esrgan", "l2", "torchvision"),
    "realesrgan_fro": ("real-esrgan", "fro", "torchvision"),
    "esrgan_conv5_4_l1": ("esrgan", None, "torchvision"),
    "relu5_4_l2_over_12.75sq": ("srgan", None, "torchvision"),
    "relu2_2_l2": ({"relu2_2": 1.0}, "l2", "torchvision"),
    "no_input_norm_l1": ("real-esrgan", None, "none"),
}
TOLERANCE = 3e-6  # relative: what two other implementations of the reference differ by


def weights_of(arrays, normalization="torchvision"):
    kernels = [arrays[f"w/conv{name}.weight"].transpose(2, 3, 1, 0) for name in CONVOLUTIONS]
    return VGGWeights(kernels, [arrays[f"w/conv{name}.bias"] for name in CONVOLUTIONS], normalization)


@pytest.fixture(scope="module")
def narrow(golden):
    """The reference file of a narrow VGG-19: its arrays, its values, HR, and SR."""
    arrays, facts = golden("gan/perceptual_small")
    return arrays, facts["values"], 255 * nhwc(arrays["target"]), 255 * nhwc(arrays["input"])


@pytest.mark.parametrize("variant", GOLDEN)
def test_perceptual_and_style_losses_equal_the_reference(variant, narrow):
    arrays, values, hr, sr = narrow
    layers, criterion, normalization = GOLDEN[variant]
    weights = weights_of(arrays, normalization)
    terms = PerceptualLoss(weights, layers, criterion, style_weight=1.0).terms(hr, sr)
    assert float(terms.pop("style")) == pytest.approx(values[variant]["style"], rel=10 * TOLERANCE)
    assert float(sum(terms.values())) == pytest.approx(values[variant]["perceptual"], rel=2 * TOLERANCE)  # squares


@pytest.mark.parametrize("variant", ["realesrgan_l1", "relu5_4_l2_over_12.75sq"])
def test_gradients_equal_the_reference(variant, narrow):
    arrays, _, hr, sr = narrow
    layers, criterion, normalization = GOLDEN[variant]
    loss = PerceptualLoss(weights_of(arrays, normalization), layers, criterion)
    expected = nhwc(arrays[f"grad/{variant}"])
    ours = 255 * gradient(lambda x: loss(hr, x), sr)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=10 * TOLERANCE * np.abs(expected).max())


def test_features_before_and_after_the_activation_equal_the_reference(narrow):
    arrays, _, _, sr = narrow
    expected = {key.removeprefix("feat/"): nhwc(value) for key, value in arrays.items() if key.startswith("feat/")}
    assert (expected["conv5_4"] < 0).any() and not (expected["relu5_4"] < 0).any()
    features = Features(weights_of(arrays), expected)(sr)
    assert list(features) == list(expected)
    for layer, values in expected.items():
        difference = np.abs(np.asarray(features[layer]) - values).max()
        assert difference <= TOLERANCE * np.abs(values).max(), layer
    np.testing.assert_allclose(gram(features["conv3_4"]), arrays["gram/conv3_4"], rtol=1e-5, atol=1e-6)


def test_no_gradient_flows_to_hr(narrow):
    arrays, _, hr, sr = narrow
    loss = PerceptualLoss(weights_of(arrays), "esrgan", style_weight=1.0)
    assert not gradient(lambda x: loss(x, sr) + 0 * ops.sum(x), hr).any()


@pytest.mark.parametrize("criterion", ["l1", "l2", "fro"])
def test_the_loss_of_equal_images_is_0_and_its_gradient_finite(criterion, narrow):
    arrays, _, hr, _ = narrow
    loss = PerceptualLoss(weights_of(arrays), REAL_ESRGAN, criterion, style_weight=1.0)
    assert float(loss(hr, hr)) == pytest.approx(0, abs=1e-10)
    assert np.isfinite(gradient(lambda sr: loss(hr, sr), hr)).all()


def test_the_caffe_normalization_equals_that_of_keras(narrow):
    preprocess = keras.applications.vgg19.preprocess_input
    images = np.random.default_rng(0).uniform(0, 255, (1, 4, 5, 3)).astype("float32")
    np.testing.assert_allclose(normalized(images, "caffe"), preprocess(images.copy()), atol=1e-4)


def test_the_chain_with_weights_of_keras_equals_the_network_of_keras():
    network = keras.applications.VGG19(include_top=False, weights=None)
    layers = [layer for layer in network.layers if "conv" in layer.name]
    arrays = [layer.get_weights() for layer in layers]
    weights = VGGWeights([kernel for kernel, _ in arrays], [bias for _, bias in arrays], "caffe")
    images = np.random.default_rng(0).uniform(0, 255, (1, 33, 50, 3)).astype("float32")
    expected = network(keras.applications.vgg19.preprocess_input(images.copy()))
    ours = ops.max_pool(Features(weights, ["relu5_4"])(images)["relu5_4"], 2, strides=2, padding="valid")
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5 * float(ops.max(expected)))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_features_are_float32_under_mixed_precision(dtype, narrow, policy):
    arrays, values, hr, sr = narrow
    policy(f"mixed_{dtype}")
    loss = PerceptualLoss(weights_of(arrays), "real-esrgan")

    class Compared(keras.layers.Layer):
        def call(self, hr, sr):
            return loss(hr, sr)

    value = Compared(autocast=False)(hr, sr)  # inside a layer's call, where Keras casts variables
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    assert float(value) == pytest.approx(values["realesrgan_l1"]["perceptual"], rel=TOLERANCE)
    half = loss(ops.cast(hr, dtype), ops.cast(sr, dtype))  # images that were rounded
    assert keras.backend.standardize_dtype(half.dtype) == "float32"
    assert float(half) == pytest.approx(values["realesrgan_l1"]["perceptual"], rel=0.02)


def test_only_what_the_layers_need_is_computed(narrow):
    arrays, _, hr, _ = narrow
    weights = weights_of(arrays)
    weights.kernels[4:] = [None] * 12
    assert list(Features(weights, ["conv2_2", "relu1_1"])(hr)) == ["conv2_2", "relu1_1"]


def test_images_that_pooling_leaves_nothing_of_are_refused_before_the_first_step(narrow):
    arrays, _, hr, _ = narrow
    loss = PerceptualLoss(weights_of(arrays), "esrgan")
    assert np.isfinite(float(loss(hr[:, :16, :17], hr[:, 1:17, :17])))
    with pytest.raises(InputError, match=r"15 x 17 pixels are too small for conv5_4 .* 16 x 16"):
        loss(hr[:, :15, :17], hr[:, :15, :17])


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("conv5_4",), r"Unknown perceptual loss 'conv5_4'.*srgan, srgan-vgg22, esrgan, real-esrgan"),
        (({"conv5_5": 1.0},), r"Unknown layer of VGG-19 'conv5_5'\. Did you mean 'conv5_4'"),
        (({},), r"needs a layer"),
        (("esrgan", "l3"), r"Unknown criterion 'l3'.*l1, l2, fro"),
    ],
)
def test_what_cannot_be_compared_is_named(arguments, message, narrow):
    with pytest.raises(InputError, match=message):
        PerceptualLoss(weights_of(narrow[0]), *arguments)


def test_weights_of_another_network_are_refused():
    with pytest.raises(InputError, match=r"16 convolutions; 13 kernels and 13 biases"):
        VGGWeights([0] * 13, [0] * 13, "caffe")
    with pytest.raises(InputError, match=r"Unknown normalization 'imagenet'"):
        VGGWeights([0] * 16, [0] * 16, "imagenet")


def test_the_published_convolutions_have_20_million_parameters():
    assert sum(np.prod(shape) + shape[-1] for shape in SHAPES) == 20_024_384
