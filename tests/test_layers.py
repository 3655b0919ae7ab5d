import keras
import numpy as np
import pytest

from tests.helpers.gradients import squared_error_gradients
from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.layers import (
    ClipThrough,
    CropToMatch,
    GroupedConv2D,
    InferencePad,
    PadToMultiple,
    PixelShuffle,
    WeightNormConv2D,
)
from wdsr_tf.models import create_model, fold

ROUNDING = 1e-5  # of values around one: float32 sums in a different order


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def close(actual, expected, tolerance=ROUNDING):
    np.testing.assert_allclose(keras.ops.convert_to_numpy(actual), expected, rtol=0, atol=tolerance)


def weight_norm(g, v, bias, **arguments):
    """Returns a layer with these weights."""
    layer = WeightNormConv2D(v.shape[-1], v.shape[0], **arguments)
    layer.build((None, None, None, v.shape[2]))
    layer.set_weights([g, v, bias])
    return layer


@pytest.mark.parametrize("kernel_size, padding", [(1, "same"), (3, "same"), (3, "valid"), (5, "valid")])
def test_weight_norm_equals_a_convolution_with_the_kernel_g_v_over_norm_of_v(kernel_size, padding):
    x, v = random(2, 9, 7, 4), random(kernel_size, kernel_size, 4, 6)
    g, bias = random(6, seed=1), random(6, seed=2)
    plain = keras.layers.Conv2D(6, kernel_size, padding=padding)
    plain.build(x.shape)
    plain.set_weights([g * v / np.sqrt(np.sum(v**2, axis=(0, 1, 2))), bias])
    layer = weight_norm(g, v, bias, padding=padding)
    y = layer(x)
    assert y.shape == layer.compute_output_shape(x.shape)
    close(y, keras.ops.convert_to_numpy(plain(x)))


def test_weight_norm_starts_as_a_plain_convolution():
    layer = WeightNormConv2D(6, 3)
    layer.build((None, None, None, 4))
    g, v, bias = layer.get_weights()
    close(g, np.sqrt(np.sum(v**2, axis=(0, 1, 2))))
    close(layer.kernel, v)
    assert not bias.any()


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_weight_norm_keeps_g_v_and_the_norm_in_float32(policy, precision):
    policy(precision)
    v = np.full((3, 3, 4, 6), 1e-5, "float32")  # their squares underflow in half precision
    layer = weight_norm(np.ones(6, "float32"), v, np.zeros(6, "float32"), padding="valid")
    assert [weight.dtype for weight in (layer.g, layer.v)] == ["float32", "float32"]
    assert keras.backend.standardize_dtype(layer.kernel.dtype) == "float32"
    y = layer(np.ones((1, 3, 3, 4), "float32"))
    assert keras.backend.standardize_dtype(y.dtype) == precision.removeprefix("mixed_")
    close(y, np.full((1, 1, 1, 6), 6.0), tolerance=6 * 2**-7)  # 36 values of 1/6; bfloat16 has 8 bits


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_weight_norm_passes_gradients_to_every_weight(policy, precision):
    policy(precision)
    layer = weight_norm(random(6, seed=1), random(3, 3, 4, 6), random(6, seed=2))
    gradients = squared_error_gradients(layer, random(2, 9, 7, 4), random(2, 9, 7, 6))
    assert [gradient.shape for gradient in gradients] == [(2, 9, 7, 4), (6,), (3, 3, 4, 6), (6,)]
    assert all(np.isfinite(gradient).all() and gradient.any() for gradient in gradients)


def test_three_adam_steps_on_weight_norm_equal_the_reference(golden):
    arrays, _ = golden("weightnorm_adam_step")
    ours = {"g": np.ravel, "v": lambda v: v.transpose(2, 3, 1, 0), "b": np.ravel}
    x, target = (arrays[name].transpose(0, 2, 3, 1) for name in ("input", "target"))
    layer = weight_norm(*(ours[part[0]](arrays[f"w/{part}"]) for part in ("g", "v", "bias")))
    adam = keras.optimizers.Adam(1e-2, beta_1=0.9, beta_2=0.999)
    for step in (1, 2, 3):
        assert np.mean((keras.ops.convert_to_numpy(layer(x)) - target) ** 2) == pytest.approx(
            arrays["losses"][step - 1]
        )
        gradients = squared_error_gradients(layer, x, target)[1:]
        if step == 1:
            for part, gradient in zip("gvb", gradients, strict=True):
                close(gradient, ours[part](arrays[f"grad_{part}"]), tolerance=1e-7)
        # PyTorch corrects the bias of the second moment before it adds epsilon, Keras afterwards.
        adam.epsilon = 1e-7 * np.sqrt(1 - 0.999**step)
        adam.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients], layer.trainable_variables)
        for part, weight in zip("gvb", layer.get_weights(), strict=True):
            # A gradient's rounding error, 1e-8, grows by learning rate / gradient: to 2e-6 if the gradient is 5e-5.
            close(weight, ours[part](arrays[f"{part}_after{step}"]), tolerance=2e-6)
    close(layer(x), arrays["output"].transpose(0, 2, 3, 1))


def test_layers_are_restored_from_a_saved_model(tmp_path):
    x = keras.Input((None, None, 3))
    y = InferencePad(2, "edge")(x)
    y = WeightNormConv2D(8, 3, "valid", g_initializer=keras.initializers.Constant(2.0), bias_initializer="ones")(y)
    y = PixelShuffle(2, order="pytorch")(PadToMultiple(4)(y))
    y = ClipThrough(-1.0, 1.0)(CropToMatch(1, border=1)([y, x]))
    model = keras.Model(x, y)
    model.save(tmp_path / "layers.keras")
    loaded = keras.saving.load_model(tmp_path / "layers.keras")
    image = random(1, 6, 5, 3)
    close(loaded(image), keras.ops.convert_to_numpy(model(image)), tolerance=0)
    for before, after in zip(model.layers[1:], loaded.layers[1:], strict=True):
        assert before.get_config() == after.get_config()


def shuffled(x, scale, order):
    """Pixel shuffle by its definition."""
    batch, height, width, channels = x.shape
    colors = channels // scale**2
    y = np.zeros((batch, height * scale, width * scale, colors), x.dtype)
    for row in range(scale):
        for column in range(scale):
            for color in range(colors):
                pixel = row * scale + column
                channel = pixel * colors + color if order == "keras" else color * scale**2 + pixel
                y[:, row::scale, column::scale, color] = x[..., channel]
    return y


@pytest.mark.parametrize("order", ["keras", "pytorch"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_pixel_shuffle_equals_its_definition(scale, order):
    x = random(2, 3, 5, 3 * scale**2)
    layer = PixelShuffle(scale, order)
    assert layer.compute_output_shape(x.shape) == (2, 3 * scale, 5 * scale, 3)
    close(layer(x), shuffled(x, scale, order), tolerance=0)


def test_pytorch_order_equals_permuted_keras_order():
    x = random(1, 4, 3, 12)
    permuted = x[..., np.arange(12).reshape(3, 4).T.ravel()]
    close(PixelShuffle(2, "pytorch")(x), keras.ops.convert_to_numpy(PixelShuffle(2)(permuted)), tolerance=0)


@pytest.mark.parametrize("mode, numpy_mode", [("symmetric", "symmetric"), ("edge", "edge"), ("zeros", "constant")])
@pytest.mark.parametrize("height, width", [(9, 7), (4, 1), (1, 2), (1, 1)])
def test_inference_pad_equals_numpy_even_on_images_smaller_than_the_pad(mode, numpy_mode, height, width):
    x = random(2, height, width, 3)
    layer = InferencePad(4, mode)
    expected = np.pad(x, [(0, 0), (4, 4), (4, 4), (0, 0)], numpy_mode)
    close(layer(x), expected, tolerance=0)
    close(layer(x, training=False), expected, tolerance=0)


@pytest.mark.parametrize("mode", ["symmetric", "edge", "zeros"])
def test_inference_pad_does_nothing_in_training(mode):
    x = random(2, 5, 3, 3)
    close(InferencePad(1, mode)(x, training=True), x, tolerance=0)


def test_inference_pad_refuses_a_training_patch_of_which_nothing_would_be_left():
    message = (
        r"Training crops 2 pixels from each side, which leaves nothing of a patch of 5 x 4\. "
        r"Choose a larger LR patch size\."
    )
    with pytest.raises(InputError, match=f"^{message}$"):
        InferencePad(2)(random(1, 5, 4, 3), training=True)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("height, width", [(8, 4), (9, 7), (1, 1)])
def test_pad_to_multiple_repeats_the_last_row_and_column(height, width, training):
    x = random(2, height, width, 3)
    layer = PadToMultiple(4)
    expected = np.pad(x, [(0, 0), (0, -height % 4), (0, -width % 4), (0, 0)], "edge")
    assert layer.compute_output_shape(x.shape) == expected.shape
    close(layer(x), expected, tolerance=0)


def test_crop_to_match_crops_to_the_size_of_the_other_image():
    x, like = random(2, 12, 16, 3), random(2, 7, 9, 1)
    layer = CropToMatch(2, border=1)
    assert layer.compute_output_shape([x.shape, like.shape]) == (2, 10, 14, 3)
    close(layer([x, like]), x[:, :10, :14], tolerance=0)


def test_clip_through_clips_and_passes_every_gradient():
    x = np.array([[-0.5, 0.25, 1.0, 3e38]], "float32")
    target = np.array([[1.0, 1.0, 1.0, 0.0]], "float32")
    layer = ClipThrough(0.0, 1.0)
    close(layer(x), [[0.0, 0.25, 1.0, 1.0]], tolerance=0)
    (gradient,) = squared_error_gradients(layer, x, target)
    close(gradient, [[-2 / 4, -1.5 / 4, 0.0, 2 / 4]], tolerance=0)


def test_clip_through_returns_nan_for_nonfinite_values():
    y = keras.ops.convert_to_numpy(ClipThrough(0.0, 1.0)(np.array([np.inf, -np.inf, np.nan], "float32")))
    assert np.isnan(y).all()


@pytest.mark.parametrize("layer, wrong", [(PixelShuffle, {"order": "torch"}), (InferencePad, {"mode": "wrap"})])
def test_an_unknown_mode_is_refused(layer, wrong):
    with pytest.raises(InputError, match="Choose from"):
        layer(2, **wrong)


@pytest.mark.parametrize("weight_norm", [True, False])
@pytest.mark.parametrize("name", ["wdsr-a", "wdsr-b", "edsr"])
def test_folding_returns_plain_convolutions_with_the_same_output(tmp_path, name, weight_norm):
    model = create_model(name, 2, num_res_blocks=1, num_filters=8, weight_norm=weight_norm)
    for layer in model.layers:
        layer.set_weights([weight * 1.5 for weight in layer.get_weights()])  # g and v differ from their initial values
    model.facts["source"] = "a test"
    folded = fold(model)
    assert not any(isinstance(layer, WeightNormConv2D) for layer in folded.layers)
    assert folded.facts == model.facts and folded.facts is not model.facts
    x = np.random.default_rng(0).integers(0, 256, (1, 7, 9, 3), "uint8")
    expected = keras.ops.convert_to_numpy(model(x))
    close(folded(x), expected, tolerance=ROUNDING * np.abs(expected).max() if weight_norm else 0)

    checkpoint.save(folded, tmp_path / "folded.keras")
    close(checkpoint.load(tmp_path / "folded.keras")(x), keras.ops.convert_to_numpy(folded(x)), tolerance=0)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_each_group_of_a_convolution_sees_its_own_channels_only(groups):
    layer = GroupedConv2D(12, 3, padding="same", groups=groups)
    x = random(2, 5, 6, 8)
    layer.build(x.shape)
    layer.set_weights([random(3, 3, 8 // groups, 12, seed=1), random(12, seed=2)])
    kernel, bias = layer.get_weights()
    wide = np.zeros((3, 3, 8, 12), "float32")  # as one convolution with zeros between groups
    for g in range(groups):
        seen, made = slice(8 // groups * g, 8 // groups * (g + 1)), slice(12 // groups * g, 12 // groups * (g + 1))
        wide[:, :, seen, made] = kernel[..., made]
    close(layer(x), keras.ops.convert_to_numpy(keras.ops.conv(x, wide, padding="same")) + bias, 1e-4)
