"""Tests of every registered network, so that a new one is tested on the day it is registered."""

import functools

import keras
import numpy as np
import pytest

from tests.helpers.exported import small
from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.models import create_model, get_architecture, list_models
from wdsr_tf.models.registry import register

EVERY = [(name, scale) for name in list_models() for scale in get_architecture(name).scales]
# For what takes longer: each network once, at its largest scale, and at the others in `make test-all`.
ONCE = [
    pytest.param(name, scale, marks=[pytest.mark.slow] * (scale != max(get_architecture(name).scales)))
    for name, scale in EVERY
]
ODD = 13, 10  # not square, so that swapped axes show; one size, because JAX compiles for each size
TRACING_IS_SLOWER = keras.backend.backend() == "tensorflow"  # for a step or two
COMPILES_EACH_SIZE = keras.backend.backend() == "jax"
LR_PATCH = {"cunet": 64, "upcunet": 44}  # these crop more than a 16 x 16 patch has
HALF_IS_SLOW = {"cunet", "upcunet"}  # their widths are fixed, and CPUs multiply float16 in software
# Each network in one of them, usually the one whose range is small, and in the other in `make test-all`.
PRECISIONS = [
    pytest.param(name, precision, marks=[pytest.mark.slow] * ((precision == "mixed_float16") == (name in HALF_IS_SLOW)))
    for name in list_models()
    for precision in ("mixed_float16", "mixed_bfloat16")
]


@functools.cache
def network(name, scale):
    return create_model(name, scale, **small(name))


def random_image(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (1, height, width, 3), "uint8")


def upscaled(model, lr):
    return keras.ops.convert_to_numpy(model(lr))


@pytest.mark.parametrize("name, scale", ONCE if COMPILES_EACH_SIZE else EVERY)
def test_the_output_is_scale_times_the_input_for_any_size_and_dtype(name, scale):
    for height, width in [(1, 1), ODD]:
        lr = random_image(height, width)
        sr = upscaled(network(name, scale), lr)
        assert sr.shape == (1, height * scale, width * scale, 3)
        assert sr.dtype == "float32"
        assert np.isfinite(sr).all()
        np.testing.assert_array_equal(sr, upscaled(network(name, scale), lr.astype("float32")))


@pytest.mark.parametrize("name, scale", ONCE)
def test_a_checkpoint_restores_the_same_network(name, scale, tmp_path):
    model = network(name, scale)
    checkpoint.save(model, tmp_path / "model.keras")
    loaded = checkpoint.load(tmp_path / "model.keras")
    assert loaded.recipe == model.recipe
    lr = random_image(*ODD)
    np.testing.assert_array_equal(upscaled(loaded, lr), upscaled(model, lr))


@pytest.mark.parametrize("name, scale", EVERY)
def test_a_recipe_contains_every_hyperparameter(name, scale):
    recipe = network(name, scale).recipe
    assert recipe.keys() == {"name", "scale"} | get_architecture(name).hyperparameters.keys()
    assert (recipe["name"], recipe["scale"]) == (name, scale)
    assert recipe.items() >= small(name).items()


@pytest.mark.parametrize("name, precision", PRECISIONS)
def test_a_network_trains_in_mixed_precision_and_loads_in_float32(name, precision, policy, tmp_path):
    policy(precision)
    keras.utils.set_random_seed(1)
    scale = get_architecture(name).scales[0]
    model = create_model(name, scale, **small(name))
    before = model.get_weights()
    # Keras starts at 2^15, and would spend the first steps on finding the right loss scale.
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-4), initial_scale=16)
    model.compile(optimizer, "mae", run_eagerly=TRACING_IS_SLOWER)
    side = LR_PATCH.get(name, 16)
    lr, hr = random_image(side, side), random_image(side * scale, side * scale, seed=1)
    assert all(np.isfinite(model.train_on_batch(lr, hr)) for _ in range(2))
    assert any(np.any(old != new) for old, new in zip(before, model.get_weights(), strict=True))
    assert all(np.isfinite(weights).all() for weights in model.get_weights())
    half = upscaled(model, random_image(*ODD))
    assert half.dtype == "float32" and np.isfinite(half).all()

    checkpoint.save(model, tmp_path / "model.keras")
    policy("float32")
    loaded = checkpoint.load(tmp_path / "model.keras")
    for trained, read in zip(model.get_weights(), loaded.get_weights(), strict=True):
        assert read.dtype == "float32"
        np.testing.assert_array_equal(read, trained)
    # bfloat16 has 8 bits: each layer rounds by up to 1/256 of its range, and the errors of a dozen layers add up.
    exact = upscaled(loaded, random_image(*ODD))
    assert np.abs(exact - half).max() <= 0.05 * np.ptp(exact)


def test_misspelled_names_are_refused_with_a_suggestion():
    with pytest.raises(InputError, match=r"Unknown model 'wdsr_a'\. Did you mean 'wdsr-a'\?"):
        create_model("wdsr_a", 2)
    with pytest.raises(InputError, match=r"wdsr-a has no scale 5. Choose from 2, 3, 4"):
        create_model("wdsr-a", 5)
    with pytest.raises(InputError, match=r"has no hyperparameter 'num_filter'. Did you mean 'num_filters'\?"):
        create_model("wdsr-a", 2, num_filter=8)


def test_a_name_is_registered_only_once():
    with pytest.raises(ValueError, match="already registered"):
        register("wdsr-a", scales=(2,))(lambda scale: None)


def test_the_loss_sees_the_center_of_hr_if_the_network_is_unpadded():
    model = create_model("wdsr-a", 2, num_filters=8, num_res_blocks=1)  # crops 2 LR pixels on each side
    model.compile(loss="mae", metrics=["mae"], run_eagerly=TRACING_IS_SLOWER)
    lr, hr = random_image(9, 8), random_image(18, 16, seed=1)
    returned = keras.ops.convert_to_numpy(model(lr, training=True))
    assert returned.shape == (1, 10, 8, 3)
    expected = np.abs(returned - hr[:, 4:-4, 4:-4]).mean()
    assert model.train_on_batch(lr, hr)[0] == pytest.approx(expected, rel=1e-5)
