"""Commands that are killed at random moments and run again end as if nothing had happened, and leave nothing else.

Each command is killed KILLS times; WDSR_TF_KILLS=20 kills it more often.
"""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.helpers.runs import TINY, numbers, run_of, write_dataset
from wdsr_tf import files, images
from wdsr_tf.inference.journal import Outcome, Run, read

KILLS = int(os.environ.get("WDSR_TF_KILLS", "3"))
IMAGES = 24
OF_LIBRARIES = (".ses", "__autograph_generated_file")  # ONNX Runtime's in every run, and a killed TensorFlow's
PATIENCE = 60  # seconds for a killed command's processes to end

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of noise, and a dataset."""
    root, rng = tmp_path_factory.mktemp("sources"), np.random.default_rng(0)
    for i in range(IMAGES):
        images.write(root / "in" / "ab"[i % 2] / f"{i}.png", rng.integers(0, 256, (120, 90 + i, 3), "uint8"))
    write_dataset(root / "dataset")
    return root


def convert(mode, *more):
    return lambda sources, out: ["convert.py", "-i", sources / "in", "-o", out, mode, "--jobs=2", *more]


def store(sources, out):
    return ["convert.py", "-i", sources / "in", "-o", out / "a.sqlite", "sqlite", "--hr-patch-size=32", "--jobs=2"]


def demo(sources, out):
    return ["demo.py", "-i", sources / "in", "-o", out, "--memory=64MiB"]


def train(sources, out):
    resume = ["--resume"] if list(out.glob("[0-9]*-[0-9]*/args.txt")) else [*TINY, "--epochs=6"]
    return ["train.py", f"--dataset={sources / 'dataset'}", f"--outdir={out}", *resume]


def train_adversary(sources, out):
    words = train(sources, out)
    return words if "--resume" in words else [*words, "--adversarial=vanilla", "--discriminator-filters=4"]


def arrays_in(out, _):
    """The files of a conversion, and the lines of its manifest in any order."""
    found = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    return found | {name: sorted(text.splitlines()) for name, text in found.items() if name.endswith(".jsonl")}


def patches_in(out, _):
    """{image: its split and patches}, in whatever rows they are."""
    assert [path.name for path in out.iterdir()] == ["a.sqlite"]
    with sqlite3.connect(out / "a.sqlite") as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        patches = {number: pair for number, *pair in db.execute("SELECT id, lr_img, hr_img FROM patches")}
        rows = db.execute("SELECT name, split, first, count FROM images").fetchall()
        about = db.execute("SELECT key, value FROM about ORDER BY key").fetchall()
    db.close()
    found = {name: (split, [patches.pop(first + i) for i in range(count)]) for name, split, first, count in rows}
    assert not patches
    return found, about


def results_in(out, _):
    """The results, and what the journal says of each."""
    assert len([*(out / ".wdsr-tf").iterdir()]) == 1
    lines = [line for line in read(out) if not isinstance(line, Run)]
    assert None not in lines and {line.outcome for line in lines} == {Outcome.DONE}
    records = {(line.target, line.target_sha256) for line in lines}
    found = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.suffix == ".png"}
    assert {(name, files.sha256(out / name)) for name in found} == records and len(found) == IMAGES
    return found


def run_in(out, tmp_path):
    """The last state, the history and the checkpoints of the only run."""
    run = run_of(out)
    assert (out / "models").samefile(run / "models")
    state = {name: values.tobytes() for name, values in numbers(run / "state.keras", tmp_path).items()}
    with zipfile.ZipFile(run / "state.keras") as archive:  # a discriminator
        state |= {name: archive.read(name) for name in archive.namelist() if name.endswith(".npy")}
    (tmp_path / "model.weights.h5").unlink()
    return state, (run / "history.csv").read_text(), sorted(path.name for path in (run / "models").iterdir())


JOBS = {
    "numpy": (convert("numpy"), arrays_in),
    "pairs": (convert("pairs", "--scale=2", "--lr-patch-size=8"), arrays_in),
    "sqlite": (store, patches_in),
    "demo": (demo, results_in),
    "train": (train, run_in),
    "adversarial": (train_adversary, run_in),
}


def start(words, temporary):
    environment = os.environ | {"TMPDIR": str(temporary)}
    command = [sys.executable, *map(str, words)]
    return subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process):
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert "Traceback" not in err and "leaked" not in err


def await_end(group):
    """Waits until no process of the session is left."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    raise AssertionError("a process outlives the command that was killed")


@pytest.mark.parametrize("name", JOBS)
def test_a_command_that_is_killed_at_any_moment_ends_as_if_nothing_had_happened(folder, tmp_path, name):
    words, content = JOBS[name]
    temporary, out, rng = tmp_path / "temporary", tmp_path / "out", random.Random(name)
    temporary.mkdir()
    out.mkdir()
    started = time.monotonic()
    finish(start(words(folder, out), temporary))
    seconds = time.monotonic() - started
    expected = content(out, tmp_path)

    kills = unfinished = 0
    while kills < KILLS:
        shutil.rmtree(out)
        out.mkdir()
        for _ in range(rng.choice((1, 1, 2))):
            process = start(words(folder, out), temporary)
            time.sleep(rng.uniform(0.1, 1) * seconds)
            is_killed = process.poll() is None
            process.kill()
            process.communicate()
            await_end(process.pid)
            kills += is_killed
            unfinished += is_killed and any(out.iterdir())
        finish(start(words(folder, out), temporary))
        assert content(out, tmp_path) == expected
        assert [path for path in out.rglob("*") if files.TEMPORARY.fullmatch(path.name)] == []
        assert [path for path in temporary.iterdir() if not path.name.startswith(OF_LIBRARIES)] == []
    assert unfinished > 0 or kills < 10, "every kill came too early"
