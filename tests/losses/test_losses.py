"""What holds for every loss that `--loss` can name."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.conftest import REPOSITORY
from tests.helpers.gradients import gradient
from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.losses import ADVERSARIAL_LOSSES, LOSSES, PERCEPTUAL_LAYERS, get_loss
from wdsr_tf.models import create_model


def value(name, hr, sr):
    return float(get_loss(name)(hr, sr))


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_zero_for_equal_images_and_accepts_uint8_targets(name):
    hr = np.random.default_rng(0).integers(0, 256, (2, 16, 17, 3), "uint8")
    floor = 0.255 if name == "charbonnier" else 0.0
    assert value(name, hr, hr.astype("float32")) == pytest.approx(floor, abs=1e-6)
    assert np.isfinite(gradient(lambda sr: get_loss(name)(hr, sr), hr.astype("float32"))).all()


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_restored_from_a_checkpoint(name, tmp_path):
    model = create_model("espcn", 2, num_filters=4)
    model.compile("sgd", get_loss(name))
    model.optimizer.build(model.trainable_variables)
    checkpoint.save(model, tmp_path / "model.keras")
    loaded = checkpoint.load(tmp_path / "model.keras", compile=True)
    hr, sr = np.random.default_rng(0).uniform(0, 255, (2, 1, 16, 17, 3)).astype("float32")
    assert float(loaded.loss(hr, sr)) == value(name, hr, sr)
    assert keras.saving.serialize_keras_object(loaded.loss) == keras.saving.serialize_keras_object(get_loss(name))


def test_an_unknown_loss_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"Unknown loss 'l1'.*Choose from mae, mse, weighted-mse"):
        get_loss("l1")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_computes_in_float32_under_mixed_precision(name, dtype, policy):
    policy(f"mixed_{dtype}")
    hr, sr = np.random.default_rng(1).integers(0, 256, (2, 2, 20, 18, 3)).astype("float32")  # exact in half precision
    loss = get_loss(name)(ops.cast(hr, dtype), ops.cast(sr, dtype))
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert float(loss) == value(name, hr, sr)


def test_a_checkpoint_from_when_the_losses_were_one_module_is_loaded():
    config = keras.saving.serialize_keras_object(get_loss("charbonnier"))
    loss = keras.saving.deserialize_keras_object(config | {"module": "wdsr_tf.losses"})
    assert type(loss) is type(get_loss("charbonnier")) and config["registered_name"] == "wdsr_tf>Charbonnier"


def test_the_guide_names_every_loss():
    guide = (REPOSITORY / "docs" / "training.md").read_text(encoding="utf-8")
    assert [name for name in (*LOSSES, *ADVERSARIAL_LOSSES, *PERCEPTUAL_LAYERS) if f"`{name}`" not in guide] == []
