"""The command as a person types it; what it does is tested with the modules that do it."""

import contextlib
import hashlib
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.helpers import published
from tests.helpers.served import Served
from wdsr_tf import images
from wdsr_tf.checkpoint import read_config
from wdsr_tf.data import cache, div2k
from wdsr_tf.export.card import read
from wdsr_tf.images.resize import imresize
from wdsr_tf.importers import formats

COMMAND = [sys.executable, str(REPOSITORY / "convert.py")]


@pytest.fixture(scope="module")
def run():
    """`run(*words)` runs convert.py to its end, each time in the same process."""
    served = Served("convert.py")
    yield served
    served.close()


@pytest.fixture
def pictures(tmp_path):
    """Four pictures of noise."""
    random = np.random.default_rng(0)
    for i in range(4):
        images.write(tmp_path / "SET" / f"{i}.png", random.integers(0, 256, (20 + i, 26, 3), "uint8"))
    return tmp_path / "SET"


def test_help_takes_less_than_a_second_and_imports_nothing_heavy():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([COMMAND[0], "-X", "importtime", COMMAND[1], "--help"], capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "pairs" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "absl" in imported and not imported & {"tensorflow", "keras", "numpy", "PIL"}
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1  # processor time: others may work


def test_workers_import_neither_keras_nor_tensorflow():
    code = (
        "import sys; from wdsr_tf.data import cache, jpeg, pairs; print({'keras', 'tensorflow'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.stdout.strip() == "set()"


def test_numpy_converts_reports_and_fails_for_a_broken_picture(run, pictures, tmp_path):
    (pictures / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = run("-i", pictures, "-o", tmp_path / "out", "numpy")
    assert done.returncode == 1
    assert "4 pictures done, 0 were done before" in done.stdout
    assert f"{pictures / 'broken.png'}: " in done.stderr.splitlines()[-1]
    (pictures / "broken.png").unlink()
    again = run("numpy", "-i", pictures, "-o", tmp_path / "out")
    assert again.returncode == 0 and "0 pictures done, 4 were done before" in again.stdout


@pytest.mark.parametrize("flag", [["--jpeg-quality", "90"], ["--jpeg_quality=90"]])
def test_jpeg_takes_its_quality_in_either_spelling(run, pictures, tmp_path, flag):
    lr = pictures.rename(tmp_path / "SET_train_LR_bicubic")
    done = run("-i", lr, "-o", tmp_path, "jpeg", *flag)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "SET_train_LR_bicubic_jpeg_90").glob("*.jpg"))) == 4


def test_pairs_makes_a_dataset_of_any_folder(run, pictures, tmp_path):
    how = ("--scale", "2,3", "--valid", "1", "--lr-patch-size", "6")
    done = run("-i", pictures, "-o", tmp_path / "SET_BIN", "pairs", *how)
    assert done.returncode == 0, done.stderr
    for scale in (2, 3):
        pairs = div2k.pairs(tmp_path / "SET_BIN", "train", scale)
        assert len(pairs) == 3
        np.testing.assert_array_equal(np.load(pairs[0].lr), imresize(np.load(pairs[0].hr), 1 / scale))


@pytest.mark.parametrize(
    "words, message",
    [
        (["nunpy", "-i", "a", "-o", "b"], "did you mean numpy?"),
        (["-i", "a", "-o", "b"], "a mode is missing; one of numpy, jpeg, pairs"),
        (["-o", "b", "numpy"], "-i names what to read"),
        (["-i", "a", "numpy"], "-o what to write"),
        (["-i", "/nowhere", "-o", "b", "numpy"], "/nowhere: there is no such folder"),
        (["-i", "a", "-o", "b", "numpy", "--scale", "2"], "--scale means nothing to the mode numpy"),
        (["-i", "a", "-o", "b", "pairs", "--scale", "2,x"], "--scale takes whole factors"),
        (["-i", "a", "-o", "b", "sqlite", "--scale", "2,3"], "a store has one --scale"),
        (["-i", "a", "-o", "b", "sqlite", "--degrade", "seed-00"], "Did you mean 'seed-000'?"),
        (["-i", "a", "-o", "b", "sqlite", "--hr-patch-size", "33"], "hr_patch_size 33 isn't a multiple"),
        (["-i", "a", "-o", "b", "sqlite", "--verify"], "--verify means nothing to the mode sqlite"),
        (["-i", "a", "-o", "b", "jpeg", "--jpeg-quality", "101"], "[1, 100]"),
        (["-i", "a", "-o", "b", "jpeg", "--jpg-quality", "9"], "jpeg_quality"),
        (["-i", "a", "-o", "b", "weigths"], "did you mean weights?"),
        (["-i", "a", "-o", "b", "numpy", "--model", "edsr"], "--model means nothing to the mode numpy"),
        (["-i", "a.pth", "-o", "b.pth", "weights"], "convert.py -i a.pth -o a.keras weights"),
        (["-i", "a.keras", "-o", "b.keras", "weights"], "convert.py -i a.keras -o a.npz weights"),
        (["-i", "a.keras", "-o", "b.h5", "weights"], "b.h5: weights are written as .npz"),
        (["-i", "/nowhere.pth", "-o", "b.keras", "weights"], "/nowhere.pth: no such file"),
        (["-i", "/nowhere.keras", "-o", "b.npz", "weights"], "/nowhere.keras: no such file"),
        (["-i", "a.pth", "-o", "b.keras", "weights", "--layout", "ours"], "--layout says how a checkpoint is written"),
        (["-i", "a.keras", "-o", "b.npz", "weights", "--scale", "2"], "--scale means nothing where a checkpoint"),
        (
            ["-i", "a.pth", "-o", "b", "export"],
            "-i a.pth: checkpoints (.keras) are exported; of a weight file the mode",
        ),
        (["-i", "/nowhere.keras", "-o", "b", "export"], "/nowhere.keras: no such file"),
        (["-i", "a.keras", "-o", "b", "export", "--format", "onx"], "there is no format 'onx'; did you mean onnx?"),
        (["-i", "a.keras", "-o", "b", "export", "--format", ""], "--format names what to export to"),
        (["-i", "a.keras", "-o", "b", "export", "--format", "onnx", "--tile", "64"], "--tile means nothing to onnx"),
        (
            ["-i", "a.keras", "-o", __file__, "export", "--format", "saved_model"],
            "is a file: name a folder to write to",
        ),
        (["-i", "a.keras", "-o", "b", "export", "--scale", "2"], "--scale means nothing to the mode export"),
        (["-i", "a", "-o", "b", "numpy", "--half"], "--half means nothing to the mode numpy"),
    ],
)
def test_what_cannot_be_done_is_said_with_exit_code_1(run, words, message):
    done = run(*words)
    assert done.returncode == 1
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_what_the_files_on_disk_rule_out_is_said_before_any_work(run, tmp_path):
    (tmp_path / "folder.keras").mkdir()
    (tmp_path / "model.keras").write_bytes(b"an older one")
    (tmp_path / "model.npz").symlink_to(tmp_path / "model.keras")
    for source, target, message in (
        ("a.pth", "folder.keras", "folder.keras is a folder: name the file to write"),
        ("", "b.keras", "is a folder; name a file in it: model.keras, model.npz"),
        ("model.keras", "model.npz", "are one file, which would be lost"),
    ):
        done = run("-i", tmp_path / source, "-o", tmp_path / target, "weights")
        assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / "model.npz").read_bytes() == b"an older one"


def test_weights_become_a_checkpoint_that_says_where_they_came_from_and_weights_again(run, tmp_path):
    arrays = published.edsr(2).arrays
    np.savez(tmp_path / "edsr.npz", **arrays)
    checkpoint = tmp_path / "edsr.keras"
    checkpoint.write_bytes(b"an older one")
    done = run("-i", tmp_path / "edsr.npz", "-o", checkpoint, "weights", "--license", "MIT", "--set", "res_scaling=0.5")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "edsr x2 (variant=official, num_filters=4, num_res_blocks=2, res_scaling=0.5)" in done.stdout
    assert done.stdout.splitlines()[-1] == f"upscale with: python demo.py -m {checkpoint} -i PICTURES -o out"
    recipe = read_config(checkpoint)
    assert recipe["facts"]["source"] == "edsr.npz" and recipe["facts"]["license"] == "MIT"
    assert recipe["hyperparameters"]["res_scaling"] == 0.5

    done = run("-i", checkpoint, "-o", tmp_path / "edsr.pth", "weights")
    assert done.returncode == 0, done.stderr
    assert "the residual scaling: tell their code that it is 0.5" in done.stdout
    back = formats.read(tmp_path / "edsr.pth").arrays
    assert back.keys() == arrays.keys()
    assert all(np.array_equal(back[name], array) for name, array in arrays.items())


@pytest.mark.parametrize(
    "arrays, words, message",
    [
        ({"layer.weight": np.ones((2, 3))}, [], "of no known project\n  the 1 names of the file: layer.weight (2, 3)"),
        ({"layer.weight": np.array([np.nan])}, [], "NaN"),
        (published.drrn().arrays, [], "add --scale 2 or --scale 3 or --scale 4"),
        (published.drrn().arrays, ["--scale", "2,3"], "a checkpoint has one --scale, not '2,3'"),
        (published.drrn().arrays, ["--scale", "2", "--set", "units"], "--set takes name=value"),
        (published.edsr(2).arrays, ["--model", "edrs"], "did you mean edsr? these weights are for edsr x2"),
    ],
)
def test_weights_that_cannot_be_converted_leave_what_was_there(run, tmp_path, arrays, words, message):
    np.savez(tmp_path / "given.npz", **arrays)
    (tmp_path / "model.keras").write_bytes(b"an older one")
    done = run("-i", tmp_path / "given.npz", "-o", tmp_path / "model.keras", "weights", *words)
    assert done.returncode == 1
    assert message in done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / "model.keras").read_bytes() == b"an older one"
    assert len(list(tmp_path.iterdir())) == 2


def test_weights_with_a_tensor_too_many_are_refused_by_its_name(run, tmp_path):
    np.savez(tmp_path / "given.npz", **published.edsr(2).arrays, extra=np.ones(3))
    done = run("-i", tmp_path / "given.npz", "-o", tmp_path / "model.keras", "weights")
    assert done.returncode == 1
    assert "surplus: extra (3,)" in done.stderr and "nothing is written" in done.stderr
    assert len(list(tmp_path.iterdir())) == 1


def test_a_checkpoint_is_exported_with_its_card_and_a_table_says_how_well(run, tmp_path):
    pytest.importorskip("tensorflow")
    pytest.importorskip("ai_edge_litert", reason="needs pip install 'wdsr-tf[litert]'")
    np.savez(tmp_path / "edsr.npz", **published.edsr(2).arrays)
    assert (
        run("-i", tmp_path / "edsr.npz", "-o", tmp_path / "edsr.keras", "weights", "--license", "MIT").returncode == 0
    )
    words = ["-i", tmp_path / "edsr.keras", "-o", tmp_path / "out", "export", "--format"]
    done = run(*words, "saved_model,litert", "--tile", "16")
    assert done.returncode == 1, done.stderr
    assert "litert: --tile 16 is too small: the receptive field reaches 8 pixels to each side" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines()[-1].startswith("| edsr.saved_model | ")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "edsr.saved_model",
        "edsr.saved_model.json",
        "edsr.saved_model.md",
    ]
    card = read(tmp_path / "out" / "edsr.saved_model.json")
    assert (
        card["license"] == "MIT"
        and card["checkpoint_sha256"] == hashlib.sha256((tmp_path / "edsr.keras").read_bytes()).hexdigest()
    )


def test_a_run_that_is_killed_leaves_whole_files_and_is_resumed(run, tmp_path):
    random = np.random.default_rng(0)
    images.write(tmp_path / "in" / "0.png", random.integers(0, 256, (400, 400, 3), "uint8"))
    for i in range(1, 150):
        os.link(tmp_path / "in" / "0.png", tmp_path / "in" / f"{i}.png")
    out, words = tmp_path / "out", ["-i", tmp_path / "in", "-o", tmp_path / "out", "numpy", "--jobs", "2"]
    running = subprocess.Popen([*COMMAND, *map(str, words)], stderr=subprocess.DEVNULL)
    while lines_of(out / cache.MANIFEST) < 5:
        assert running.poll() is None
        time.sleep(0.001)
    workers = children_of(running.pid)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()

    made, recorded = list(out.glob("[!.]*.npy")), lines_of(out / cache.MANIFEST)
    assert 5 <= recorded <= len(made) < 150, "the kill came too late"
    for path in made:
        assert np.load(path).shape == (400, 400, 3)
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline, "a worker outlives the run that started it"
        time.sleep(0.05)

    again = run(*words)
    assert again.returncode == 0, again.stderr
    assert f"{150 - recorded} pictures done, {recorded} were done before" in again.stdout
    assert len(list(out.glob("[!.]*.npy"))) == 150
    assert "0 pictures done, 150 were done before" in run(*words, "--verify").stdout


def lines_of(path):
    with contextlib.suppress(FileNotFoundError):
        return path.read_text().count("\n")
    return 0


def children_of(pid):
    """The processes that `pid` has started, where the system tells (Linux)."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return []
