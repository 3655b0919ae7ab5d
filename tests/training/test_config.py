import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from wdsr_tf.errors import InputError
from wdsr_tf.training.config import TrainingConfig, without_effect


def test_a_config_is_a_frozen_value_with_keyword_arguments_only():
    config = TrainingConfig(model="wdsr-a", epochs=10)
    assert config == TrainingConfig(model="wdsr-a", epochs=10) != TrainingConfig(model="wdsr-a")
    assert dataclasses.replace(config, epochs=20).epochs == 20
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.epochs = 20
    with pytest.raises(TypeError):
        TrainingConfig("./output")


def test_values_are_converted_to_the_type_of_their_field():
    config = TrainingConfig(
        dataset=Path("here"),
        epochs=np.int64(3),
        learning_rate=1,
        training_scales=[3, 2],
        devices=2,
        ema=np.float32(0.5),
    )
    assert (config.dataset, config.epochs, config.devices) == ("here", 3, "2")
    assert type(config.learning_rate) is type(config.ema) is float
    assert (config.training_scales, config.scales) == ((3, 2), [2, 3])
    assert TrainingConfig(scale=4).scales == [4]


@pytest.mark.parametrize(
    "settings, complaint",
    [
        ({"epochs": 0}, "epochs must be at least 1, not 0."),
        ({"epochs": "3"}, "epochs must be a whole number, not '3'."),
        ({"epochs": 2.5}, "epochs must be a whole number, not 2.5."),
        ({"epochs": True}, "epochs must be a whole number, not True."),
        ({"epochs": 10**400}, "epochs must be at most 1000000000, not 1000"),
        ({"epochs": None}, "epochs must be a whole number, not None."),
        ({"seed": 2**32}, "seed must be at most 4294967295"),
        ({"ema": 1.5}, "ema must be at most 1, not 1.5."),
        ({"learning_rate": float("nan")}, "learning_rate must be a finite number, not nan."),
        ({"learning_rate": "fast"}, "learning_rate must be a finite number, not 'fast'."),
        ({"augment": 1}, "augment must be True or False, not 1."),
        ({"loss": None}, "loss must be text, not None."),
        ({"optimizer": "adma"}, "Unknown optimizer 'adma'. Did you mean 'adam'?"),
        ({"training_scales": "23"}, "training_scales must be whole numbers, not '23'."),
        ({"training_scales": (2, 0)}, "training_scales must be at least 1, not 0."),
        ({"hyperparameters": 3}, "hyperparameters must be a mapping of names to values, not 3."),
        ({"momentum": 0.5}, "momentum has no effect here: it applies only to optimizer sgd."),
        ({"schedule": "cosine", "learning_rate_decay": 0.1}, "learning_rate_decay has no effect"),
        ({"initial_epoch": 3}, "initial_epoch has no effect"),
        ({"benchmark": True, "validation_steps": 7}, "validation_steps has no effect"),
        ({"coordinator": "host:1"}, "coordinator has no effect"),
        ({"discriminator": "vgg-128"}, "discriminator has no effect here: it applies only with adversarial."),
        ({"vgg_weights": "vgg.pth", "adversarial": "vanilla"}, "vgg_weights has no effect"),
        ({"pixel_weight": 0.5}, "pixel_weight has no effect"),
        ({"adversarial": "vanilla", "benchmark": True}, "benchmark has no effect"),
        ({"perceptual": 1.0, "training_scales": (2, 3)}, "training_scales has no effect"),
        ({"oracle_rate": 0.6}, "oracle_rate=0.6 with oracle_drop_rate=0.5 needs more patches than an epoch has"),
        ({"oracle_rate": 0.1, "oracle_drop_rate": 1}, "it must be at most 1 - oracle_drop_rate, 0."),
        ({"oracle_rate": 0.5, "batch_size": 1000}, "keeps 500,000 patches of an epoch, but 262,144 are the most"),
        ({"oracle_rate": 1.1}, "oracle_rate must be at most 1, not 1.1."),
        ({"oracle_drop_rate": 0.4}, "oracle_drop_rate has no effect here: it applies only with oracle_rate."),
        ({"oracle_rate": 0.1, "device_resident": True}, "oracle_rate has no effect here: it applies only to one scale"),
        ({"oracle_rate": 0.1, "training_scales": (2, 3)}, "oracle_rate has no effect"),
        ({"oracle_rate": 0.1, "devices": 2}, "oracle_rate has no effect here: it applies only to a single device"),
        ({"oracle_rate": 0.1, "devices": "all"}, "oracle_rate has no effect"),
        ({"oracle_rate": 0.1, "num_processes": 2, "coordinator": "host:1"}, "oracle_rate has no effect"),
        ({"num_processes": 2}, "coordinator"),
        ({"num_processes": 2, "coordinator": "host:1", "process_id": 2}, "process_id must be below"),
    ],
)
def test_a_wrong_setting_is_refused(settings, complaint):
    with pytest.raises(InputError) as caught:
        TrainingConfig(**settings)
    assert complaint in str(caught.value)


def test_a_setting_that_asks_for_nothing_needs_no_effect():
    assert (
        without_effect({"momentum": 0.0, "min_bytes": 0, "learning_rate_boundaries": (), "validation_steps": 100}) == {}
    )
    assert TrainingConfig(momentum=0).momentum == 0
    assert TrainingConfig(oracle_rate=0.3, oracle_drop_rate=0.7, devices=1).oracle_rate == 0.3


def test_a_store_of_patches_has_no_use_for_the_settings_of_images(tmp_path):
    (tmp_path / "store.sqlite").write_bytes(b"")
    settings = {"dataset": str(tmp_path / "store.sqlite"), "downgrade": "unknown", "memory_fraction": 0.1}
    assert without_effect(settings).keys() == {"downgrade", "memory_fraction"}
    assert without_effect(settings | {"dataset": str(tmp_path)}) == {}


def test_flag_lines_contain_what_is_set():
    lines = TrainingConfig(
        weight_norm=True, augment=False, training_scales=(2, 3), hyperparameters={"variant": "reloaded", "units": 9}
    ).flag_lines()
    assert {"--weightnorm", "--noaugment", "--training_scales=2,3", "--set=variant='reloaded'", "--set=units=9"} < {
        *lines
    }
    assert lines == sorted(lines)
    assert not [line for line in lines if "num_filters" in line]


def test_a_config_imports_no_keras():
    program = (
        "import sys, wdsr_tf.training.config, wdsr_tf.training.train; print({'keras', 'tensorflow'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
