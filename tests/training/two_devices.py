"""Two devices share a batch and make the update of one; test_devices.py runs these tests in a process that has two."""

import keras
import numpy as np
import pytest

from tests.helpers.runs import SHORT, VALIDATION, assert_alike, done, run_of, words, write_dataset
from wdsr_tf.commands.train import COMMAND
from wdsr_tf.training import find_batch

if keras.backend.backend() == "tensorflow":  # must be said before TensorFlow computes anything
    import tensorflow as tf

    (processor,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)

SGD = ["--optimizer=sgd", "--global-clipnorm=1", "--weight-decay=0.1", "--learning-rate=0.01", "--benchmark"]
ADVERSARIAL = ["--optimizer=sgd", "--learning-rate=0.01", "--adversarial=vanilla", "--discriminator-filters=4"]
ADAM = ["--ema=0.9", "--global-clipnorm=1", "--device-resident", VALIDATION]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def train(dataset, capsys):
    """`train(outdir, *more)` runs the train command."""
    return lambda outdir, *more: done(COMMAND, words(dataset, outdir, *more), capsys)


def history(outdir):
    return np.genfromtxt(run_of(outdir) / "history.csv", delimiter=",", names=True)


ON_JAX = pytest.mark.skipif(keras.backend.backend() != "jax", reason="is refused on TensorFlow")
SETTINGS = [
    pytest.param(SGD, id="sgd"),
    pytest.param(ADAM, id="adam"),
    pytest.param([*ADVERSARIAL, VALIDATION], id="adversarial", marks=ON_JAX),
]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX trains so")
def test_tensorflow_refuses_adversarial_training_on_two_devices(train, tmp_path):
    ended = train(tmp_path / "out", *SHORT, *ADVERSARIAL, VALIDATION, "--devices=2")
    assert ended.code == 1 and "KERAS_BACKEND=jax" in ended.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("settings", SETTINGS)
def test_two_devices_make_the_updates_of_one(train, tmp_path, settings):
    one, two = tmp_path / "one", tmp_path / "two"
    for outdir, more in ((one, []), (two, ["--devices=2"])):
        trained = train(outdir, *SHORT, *settings, *more)
        assert trained.code == 0, trained.err
    assert_alike(two, one, tmp_path)
    ours, theirs = map(history, (two, one))
    for column in ours.dtype.names:
        np.testing.assert_allclose(ours[column], theirs[column], rtol=1e-4, err_msg=column)


def test_half_precision_trains_on_two_devices(train, tmp_path):
    """Not as on one, whose gradients are twice as large before they are summed, and overflow in other steps."""
    trained = train(tmp_path, *SHORT, VALIDATION, "--precision=mixed_float16", "--devices=2")
    assert trained.code == 0, trained.err
    first, last = history(tmp_path)["val_loss"]
    assert last < first


@pytest.mark.parametrize(
    "typed, complaint",
    [
        (["--devices=3"], "the devices here are cpu:0, cpu:1"),
        (["--devices=two"], "devices must be a number or all, not 'two'"),
        (["--devices=all", "--batch-size=5"], "2 devices can't share batch_size=5 evenly. Use 4 or 6."),
        (["--process-id=1"], "it applies only to several processes"),
        (["--num-processes=2", "--coordinator=localhost:1", "--process-id=2"], "process_id must be below"),
        (["--num-processes=2"], "coordinator"),
    ],
)
def test_impossible_devices_are_refused(train, tmp_path, typed, complaint):
    ended = train(tmp_path / "out", *SHORT, *typed)
    assert ended.code == 1
    assert complaint in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "out").exists()


def test_the_search_for_a_batch_size_begins_with_a_patch_per_device_and_trains_nothing(train, tmp_path, monkeypatch):
    monkeypatch.setattr(find_batch, "LONGEST", 0)
    found = train(tmp_path / "out", *SHORT, "--find-batch", "--devices=2")
    assert found.code == 0, found.err
    _, first, end, largest = found.out.splitlines()
    assert first.split()[0] == "2"
    assert end.endswith("would take more than 0 s per step")
    assert largest == "The largest batch that fits is --batch-size=2"
    assert not (tmp_path / "out").exists()
