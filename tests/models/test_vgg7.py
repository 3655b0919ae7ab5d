import keras
import numpy as np
import pytest

from tests.helpers.networks import assert_equals_golden, golden_model, nhwc
from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats, waifu2x
from wdsr_tf.importers.tensors import assign
from wdsr_tf.models import create_model
from wdsr_tf.models.luma import COLORS


def random_image(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (1, height, width, 3)).astype("float32")


def test_the_parameter_count_equals_the_published_one():
    assert create_model("vgg7", 1).count_params() == 290_467
    assert create_model("vgg7", 2).count_params() == 290_467


def test_published_weights_upscale_a_photograph_like_waifu2x(golden):
    arrays, _ = golden("vgg7_published_ukbench")
    upscaled = nhwc(arrays["input"])
    lr = upscaled[:, ::2, ::2]
    assert np.array_equal(lr.repeat(2, axis=1).repeat(2, axis=2), upscaled)
    model = golden_model(arrays, waifu2x.in_order, "vgg7", 2)
    assert_equals_golden(model(255 * lr) / 255, nhwc(arrays["output"]))


def test_training_returns_the_inside_of_the_published_output(golden):
    arrays, _ = golden("vgg7_published_ukbench")
    model = golden_model(arrays, waifu2x.in_order, "vgg7", 1)
    inside = model(255 * nhwc(arrays["input"]), training=True) / 255
    assert_equals_golden(inside, nhwc(arrays["output"])[:, 7:-7, 7:-7])


@pytest.mark.parametrize("first", [0, 1])
def test_chainer_weights_are_imported_by_number_in_any_order(golden, first):
    arrays, _ = golden("vgg7_published_ukbench")
    weights = [array for name, array in arrays.items() if name.startswith("w/")]
    renamed = {f"w/conv{first + i // 2}/{'Wb'[i % 2]}": array for i, array in enumerate(weights)}
    model = golden_model(dict(reversed(renamed.items())), waifu2x.chainer, "vgg7", 2)
    same = golden_model(arrays, waifu2x.in_order, "vgg7", 2)
    for ours, theirs in zip(model.get_weights(), same.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)


def test_published_chainer_weights_keep_a_ramp(reference):
    tensors = formats.read(reference / "weights/waifu2x/vgg_7/anime_style_scale_rgb.npz").arrays
    model = create_model("vgg7", 2)
    assign(model, tensors, waifu2x.chainer)
    lr = np.stack([np.arange(20.0, 180, 2.5)] * 3, axis=-1)[None, None].repeat(20, axis=1)
    # A ramp stays a ramp. With two kernels swapped it wouldn't.
    difference = np.asarray(model(lr))[0, :, 8:-8] - lr[0].repeat(2, axis=0).repeat(2, axis=1)[:, 8:-8]
    assert np.abs(difference).max() < 3


def test_zero_padding_equals_the_reference_output_in_training_and_at_inference(golden):
    arrays, _ = golden("vgg7_seed")
    model = golden_model(arrays, waifu2x.in_order, "vgg7", 1, pad="zeros")
    for training in (False, True):
        assert_equals_golden(model(255 * nhwc(arrays["input"]), training=training) / 255, nhwc(arrays["output"]))


@pytest.mark.parametrize("scale", [1, 2])
def test_the_luma_network_changes_luma_and_keeps_the_colors(scale):
    model = create_model("vgg7", scale, luma=True)
    kernel, _ = model.get_layer("tail").get_weights()
    model.get_layer("tail").set_weights([np.zeros_like(kernel), np.array([0.6])])
    color = np.array([40.0, 120.0, 250.0])
    lr = np.broadcast_to(color, (1, 9, 5, 3))
    change = 0.6 * 255 - color @ COLORS["yuv"].luma
    expected = np.broadcast_to(np.clip(color + change, 0, 255), (1, 9 * scale, 5 * scale, 3))
    np.testing.assert_allclose(model(lr), expected, atol=1e-4)  # float32 on 0..255
    assert expected.max() == 255  # clipped


def test_the_luma_network_sees_luma_in_the_unit_range():
    model = create_model("vgg7", 1, luma=True)
    lr = random_image(20, 20)
    seen = keras.Model(model.inputs, model.get_layer("pad").output)([lr])
    np.testing.assert_allclose(seen[0, 7:-7, 7:-7, 0], lr[0] @ [0.299, 0.587, 0.114] / 255, atol=1e-6)  # float32


def test_weights_are_initialized_like_waifu2x():
    kernel, bias = create_model("vgg7", 1).get_layer("conv_6").get_weights()
    deviation = np.sqrt(4 / ((1 + 0.1**2) * 9 * (128 + 128)))
    assert kernel.std() == pytest.approx(deviation, rel=0.01)  # 147,456 draws: a standard error of 0.2 %
    assert not bias.any()


def test_training_refuses_a_patch_of_which_nothing_would_be_left():
    model = create_model("vgg7", 1)
    assert model(random_image(15, 15), training=True).shape == (1, 1, 1, 3)
    with pytest.raises(InputError, match="larger LR patch size"):
        model(random_image(20, 14), training=True)


def test_an_unknown_pad_is_refused():
    with pytest.raises(InputError, match="Choose from edge, zeros"):
        create_model("vgg7", 1, pad="same")
