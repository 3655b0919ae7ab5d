"""Several devices share a batch and make the update that one would have made; of several processes one writes.

The devices are made out of this machine's processor, whose number has to be said before a process begins to compute.
"""

import os
import signal
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.helpers.runs import TINY, numbers, run_of, words, write_dataset
from tests.helpers.served import Served
from wdsr_tf.errors import InputError
from wdsr_tf.training import devices

TWO_ON_JAX = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
TWO_ON_TENSORFLOW = """
import tensorflow as tf
(processor,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
"""
SHORT_SEARCH = "from wdsr_tf.training import find_batch; find_batch.LONGEST = 0"
ON_JAX = keras.backend.backend() == "jax"
VALIDATION = "--validation-steps=1"
SHORT = [*(flag for flag in TINY if flag != VALIDATION), "--batch-size=4", "--epochs=2", "--seed=1"]
SGD = ["--optimizer=sgd", "--global-clipnorm=1", "--weight-decay=0.1", "--learning-rate=0.01", "--benchmark"]
ADAM = ["--ema=0.9", "--global-clipnorm=1", "--device-resident", VALIDATION]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def train(dataset):
    """`train(outdir, *more)` runs train.py where there are two devices."""
    served = Served("train.py", f"{'' if ON_JAX else TWO_ON_TENSORFLOW}\n{SHORT_SEARCH}", TWO_ON_JAX)
    yield lambda outdir, *more: served(*words(dataset, outdir, *more))
    served.close()


def history(outdir):
    return np.genfromtxt(run_of(outdir) / "history.csv", delimiter=",", names=True)


def assert_alike(one, other, tmp_path):
    """Two runs' last states are equal but for the order of sums.

    Sums of float32 in another order differ by some 1e-7 of their terms. Gradients are sums of terms that cancel, and
    Adam divides them by their own size: 1e-4 of the largest number of a tensor leaves room for both.
    """
    ours, theirs = (numbers(run_of(outdir) / "state.keras", tmp_path) for outdir in (one, other))
    assert ours.keys() == theirs.keys()
    for name in ours:
        largest = np.abs(theirs[name]).max(initial=1e-6)
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-4 * largest, err_msg=name)


@pytest.mark.parametrize("how", [SGD, ADAM])
def test_two_devices_make_the_updates_of_one(train, tmp_path, how):
    one, two = tmp_path / "one", tmp_path / "two"
    for outdir, more in ((one, []), (two, ["--devices=2"])):
        done = train(outdir, *SHORT, *how, *more)
        assert done.returncode == 0, done.stderr
    assert_alike(two, one, tmp_path)
    ours, theirs = map(history, (two, one))
    for column in ours.dtype.names:
        np.testing.assert_allclose(ours[column], theirs[column], rtol=1e-4, err_msg=column)


def test_half_precision_trains_on_two_devices(train, tmp_path):
    """Not as on one, whose gradients are twice as large before they are summed, and overflow in other steps."""
    done = train(tmp_path, *SHORT, VALIDATION, "--precision=mixed_float16", "--devices=2")
    assert done.returncode == 0, done.stderr
    first, last = history(tmp_path)["val_loss"]
    assert last < first


@pytest.mark.parametrize(
    "typed, complaint",
    [
        (["--devices=3"], "the devices here (cpu:0, cpu:1)"),
        (["--devices=two"], "--devices=two"),
        (["--devices=all", "--batch-size=5"], "--batch-size=5 cannot be shared evenly by 2 devices; 4 or 6 can"),
        (["--process-id=1"], "it belongs to --num-processes"),
        (["--num-processes=2", "--process-id=2"], "count from 0"),
        (["--num-processes=2"], "--coordinator"),
    ],
)
def test_what_devices_cannot_do_is_said(train, tmp_path, typed, complaint):
    done = train(tmp_path / "out", *SHORT, *typed)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_search_for_a_batch_size_begins_with_a_patch_for_each_device_and_trains_nothing(train, tmp_path):
    done = train(tmp_path / "out", *SHORT, "--find-batch", "--devices=2")
    assert done.returncode == 0, done.stderr
    _, first, end, largest = done.stdout.splitlines()
    assert first.split()[0] == "2"
    assert end.endswith("would take more than 0 s a step")
    assert largest == "the largest that fits is --batch-size=2"
    assert not (tmp_path / "out").exists()


def test_a_batch_that_cannot_be_shared_names_those_that_can():
    devices.check(6, 3)
    with pytest.raises(InputError, match="--batch-size=2 cannot be shared evenly by 3 devices; 3 can"):
        devices.check(2, 3)


class Processes:
    """Two processes of train.py that train together, each with one device."""

    def __init__(self, dataset, outdir, *more):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        how = [*words(dataset, outdir, *more), "--num-processes=2", f"--coordinator={address}"]
        self.processes = [
            subprocess.Popen(
                [sys.executable, "train.py", *how, f"--process-id={i}"],
                cwd=REPOSITORY,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for i in range(2)
        ]

    def end(self):
        """[(exit code, stdout, stderr), ...]"""
        said = [process.communicate(timeout=300) for process in self.processes]
        return [(process.returncode, *texts) for process, texts in zip(self.processes, said, strict=True)]


@pytest.mark.skipif(not ON_JAX, reason="several processes train with JAX")
def test_two_processes_make_the_updates_of_one_and_a_lost_one_ends_the_run_that_resumes(train, dataset, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    how = [*SHORT, "--epochs=4", "--ema=0.9", VALIDATION]
    assert train(one, *how).returncode == 0

    killed = Processes(dataset, two, *how)
    for line in killed.processes[0].stdout:
        if line.startswith("epoch 2/4"):
            os.kill(killed.processes[1].pid, signal.SIGKILL)
            break
    (code, _, err), (_, silent, _) = killed.end()
    assert code != 0
    assert "another process of this training is gone" in err
    assert "--resume" in err
    assert [line for line in silent.splitlines() if not line.startswith("[Gloo]")] == []  # which JAX prints itself

    for code, _, err in Processes(dataset, two, "--resume").end():
        assert code == 0, err
    assert_alike(two, one, tmp_path)
    assert len((run_of(two) / "history.csv").read_text().splitlines()) == 1 + 4
