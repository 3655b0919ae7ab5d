import math

import keras
import numpy as np
import pytest

from tests.helpers.gradients import gradient_of_penalty
from wdsr_tf.errors import InputError
from wdsr_tf.models.discriminators import (
    DISCRIMINATORS,
    check_input_side,
    create_discriminator,
    hyperparameters_of,
    input_side,
)

SMALL = {"srgan": {"num_filters": 2, "num_units": 4}}
EXACT = {"srgan": 96, "vgg-128": 128, "vgg-256": 256}
PARAMETERS = {  # trainable, others
    "srgan": (23_565_505, 3_712),
    "vgg-128": (14_499_401, 2 * (64 + 2 * (128 + 256 + 512 + 512))),
    "vgg-256": (21_055_049, 2 * (64 + 2 * (128 + 256 + 512 + 512 + 512))),
    "unet-sn": (4_376_897, 17_856),
    "patchgan": (2_764_737, 961 + 16 * (3 + 64 + 128 + 256 + 512)),
}


def small(name):
    return create_discriminator(name, **SMALL.get(name, {"num_filters": 2}))


def patches(name, count=2):
    side = EXACT.get(name, 48)
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), "uint8")


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_it_has_the_published_number_of_parameters(name):
    model = create_discriminator(name)
    trainable, others = (
        [math.prod(w.shape) for w in ws] for ws in (model.trainable_weights, model.non_trainable_weights)
    )
    assert (sum(trainable), sum(others)) == PARAMETERS[name]


@pytest.mark.parametrize("precision", [pytest.param("mixed_float16", marks=pytest.mark.slow), "mixed_bfloat16"])
@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_it_returns_float32_logits_in_every_precision(policy, name, precision):
    keras.utils.set_random_seed(0)
    exact = small(name)
    policy(precision)
    model = small(name)
    model.set_weights(exact.get_weights())
    assert keras.backend.standardize_dtype(model(patches(name), training=True).dtype) == "float32"
    exact(patches(name), training=True)
    model.set_weights(exact.get_weights())
    y, expected = (keras.ops.convert_to_numpy(each(patches(name))) for each in (model, exact))
    shapes = {"unet-sn": (2, 48, 48, 1), "patchgan": (2, 9, 9, 1)}
    assert y.shape == shapes.get(name, (2, 1))
    close = {"mixed_float16": 0.01, "mixed_bfloat16": 0.1}[precision]
    np.testing.assert_allclose(y, expected, rtol=0, atol=close * np.abs(expected).max())
    assert {weight.dtype for weight in model.weights} == {"float32"}


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_its_file_rebuilds_it(tmp_path, name):
    model = small(name)
    model(patches(name), training=True)
    model.save(tmp_path / "discriminator.keras")
    back = keras.saving.load_model(tmp_path / "discriminator.keras")
    assert (
        back.recipe == model.recipe == {"name": name, **hyperparameters_of(name)} | SMALL.get(name, {"num_filters": 2})
    )
    np.testing.assert_array_equal(back(patches(name)), model(patches(name)))


@pytest.mark.parametrize("name", ["unet-sn", "patchgan"])
def test_a_penalty_on_its_gradient_has_a_gradient(name):
    model = small(name)
    x = patches(name, count=1).astype("float32")
    model(x, training=True)  # before the first iteration, sigma is any number
    found = gradient_of_penalty(lambda x: keras.ops.sum(model(x) ** 2), x)
    assert np.isfinite(found).all() and np.abs(found).max() > 0


@pytest.mark.parametrize(
    "name, side, scale, message",
    [
        ("unet-sn", 100, 4, r"HR patches for the discriminator unet-sn must be a multiple of 8; it is 100\. At x4, "
         r"choose an LR patch size that is a multiple of 2\."),
        ("unet-sn", 90, 3, r"a multiple of 8; it is 90\. At x3, choose an LR patch size that is a multiple of 8\."),
        ("vgg-128", 192, 4, r"must be exactly 128; it is 192\. At x4, choose the LR patch size 32\."),
        ("vgg-128", 96, 3, r"exactly 128; it is 96\. No LR patch size gives it at x3: choose another discriminator, "
         r"such as patchgan, unet-sn\."),
        ("vgg128", 128, 4, r"Unknown discriminator 'vgg128'. Did you mean 'vgg-128'\?"),
    ],
)  # fmt: skip
def test_a_patch_that_does_not_fit_is_refused_with_sizes_that_do(name, side, scale, message):
    with pytest.raises(InputError, match=message):
        check_input_side(name, side, scale)


def test_the_input_side_says_what_fits():
    assert {name: input_side(name).exact for name in DISCRIMINATORS if input_side(name).exact} == EXACT
    assert input_side("unet-sn").multiple == 8 and input_side("patchgan").multiple == 1
    for name in DISCRIMINATORS:
        check_input_side(name, EXACT.get(name, 192), 4)


def test_an_unknown_hyperparameter_is_refused_with_those_there_are():
    with pytest.raises(InputError, match=r"unet-sn has no hyperparameter 'num_filter'. Did you mean 'num_filters'\?"):
        create_discriminator("unet-sn", num_filter=8)
