"""Workers on a local Ray cluster. Without ray, or on a system that it isn't made for, nothing of this runs."""

import functools
import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.commands import runner
from wdsr_tf import images
from wdsr_tf.commands.main import main
from wdsr_tf.distributed import cluster, upscaling
from wdsr_tf.distributed.cluster import Cluster, GivenUp
from wdsr_tf.errors import InputError
from wdsr_tf.inference.journal import FOLDER, Record, read
from wdsr_tf.system import extras

COUNT = 10
ONE, TWO = Cluster("local"), Cluster("local", workers=2)
NO_RAY = importlib.util.find_spec("ray") is None


def with_ray(test):
    """Marks a test that needs a cluster."""
    skipped = pytest.mark.skipif(NO_RAY, reason="needs ray (pip install 'wdsr-tf[ray]'; make test-ray)")
    return skipped(pytest.mark.usefixtures("local")(test))


@pytest.fixture
def run(capsys):
    return runner(main, capsys)


@pytest.fixture(scope="module")
def local():
    """A cluster for all tests, since it takes seconds to start."""
    with cluster._connected(TWO):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of growing size, one that is broken, and the results of one process."""
    folder = tmp_path_factory.mktemp("ray")
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        images.write(folder / f"in/{number % 2}/{number}.png", rng.integers(0, 256, (8, 9 + number, 3), "uint8"))
    (folder / "in/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert main(["upscale", "-i", str(folder / "in"), "-o", str(folder / "one")]) == 1
    return folder


def results(out):
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in images.find(out)}


def lines(out):
    return [row for row in read(out) if isinstance(row, Record)]


class Killed:
    """A worker that is killed (-9) where `marks` says: before an image, or when its line is written."""

    def __init__(self, options, marks, deadly=""):
        self._worker, self._options = upscaling.Worker(options), options
        self._marks, self._deadly = marks, deadly

    def __call__(self, pair, again):
        name = pair[0].stem
        if self._deadly and name == self._deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "5" and self._is_first("before"):
            os.kill(os.getpid(), signal.SIGKILL)
        record = self._worker(pair, again)
        if name == "3" and self._is_first("after"):  # it's done, and nobody was told
            os.kill(os.getpid(), signal.SIGKILL)
        return record

    def _is_first(self, what):
        try:
            (self._marks / what).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


@with_ray
def test_workers_that_are_killed_lose_no_image_and_make_none_twice(folder, tmp_path, run, monkeypatch):
    monkeypatch.setattr(upscaling, "Worker", functools.partial(Killed, marks=tmp_path))
    words = ["upscale", "-i", folder / "in", "-o", tmp_path / "out", "--ray", "local", "--workers", 2, "-j", 1]
    done = run(*words)
    assert done.returncode == 1 and "Failed: " in done.stderr and "broken.png" in done.stderr
    assert done.stderr.count("A worker died and is replaced.") == 2
    assert f"Wrote {COUNT} of {COUNT + 1}" in done.stdout
    assert results(tmp_path / "out") == results(folder / "one")
    made = [row.target for row in lines(tmp_path / "out") if row.outcome == "done"]
    assert len(made) == len(set(made)) == COUNT
    assert {path.name for path in (tmp_path / "out").rglob(".*")} == {FOLDER}
    said = json.loads(run("report", tmp_path / "out", "--json").stdout)
    assert (said["done"], said["failed"], said["repeated"], said["lost"], said["broken"]) == (COUNT, 1, 0, 0, 0)
    assert f"{COUNT} of {COUNT + 1} images are done already" in run("upscale", *words[1:5]).stdout


@with_ray
def test_an_image_that_kills_every_worker_is_quarantined_until_something_changes(folder, tmp_path, run, monkeypatch):
    monkeypatch.setattr(upscaling, "Worker", functools.partial(Killed, marks=folder, deadly="7"))
    words = ["upscale", "-i", folder / "in/1", "-o", tmp_path / "out"]
    done = run(*words, "--ray", "local", "--workers", 1)
    assert done.returncode == 1 and "7.png: its worker died 3 times" in done.stderr
    assert "7-sr.png" not in results(tmp_path / "out") and len(results(tmp_path / "out")) == COUNT // 2 - 1
    assert "1 quarantined" in run("report", tmp_path / "out").stdout

    again = run(*words)  # in one process, which it would kill
    assert again.returncode == 0 and "7.png, which is quarantined" in again.stdout
    assert run(*words, "--overwrite").returncode == 0
    assert run("report", tmp_path / "out").returncode == 0


@pytest.mark.slow
@with_ray
def test_models_are_ranked_as_in_one_process(tmp_path, run):
    pytest.importorskip("keras")
    from tests.evaluation.test_measure import save_network

    images.write(tmp_path / "hr/a.png", np.random.default_rng(0).integers(0, 256, (36, 40, 3), "uint8"))
    for number in range(3):
        save_network(tmp_path / f"models/{number}.keras", bias=0.01 * number)
    (tmp_path / "models/bad.keras").write_bytes(b"PK")
    words = ["bench", "-i", tmp_path / "models", "--benchmark", tmp_path / "hr"]
    one = run(*words, "-o", tmp_path / "one.json")
    two = run(*words, "-o", tmp_path / "two.json", "--ray", "local", "--workers", 2)
    assert one.returncode == two.returncode == 1 and "bad.keras" in two.stderr
    assert one.stdout.splitlines()[-1] == two.stdout.splitlines()[-1]
    said = [json.loads((tmp_path / name).read_text())["psnr"] for name in ("one.json", "two.json")]
    assert said[0] == said[1] and len(said[0]) == 3


def failing(task=None, again=None):
    raise InputError("The disk is full.")


def echo():
    return lambda task, again: (task, again, os.getpid())


@with_ray
def test_what_no_other_task_would_survive_ends_the_run_and_so_does_a_model_that_cannot_be_opened():
    with pytest.raises(InputError, match=r"^The disk is full\. Stopped with 4 left\.$"):
        list(cluster.run(lambda: failing, range(4), ONE))
    with pytest.raises(InputError, match=r"^The disk is full\.$"):
        list(cluster.run(failing, range(4), ONE))
    with pytest.raises(InputError, match="Workers die while they open the model"):
        list(cluster.run(lambda: os.kill(os.getpid(), signal.SIGKILL), range(4), ONE))
    outcomes = dict(cluster.run(echo, range(9), ONE, window=2))
    assert [outcomes[task][:2] for task in range(9)] == [(task, False) for task in range(9)]
    assert os.getpid() not in {pid for *_, pid in outcomes.values()}


@with_ray
def test_a_cluster_without_room_for_a_worker_is_named_while_it_is_waited_for(monkeypatch):
    told = []

    def tell(line):
        told.append(line)
        raise KeyboardInterrupt

    monkeypatch.setattr(cluster, "PATIENCE", 0.1)
    with pytest.raises(KeyboardInterrupt):
        list(cluster.run(echo, range(2), Cluster("local", gpus=64), log=tell))
    assert told[0].startswith("Still waiting for a worker: each takes 1 CPUs and 64 GPUs, and the cluster has ")


@with_ray
def test_a_cluster_that_ends_ends_the_run():
    """Ray itself would wait for new machines forever."""
    program = """
import os, signal, time
from wdsr_tf.distributed import cluster
from wdsr_tf.errors import InputError

def kill_machine(task, again):
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(100)

try:
    list(cluster.run(lambda: kill_machine, range(4), cluster.Cluster("local")))
except InputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert "The Ray cluster has ended. Stopped with 4 left. Ray's logs say why: " in done.stdout, done.stderr


@with_ray
def test_an_address_of_ray_s_client_is_refused_with_what_to_do():
    with pytest.raises(InputError, match=r"Ray's client isn't supported\. Run the command on a machine of the cluster"):
        list(cluster.run(echo, [1], Cluster("ray://127.0.0.1:1")))


def test_without_ray_the_message_says_how_to_install_it(folder, run, monkeypatch):
    monkeypatch.setattr(extras, "is_installed", lambda package: package != "ray")
    done = run("upscale", "-i", folder / "in/0", "-o", folder / "unused", "--ray", "local")
    assert done.returncode == 1 and "--ray needs ray, which isn't installed." in done.stderr
    assert "[ray]" in done.stderr and not (folder / "unused").exists()


class Told:
    """A cluster without Ray: outcomes as a test tells them."""

    def __init__(self, outcomes):
        self._outcomes = outcomes

    def __call__(self, make, tasks, *_):
        worker = make()
        for task in tasks:
            outcome = self._outcomes.get(task[0].stem)
            yield task, outcome or worker(task, False)


def test_images_are_begun_in_the_order_of_their_size_and_quarantine_is_recorded(folder, tmp_path, run, monkeypatch):
    monkeypatch.setattr(cluster, "require_ray", lambda: None)
    monkeypatch.setattr(cluster, "run", Told({"4": GivenUp()}))
    done = run("upscale", "-i", folder / "in/0", "-o", tmp_path / "out", "--ray", "auto")
    assert done.returncode == 1 and "4.png: its worker died 3 times" in done.stderr
    rows = sorted(lines(tmp_path / "out"), key=lambda row: row.time)  # of the worker, and of the command
    assert [row.source for row in rows] == [f"{number}.png" for number in (8, 6, 4, 2, 0)]
    assert [row.outcome for row in rows] == ["done", "done", "quarantined", "done", "done"]
    expected = {Path(name).name: data for name, data in results(folder / "one").items() if name.startswith("0/")}
    assert results(tmp_path / "out") == {name: data for name, data in expected.items() if name != "4-sr.png"}


def test_records_name_the_images_of_a_list_as_the_plain_loop_does(folder, tmp_path, run, monkeypatch):
    monkeypatch.setattr(cluster, "require_ray", lambda: None)
    monkeypatch.setattr(cluster, "run", Told({}))
    monkeypatch.chdir(folder)
    (tmp_path / "list").write_text("in/0/2.png\n")
    sources = []
    for name, more in (("plain", []), ("ray", ["--ray", "auto"])):
        assert run("upscale", "--list", tmp_path / "list", "-o", tmp_path / name, *more).returncode == 0
        sources += [(row.source, row.target) for row in lines(tmp_path / name)]
    assert sources == [("in/0/2.png", "in/0/2-sr.png")] * 2
