import keras
import numpy as np
import pytest

from tests.helpers.gradients import gradient
from wdsr_tf.errors import InputError
from wdsr_tf.losses import ADVERSARIAL_LOSSES, get_adversarial_loss

GOLDEN = {  # our names, those of the reference file, and the weight of the generator's loss there
    "vanilla": ("vanilla", 0.1),
    "lsgan": ("lsgan", 0.1),
    "wgan": ("wgan", 0.1),
    "wgan-softplus": ("wgan_softplus", 0.1),
    "hinge": ("hinge", 0.1),
    "relativistic": ("ra_vanilla", 5e-3),
    "relativistic-lsgan": ("ra_lsgan", 5e-3),
}
ROUNDING = 3e-7  # absolute, of float32 means of sixty numbers


@pytest.fixture(scope="module")
def logits(golden):
    """D(HR) and D(SR), the other arrays of the reference file, and its values."""
    arrays, facts = golden("gan/gan_losses")
    return arrays["input_real"], arrays["input_fake"], arrays, facts["values"]


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
def test_values_equal_the_reference(name, logits):
    real, fake, _, values = logits
    golden_name, weight = GOLDEN[name]
    expected = values[golden_name]
    loss = get_adversarial_loss(name)
    terms = loss.discriminator_terms(real, fake)
    assert [float(term) for term in terms] == pytest.approx([expected["d_real"], expected["d_fake"]], abs=ROUNDING)
    assert float(loss.discriminator(real, fake)) == pytest.approx(expected["d_real"] + expected["d_fake"], abs=1e-6)
    (given,) = (value for key, value in expected.items() if key.startswith("g_weight"))
    assert weight * float(loss.generator(real, fake)) == pytest.approx(given, abs=ROUNDING)


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
def test_gradients_equal_the_reference(name, logits):
    real, fake, arrays, _ = logits
    golden_name, weight = GOLDEN[name]
    loss = get_adversarial_loss(name)
    gradients = {
        "d_real": gradient(lambda x: loss.discriminator(x, fake), real),
        "d_fake": gradient(lambda x: loss.discriminator(real, x), fake),
        "g": weight * gradient(lambda x: loss.generator(real, x), fake),
    }
    for part, ours in gradients.items():
        np.testing.assert_allclose(ours, arrays[f"grad_{part}/{golden_name}"], atol=1e-8, rtol=1e-5, err_msg=part)


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
def test_only_a_relativistic_generator_needs_the_logits_of_hr_and_it_holds_them_fixed(name, logits):
    real, fake, _, _ = logits
    loss = get_adversarial_loss(name)
    assert loss.uses_real == name.startswith("relativistic")
    if loss.uses_real:
        # A term without weight keeps TensorFlow's tape from answering None for a gradient that is 0 everywhere.
        assert not gradient(lambda x: loss.generator(x, fake) + 0 * keras.ops.sum(x), real).any()
    else:
        assert float(loss.generator(None, fake)) == float(loss.generator(real, fake))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
def test_logits_in_half_precision_are_compared_in_float32(name, dtype):
    real, fake = (keras.ops.full((2, 1), value, dtype) for value in (3e3, -3e3))  # the squares overflow float16
    loss = get_adversarial_loss(name)
    for function in (loss.discriminator, loss.generator):
        value = function(real, fake)
        assert keras.backend.standardize_dtype(value.dtype) == "float32"
        expected = function(*(keras.ops.cast(each, "float32") for each in (real, fake)))
        assert np.isfinite(float(value)) and float(value) == float(expected)


def test_an_unknown_adversarial_loss_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"Unknown adversarial loss 'ragan'.*vanilla, lsgan, .*, relativistic"):
        get_adversarial_loss("ragan")
