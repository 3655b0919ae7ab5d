import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from tests.conftest import REPOSITORY
from wdsr_tf import checkpoint
from wdsr_tf.checkpoint import CheckpointError
from wdsr_tf.models import create_model


@pytest.fixture(scope="module")
def model():
    return create_model("wdsr-b", 2, num_res_blocks=1, num_filters=5)


@pytest.fixture
def saved(model, tmp_path):
    path = tmp_path / "model.keras"
    checkpoint.save(model, path)
    return path


def without(path, member):
    """Removes a member from the zip file at `path`."""
    with zipfile.ZipFile(path) as archive:
        kept = {name: archive.read(name) for name in archive.namelist() if name != member}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in kept.items():
            archive.writestr(name, content)


def assert_refused(path, reason):
    with pytest.raises(CheckpointError, match=reason) as caught:
        checkpoint.load(path)
    assert str(path) in str(caught.value)


def test_facts_are_saved_in_a_checkpoint(tmp_path):
    model = create_model("wdsr-b", 2, num_res_blocks=1, num_filters=5)
    model.facts["psnr"] = 34.5
    checkpoint.save(model, tmp_path / "model.keras")
    assert checkpoint.load(tmp_path / "model.keras").facts == {"psnr": 34.5}
    assert checkpoint.read_config(tmp_path / "model.keras")["facts"] == {"psnr": 34.5}


def test_a_recipe_is_read_without_importing_keras(saved):
    program = (
        "import json, sys; from wdsr_tf import checkpoint; print(json.dumps(checkpoint.read_config(sys.argv[1]))); "
        "assert not {'keras', 'tensorflow', 'jax', 'numpy'} & sys.modules.keys()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, saved], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    config = json.loads(done.stdout)
    assert config["architecture"] == "wdsr-b" and config["scale"] == 2
    assert config["hyperparameters"]["num_filters"] == 5


def test_keras_loads_a_checkpoint_by_itself(model, saved):
    assert keras.saving.load_model(saved).recipe == model.recipe


def test_a_compiled_network_is_loaded_with_its_optimizer(tmp_path):
    model = create_model("wdsr-b", 2, num_res_blocks=1, num_filters=5)
    model.compile(keras.optimizers.Adam(1e-3), "mae", jit_compile=False)
    model.train_on_batch(np.zeros((1, 8, 8, 3), "uint8"), np.zeros((1, 16, 16, 3), "uint8"))
    checkpoint.save(model, tmp_path / "model.keras")
    loaded = checkpoint.load(tmp_path / "model.keras", compile=True)
    for ours, theirs in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(ours), keras.ops.convert_to_numpy(theirs))
    assert not checkpoint.load(tmp_path / "model.keras").compiled


def test_a_missing_file_is_refused(tmp_path):
    assert_refused(tmp_path / "model.keras", "no such file")


@pytest.mark.parametrize("part", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_refused(saved, part):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(part * len(content))])
    assert_refused(saved, "not a complete .keras file")


def test_a_zip_file_of_something_else_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("letter.txt", "Dear Sir")
    assert_refused(tmp_path / "model.keras", "not a complete .keras file")


@pytest.mark.parametrize("config", ["{", "[]", "{}", '{"registered_name": "other>Model"}'])
def test_a_config_that_is_not_ours_is_refused(tmp_path, config):
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", config)
    assert_refused(tmp_path / "model.keras", "keras file|Keras file")


def test_a_foreign_keras_file_is_refused(tmp_path):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(tmp_path / "model.keras")
    assert_refused(tmp_path / "model.keras", "not a model of wdsr_tf")


def test_a_file_without_its_weights_is_refused(saved):
    without(saved, "model.weights.h5")
    assert_refused(saved, "can't be loaded")


def test_a_file_with_a_damaged_byte_is_refused(saved):
    content = bytearray(saved.read_bytes())
    content[len(content) // 2] ^= 0xFF
    saved.write_bytes(content)
    assert_refused(saved, "can't be loaded")


def test_a_failing_save_keeps_the_old_checkpoint(model, saved, monkeypatch):
    before = saved.read_bytes()

    def half(path):
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(model, "save", half)
    with pytest.raises(OSError, match="no space left"):
        checkpoint.save(model, saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
