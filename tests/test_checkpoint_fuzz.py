"""Broken and hostile checkpoints: each gives an error of one line or a network, and nothing else happens.

First a process under an audit hook reads their recipes and shapes; what it accepts is then loaded here.
"""

import functools
import json
import random
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.helpers.mutations import altered, broken
from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.models import create_model

pytest.importorskip("resource")

QUICK, THOROUGH = 300, 3000
PEAK = 2**30
MAX_MESSAGE = 1000  # letters, the path included
MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
WRITING = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "subprocess.Popen",
    "socket.connect",
)
events = None  # what the audit hook saw while it listened


def listen(event, arguments):
    if events is not None and event.startswith(WRITING):
        events.append(event)


@functools.cache
def _hooked():
    sys.addaudithook(listen)  # can't be removed


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """The members of a checkpoint with an optimizer and facts."""
    model = create_model("wdsr-a", 2, num_filters=2, num_res_blocks=2)
    model.compile("adam", "mae")
    model.optimizer.build(model.trainable_variables)
    model.facts = {"epoch": 3, "history": [{"epoch": 1, "loss": 2.5}], "random_state": []}
    path = tmp_path_factory.mktemp("whole") / "a.keras"
    checkpoint.save(model, path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, members, method=zipfile.ZIP_STORED, more=()):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in [*members.items(), *more]:
            archive.writestr(name, content)
    return path


def mutated(folder, members, i):
    """Writes the checkpoint number `i`, and returns its path."""
    rng, path = random.Random(f"checkpoint {i}"), folder / f"{i}.keras"
    match i % 6:
        case 0:
            path.write_bytes(broken(rng, write(path, members).read_bytes()))
        case 1:
            write(path, members | {"config.json": broken(rng, members["config.json"])})
        case 2 | 3:
            write(path, members | {"config.json": altered(rng, members["config.json"]).encode()})
        case 4:  # in the first bytes are the structures of HDF5; the rest is mostly numbers
            weights = members["model.weights.h5"]
            cut = rng.choice((len(weights), 4096, 96))
            write(path, members | {"model.weights.h5": broken(rng, weights[:cut]) + weights[cut:]})
        case 5:
            others = [{}, {name: content for name, content in members.items() if name != rng.choice(MEMBERS)}]
            extra = [(rng.choice(("assets/a", "../a", "/nowhere/a", "config.json", "model.weights.npz")), bytes(99))]
            method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
            write(path, rng.choice((members, *others)), method, rng.choice(((), extra)))
    return path


def outcomes(paths):
    """Returns what the process said of each path, and its peak of memory; fails if it died."""
    run = [sys.executable, "-m", "tests.helpers.read_checkpoints"]
    answer = subprocess.run(run, cwd=REPOSITORY, input="\n".join(map(str, paths)), text=True, capture_output=True)
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert answer.returncode == 0, f"died of {lines[-2:]}: {answer.stderr[-2000:]}"
    assert [line["file"] for line in lines[:-1:2]] == list(map(str, paths))
    return dict(zip(paths, lines[1:-1:2], strict=True)), lines[-1]["peak"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("count", [QUICK, pytest.param(THOROUGH, marks=pytest.mark.slow)])
def test_broken_checkpoints_give_an_error_of_one_line_or_a_network(tmp_path, members, monkeypatch, count):
    global events
    whole = write(tmp_path / "whole.keras", members)
    paths = [mutated(tmp_path, members, i) for i in range(count)]
    before = sorted(tmp_path.rglob("*"))
    results, peak = outcomes([whole, *paths])
    assert peak <= PEAK
    assert "arrays" in results.pop(whole)
    errors = [result["error"] for result in results.values() if "error" in result]
    accepted = [path for path, result in results.items() if "arrays" in result]

    from wdsr_tf.importers.formats import checkpoint_shapes, confined, limits

    def at_once(name, path, size):  # the process above has read the same files, and survived
        return limits.plain(checkpoint_shapes.read(path))

    monkeypatch.setattr(confined, "read", at_once)
    _hooked()
    loaded, largest = 0, create_model("wdsr-a", 2, num_filters=2, num_res_blocks=2).count_params()
    events = []
    try:
        for path in accepted[: count // 12]:  # loading takes a hundred times as long as refusing
            try:
                assert checkpoint.load(path).count_params() <= largest
                loaded += 1
            except InputError as error:
                errors.append(str(error))
        assert events == []
    finally:
        events = None
    assert all(error.isprintable() and len(error) <= MAX_MESSAGE for error in errors)
    assert sorted(tmp_path.rglob("*")) == before
    # If one kind of result was rare, the mutations would be too tame or too wild to prove anything.
    assert count / 10 < len(accepted) < count * 0.8 and loaded > 5


def test_a_state_whose_optimizer_does_not_fit_is_refused(tmp_path, members):
    model = create_model("wdsr-a", 2, num_filters=2, num_res_blocks=2)
    model.compile("sgd", "mae")
    with pytest.raises(InputError, match="another optimizer"):
        checkpoint.load_state(model, write(tmp_path / "state.keras", members))
    model.compile("adam", "mae")
    facts = checkpoint.load_state(model, tmp_path / "state.keras")
    assert facts["epoch"] == 3
    assert np.isfinite(model.get_weights()[0]).all()
