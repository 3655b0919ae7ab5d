import keras
import numpy as np
import pytest

from tests.helpers.networks import assert_equals_golden, golden_model, nhwc
from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.importers import waifu2x
from wdsr_tf.models import create_model, transfer
from wdsr_tf.models.cunet import squeeze_excite

BOTH = [("cunet", 1), ("upcunet", 2)]
BORDER = {"cunet": 28, "upcunet": 18}  # LR pixels that are cropped on each side without padding
MULTIPLE = {"cunet": 4, "upcunet": 2}  # of the input sizes that need no padding


def random_image(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (1, height, width, 3), "uint8")


def published(golden, name, scale, **how):
    """Returns the network with the reference weights, the reference input in 0..255, and all reference arrays."""
    arrays, _ = golden(name)
    return golden_model(arrays, waifu2x.nunif, name, scale, **how), 255 * nhwc(arrays["input"]), arrays


@pytest.mark.parametrize("name, scale, count", [("cunet", 1, 1_283_254), ("upcunet", 2, 1_284_598)])
def test_parameter_counts_equal_the_published_ones(name, scale, count):
    assert create_model(name, scale).count_params() == count


@pytest.mark.parametrize("name, scale", BOTH)
def test_both_outputs_equal_the_reference_outputs(golden, name, scale):
    model, lr, arrays = published(golden, name, scale, auxiliary=True)
    sr, auxiliary = model(lr, training=True)
    assert_equals_golden(sr / 255, nhwc(arrays["output"]))
    assert_equals_golden(auxiliary / 255, np.clip(nhwc(arrays["z1"]), 0, 1))


@pytest.mark.parametrize("name, scale", BOTH)
def test_importing_in_file_order_equals_importing_by_name(golden, name, scale):
    by_name, _, arrays = published(golden, name, scale)
    in_order = golden_model(arrays, waifu2x.in_order, name, scale)
    for ours, theirs in zip(by_name.get_weights(), in_order.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("name, scale", BOTH)
@pytest.mark.parametrize("height, width", [(24, 28), (21, 26), (1, 3)])
def test_inference_repeats_the_edge_as_far_as_needed(golden, name, scale, height, width):
    model, lr, _ = published(golden, name, scale)
    lr = lr[:, :height, :width]
    border, multiple = BORDER[name], MULTIPLE[name]
    sides = [(border, border + -length % multiple) for length in (height, width)]
    expected = np.asarray(model(np.pad(lr, [(0, 0), *sides, (0, 0)], "edge"), training=True))
    sr = model(lr)
    assert sr.shape == (1, height * scale, width * scale, 3)
    assert_equals_golden(sr, expected[:, : height * scale, : width * scale])


@pytest.mark.parametrize("name, scale", BOTH)
def test_training_accepts_patches_of_odd_sizes(name, scale):
    sr = create_model(name, scale)(random_image(61, 67), training=True)
    assert sr.shape == (1, scale * (61 - 2 * BORDER[name]), scale * (67 - 2 * BORDER[name]), 3)


@pytest.mark.parametrize("name, scale", BOTH)
def test_training_refuses_a_patch_of_which_nothing_would_be_left(name, scale):
    model = create_model(name, scale)
    model.compile(loss="mae")
    side = 2 * BORDER[name]
    with pytest.raises(InputError, match="larger LR patch size"):
        model.train_on_batch(random_image(side, side), random_image(side * scale, side * scale))


@pytest.fixture(scope="module")
def trained():
    """Returns UpCUNet with auxiliary output after one step, its weights before it, the batch, and the reported loss."""
    model = create_model("upcunet", 2, auxiliary=True)
    model.compile(keras.optimizers.SGD(1e-6), "mae", metrics=["mae"])
    before = [weight.copy() for weight in model.get_weights()]  # JAX donates its buffers to the next step
    lr, hr = random_image(41, 40), random_image(82, 80, seed=1)
    return model, before, lr, hr, model.train_on_batch(lr, hr)


def test_the_loss_averages_both_outputs_and_metrics_see_the_first(trained):
    _, before, lr, hr, (loss, metric) = trained
    twin = create_model("upcunet", 2, auxiliary=True)
    twin.set_weights(before)
    errors = [np.abs(keras.ops.convert_to_numpy(sr) - hr[:, 36:-36, 36:-36]).mean() for sr in twin(lr, training=True)]
    assert loss == pytest.approx(np.mean(errors), rel=1e-5)
    assert metric == pytest.approx(errors[0], rel=1e-5)


def test_inference_has_one_output_even_with_an_auxiliary_one(trained, tmp_path):
    model, _, lr, hr, _ = trained
    assert len(model.outputs) == 1
    sr = keras.ops.convert_to_numpy(model(lr))
    assert sr.shape == hr.shape
    plain = create_model("upcunet", 2)
    assert [layer.name for layer in plain.layers] == [layer.name for layer in model.layers]
    plain.set_weights(model.get_weights())
    assert np.array_equal(plain(lr), sr)
    assert model.test_on_batch(lr, hr)[0] == pytest.approx(np.abs(sr - hr).mean(), rel=1e-5)

    checkpoint.save(model, tmp_path / "model.keras")
    loaded = checkpoint.load(tmp_path / "model.keras", compile=True)
    assert loaded.recipe == model.recipe
    assert np.array_equal(loaded(lr), sr)
    assert len(loaded(lr, training=True)) == 2


def test_the_mean_over_a_large_image_is_finite_in_half_precision(policy):
    policy("mixed_float16")
    x = keras.Input((None, None, 8))
    gate = keras.Model(x, squeeze_excite(x, name="gate"))
    assert np.isfinite(gate(np.full((1, 200, 200, 8), 100.0, "float16"))).all()  # the sum is far above 65504


def test_cunet_weights_transfer_to_upcunet():
    taken, fresh = transfer(create_model("cunet", 1), create_model("upcunet", 2))
    assert fresh == ["unet_1_tail_x2"]
    assert len(taken) == 29
