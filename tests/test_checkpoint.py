import io
import json
import math
import subprocess
import sys
import tempfile
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor

import h5py
import keras
import numpy as np
import pytest

from tests.conftest import REPOSITORY
from wdsr_tf import checkpoint
from wdsr_tf.checkpoint import CheckpointError
from wdsr_tf.models import create_model
from wdsr_tf.models.registry import weights_checked


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


def test_saving_makes_nothing_in_the_systems_temporary_folder_which_a_kill_would_leave(model, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))  # Keras would fail there
    checkpoint.save(model, tmp_path / "run" / "model.keras")
    assert tempfile.tempdir == str(tmp_path / "absent")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["model.keras"]


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


@pytest.mark.parametrize(
    "head, what",
    [(b"<!DOCTYPE html><html>", "web page"), (b"version https://git-lfs.github.com/spec/v1", "git-lfs pointer")],
)
def test_a_file_that_people_take_for_a_checkpoint_is_named(tmp_path, head, what):
    (tmp_path / "model.keras").write_bytes(head)
    assert_refused(tmp_path / "model.keras", what)


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


def rewritten(path, config=None, weights=None, more=(), method=zipfile.ZIP_STORED):
    """Writes the checkpoint at `path` again: `config(dictionary)` and `weights(h5py file)` change it in place."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if config:
        changed = json.loads(members["config.json"])
        config(changed)
        members["config.json"] = json.dumps(changed).encode()
    if weights:
        file = io.BytesIO(members["model.weights.h5"])
        with h5py.File(file, "a") as arrays:
            weights(arrays)
        members["model.weights.h5"] = file.getvalue()
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in [*members.items(), *more]:
            archive.writestr(name, content)


@pytest.fixture
def building(monkeypatch):
    """The shapes of the weights that layers allocated since."""
    shapes, add_weight = [], keras.layers.Layer.add_weight

    def counted(layer, shape=None, *arguments, **named):
        shapes.append(shape)
        return add_weight(layer, shape, *arguments, **named)

    monkeypatch.setattr(keras.layers.Layer, "add_weight", counted)
    return shapes


def test_a_config_larger_than_any_is_refused_before_it_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (2 * checkpoint.MAX_CONFIG))
    assert_refused(tmp_path / "model.keras", f"more than {checkpoint.MAX_CONFIG}")


@pytest.mark.parametrize(
    "hyperparameters",
    [
        *({"num_res_blocks": 10**9}, {"num_filters": 6000}, {"num_filters": [[5]] * 99}, {"res_scaling": float("nan")}),
        *({"num_filters": 2**40}, {"num_filters": -(10**9)}, {"variant": "x" * 10**6}, {"num_res_blocks": "3"}),
        *({"a b": 1}, {"num_units": 1025}, {"num_units": 64, "num_res_blocks": 64}),
    ],
)
def test_sizes_that_no_network_has_are_refused_before_keras_is_asked(saved, building, hyperparameters):
    rewritten(saved, lambda config: config["config"]["hyperparameters"].update(hyperparameters))
    with pytest.raises(CheckpointError, match="its recipe is damaged: no network has") as caught:
        checkpoint.read_config(saved)
    assert len(str(caught.value)) < len(str(saved)) + 200
    assert_refused(saved, "its recipe is damaged")
    assert not building


@pytest.mark.parametrize("hyperparameters", [{"num_filters": 4096}, {"num_res_blocks": 1000}, {"res_expansion": 4000}])
def test_a_recipe_of_more_than_the_stored_weights_is_refused_before_they_are_allocated(
    saved, building, hyperparameters
):
    rewritten(saved, lambda config: config["config"]["hyperparameters"].update(hyperparameters))
    assert_refused(saved, "another network than its stored weights")
    assert sum(math.prod(shape) for shape in building) < 10_000


@pytest.mark.parametrize(
    "change, reason",
    [
        (lambda config: config["config"].update(architecture=["x"]), "architecture has the wrong type"),
        (lambda config: config["config"].update(architecture="x" * 10**6), "no network has its name"),
        (lambda config: config["config"].update(architecture="wdsr-c"), "Did you mean 'wdsr-b'"),
        (lambda config: config["config"].update(scale=10**9), "no network has its name or scale"),
        (lambda config: config["config"].update(scale=True), "scale has the wrong type"),
        (lambda config: config["config"].update(facts=[]), "facts has the wrong type"),
        (lambda config: config["config"].update(facts={"a": json.loads("[" * 99 + "]" * 99)}), "nested too deep"),
        (lambda config: config.update(build_config={"input_shape": [1, 9, 9, 10**9]}), "its input"),
    ],
)
def test_a_damaged_recipe_is_named_in_one_short_line(saved, change, reason):
    rewritten(saved, change)
    assert_refused(saved, reason)
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(saved)
    assert len(str(caught.value)) < len(str(saved)) + 500 and "\n" not in str(caught.value)


def test_members_that_no_checkpoint_has_are_refused_and_never_unpacked(saved):
    rewritten(saved, more=[("assets/big", bytes(10**6))])
    assert_refused(saved, "'assets/big', which no checkpoint has")


def test_compressed_weights_are_refused(saved):
    rewritten(saved, method=zipfile.ZIP_DEFLATED)
    assert_refused(saved, "Keras stores it as it is")


def compressed(arrays):
    del arrays["layers/conv2d/vars/0"]
    arrays.create_dataset("layers/conv2d/vars/0", (2**20, 50), "f4", compression="gzip", fillvalue=0)


def linked(arrays):
    arrays["layers/conv2d/vars/9"] = h5py.SoftLink("/layers")


def cyclic(arrays):
    arrays["layers/again"] = arrays["layers"]


@pytest.mark.parametrize(
    "change, reason",
    [(compressed, "stored in the file as it is"), (linked, "links aren't followed"), (cyclic, "under another name")],
)
def test_arrays_that_are_not_in_the_file_as_they_are_are_refused(tmp_path, change, reason):
    path = tmp_path / "model.keras"
    checkpoint.save(create_model("wdsr-b", 2, num_res_blocks=1, num_filters=5, weight_norm=False), path)
    rewritten(path, weights=change)
    assert_refused(path, reason)


def test_weights_of_another_thread_are_not_checked():
    def refuse(shape):
        raise AssertionError

    with weights_checked(refuse), ThreadPoolExecutor() as pool:
        assert pool.submit(create_model, "espcn", 2, num_filters=2).result().count_params()


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


@pytest.fixture
def judged(tmp_path):
    """A network saved with two variables of a discriminator; the variables with other numbers, and the path."""
    model = create_model("wdsr-b", 2, num_res_blocks=1, num_filters=5)
    kernel = keras.Variable(np.arange(12, dtype="float32").reshape(3, 4), name="kernel")
    count = keras.Variable(7, dtype="int32", name="iterations")
    path = tmp_path / "state.keras"
    checkpoint.save(model, path, [kernel, count])
    kernel.assign(np.zeros((3, 4)))
    count.assign(0)
    return [kernel, count], path


def test_a_discriminator_is_saved_beside_a_network_and_loaded_to_the_bit(judged):
    variables, path = judged
    checkpoint.load_discriminator(path, variables)
    kernel, count = (keras.ops.convert_to_numpy(variable) for variable in variables)
    np.testing.assert_array_equal(kernel, np.arange(12).reshape(3, 4))
    assert count == 7
    assert checkpoint.load(path).architecture == "wdsr-b"


def test_a_published_checkpoint_has_no_discriminator(judged, tmp_path):
    variables, path = judged
    target = tmp_path / "epoch-0001.keras"
    checkpoint.save_without_discriminator(path, target)
    assert checkpoint.has_discriminator(path) and not checkpoint.has_discriminator(target)
    for ours, theirs in zip(checkpoint.load(target).get_weights(), checkpoint.load(path).get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(CheckpointError.__base__, match="has no discriminator"):
        checkpoint.load_discriminator(target, variables)
    with pytest.raises(CheckpointError.__base__, match="another discriminator"):
        checkpoint.load_discriminator(path, [])


def test_a_large_state_is_published_without_holding_it_in_memory(tmp_path):
    weights = np.random.default_rng(0).bytes(20 * 2**20)  # more than an archive's directory may have
    with zipfile.ZipFile(tmp_path / "state.keras", "w") as archive:
        archive.writestr(checkpoint.WEIGHTS, weights)
        archive.writestr("discriminator/0000.npy", b"")
    tracemalloc.start()
    checkpoint.save_without_discriminator(tmp_path / "state.keras", tmp_path / "epoch-0001.keras")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 2**20
    with zipfile.ZipFile(tmp_path / "epoch-0001.keras") as archive:
        assert archive.namelist() == [checkpoint.WEIGHTS]
        assert archive.read(checkpoint.WEIGHTS) == weights


def npy(array, version=(1, 0)):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version)
    return file.getvalue()


@pytest.mark.parametrize(
    "content, reason",
    [
        (npy(np.zeros((4, 3), "float32")), r"another discriminator: discriminator/0000.npy is float32 \(4, 3\)"),
        (npy(np.zeros((3, 4), "float64")), "another discriminator: .* is float64"),
        (npy(np.array([[None] * 4] * 3)), "another discriminator: .* is object"),
        (npy(np.asfortranarray(np.zeros((3, 4), "float32"))), "another discriminator"),
        (npy(np.zeros((3, 4), "float32"), version=(2, 0)), "damaged|another discriminator"),
        (npy(np.zeros((3, 4), "float32"))[:-1], "has 47 bytes of numbers"),
        (npy(np.zeros((3, 4), "float32")) + b"\0", "has 49 bytes of numbers"),
        (b"\0" * 10000, "more than"),
        (b"no array", "damaged"),
    ],
    ids=["transposed", "float64", "pickle", "fortran", "version 2", "short", "long", "huge", "other"],
)
def test_each_array_of_a_discriminator_is_checked_before_its_numbers_are_read(judged, content, reason):
    variables, path = judged
    without(path, "discriminator/0000.npy")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("discriminator/0000.npy", content)
    with pytest.raises(CheckpointError.__base__, match=reason):
        checkpoint.load_discriminator(path, variables)
    assert not keras.ops.convert_to_numpy(variables[0]).any()


@pytest.mark.parametrize("name", ["discriminator/x.npy", "discriminator/00000.npy", "discriminator/0000.pkl"])
def test_a_member_that_no_state_has_is_refused(judged, name):
    _, path = judged
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"")
    assert_refused(path, "which no checkpoint has")
