"""Several devices share a batch and make the update of one; of several processes, one writes.

The devices are parts of this machine's processor, whose number must be set before a process computes anything: that's
why the tests of two_devices.py run in a process of their own.
"""

import os
import signal
import socket
import subprocess
import sys

import keras
import pytest

from tests.conftest import REPOSITORY
from tests.helpers.runs import SHORT, VALIDATION, assert_alike, run_of, words, write_dataset
from wdsr_tf.commands.train import COMMAND
from wdsr_tf.errors import InputError
from wdsr_tf.training import devices

TWO_ON_JAX = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}


@pytest.mark.slow
def test_two_devices():
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/training/two_devices.py"]
    done = subprocess.run(argv, cwd=REPOSITORY, env=os.environ | TWO_ON_JAX, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_batch_that_cannot_be_shared_names_those_that_can():
    devices.check(6, 3)
    with pytest.raises(InputError, match=r"3 devices can't share batch_size=2 evenly\. Use 3\."):
        devices.check(2, 3)


class Processes:
    """Two processes of train.py that train together, each with one device."""

    def __init__(self, dataset, outdir, *more):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        argv = [*words(dataset, outdir, *more), "--num-processes=2", f"--coordinator={address}"]
        self.processes = [
            subprocess.Popen(
                [sys.executable, "train.py", *argv, f"--process-id={i}"],
                cwd=REPOSITORY,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for i in range(2)
        ]

    def end(self):
        """Returns [(exit code, stdout, stderr), ...]."""
        texts = [process.communicate(timeout=300) for process in self.processes]
        return [(process.returncode, *both) for process, both in zip(self.processes, texts, strict=True)]


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="several processes train with JAX")
def test_two_processes_make_the_updates_of_one_and_resume_after_one_is_lost(tmp_path, keras_random):
    dataset = write_dataset(tmp_path / "toy")
    one, two = tmp_path / "one", tmp_path / "two"
    settings = [*SHORT, "--epochs=4", "--ema=0.9", VALIDATION]
    assert COMMAND.main(words(dataset, one, *settings)) == 0

    killed = Processes(dataset, two, *settings)
    for line in killed.processes[0].stdout:
        if line.startswith("epoch 2/4"):
            os.kill(killed.processes[1].pid, signal.SIGKILL)
            break
    (code, _, err), (_, silent, _) = killed.end()
    assert code != 0
    assert "Another process of this training has ended" in err
    assert "resumed" in err
    assert [line for line in silent.splitlines() if not line.startswith("[Gloo]")] == []  # which JAX prints itself

    for code, _, err in Processes(dataset, two, "--resume").end():
        assert code == 0, err
    assert_alike(two, one, tmp_path)
    assert len((run_of(two) / "history.csv").read_text().splitlines()) == 1 + 4
