"""The command line of convert; what the conversions do is tested with their modules."""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.helpers import published
from tests.helpers.commands import runner
from wdsr_tf import files, images
from wdsr_tf.checkpoint import read_config
from wdsr_tf.commands.convert import COMMAND
from wdsr_tf.data import cache, div2k
from wdsr_tf.export.card import read
from wdsr_tf.images.resize import imresize
from wdsr_tf.importers import formats


@pytest.fixture
def run(capsys):
    return runner(lambda words: COMMAND.main(words, "convert.py"), capsys)


@pytest.fixture
def pictures(tmp_path):
    """Four images of noise."""
    random = np.random.default_rng(0)
    for i in range(4):
        images.write(tmp_path / "SET" / f"{i}.png", random.integers(0, 256, (20 + i, 26, 3), "uint8"))
    return tmp_path / "SET"


def test_worker_processes_import_neither_keras_nor_tensorflow():
    code = "import sys; from wdsr_tf.data import cache, jpeg, pairs; print({'keras', 'tensorflow'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.stdout.strip() == "set()"


def test_numpy_converts_reports_and_fails_for_a_damaged_image(run, pictures, tmp_path):
    (pictures / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = run("-i", pictures, "-o", tmp_path / "out", "numpy")
    assert done.returncode == 1
    assert "4 images converted, 0 already up to date" in done.stdout
    assert f"{pictures / 'broken.png'}: " in done.stderr.splitlines()[-1]
    (pictures / "broken.png").unlink()
    again = run("numpy", "-i", pictures, "-o", tmp_path / "out")
    assert again.returncode == 0 and "0 images converted, 4 already up to date" in again.stdout


@pytest.mark.parametrize(
    "name, mode, kibibytes",
    [
        ("out", ["numpy"], 100),
        ("out", ["jpeg"], 40),
        ("out", ["pairs", "--scale", "2", "--lr-patch-size", "6"], 150),
        ("store.db", ["sqlite", "--hr-patch-size", "96", "--patches", "1"], 250),
    ],
)
def test_a_full_disk_stops_a_conversion_and_the_next_run_goes_on(run, tmp_path, mounted, name, mode, kibibytes):
    random, disk = np.random.default_rng(0), mounted(kibibytes)
    for i in range(8):
        images.write(tmp_path / "SET" / f"{i}.png", random.integers(0, 256, (100, 100, 3), "uint8"))
    words = ("-i", tmp_path / "SET", "-o", disk / name, "--jobs", "1", *mode)
    done = run(*words)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"convert.py {mode[0]}: {disk / name}") and (
        "No space left" in last or "disk is full" in last
    )
    assert "images failed" not in done.stderr and not list(disk.rglob(".*.npy"))
    subprocess.run(["mount", "-o", "remount,size=10m", disk], check=True)
    again = run(*words)
    assert again.returncode == 0, again.stderr
    assert " 0 already" not in again.stdout


@pytest.mark.parametrize(
    "mode", [["numpy"], ["pairs", "--scale", "2", "--lr-patch-size", "6"], ["sqlite", "--hr-patch-size", "16"]]
)
def test_names_neither_steer_the_terminal_nor_pretend_to_be_lines(run, pictures, tmp_path, mode):
    name = "a\x1b[2J\n4 images converted\r"
    (pictures / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (pictures / f"{name}.psd").write_bytes(b"8BPS")
    done = run("-i", pictures, "-o", tmp_path / "out", "--jobs", "1", *mode)
    assert "\x1b[2J" not in done.stdout + done.stderr and "\n4 images" not in done.stderr
    assert "a\\x1b[2J\\n4 images converted\\x0d.png" in done.stderr
    assert "a\\x1b[2J\\n4 images converted\\x0d.psd" in done.stdout


@pytest.mark.parametrize("flag", [["--jpeg-quality", "90"], ["--jpeg_quality=90"]])
def test_jpeg_takes_its_quality_with_hyphens_and_underscores(run, pictures, tmp_path, flag):
    lr = pictures.rename(tmp_path / "SET_train_LR_bicubic")
    done = run("-i", lr, "-o", tmp_path, "jpeg", *flag)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "SET_train_LR_bicubic_jpeg_90").glob("*.jpg"))) == 4


def test_pairs_makes_a_dataset_of_any_folder(run, pictures, tmp_path):
    options = ("--scale", "2,3", "--valid", "1", "--lr-patch-size", "6")
    done = run("-i", pictures, "-o", tmp_path / "SET_BIN", "pairs", *options)
    assert done.returncode == 0, done.stderr
    for scale in (2, 3):
        pairs = div2k.pairs(tmp_path / "SET_BIN", "train", scale)
        assert len(pairs) == 3
        np.testing.assert_array_equal(np.load(pairs[0].lr), imresize(np.load(pairs[0].hr), 1 / scale))


@pytest.mark.parametrize(
    "words, message",
    [
        ("nunpy -i a -o b", "convert.py: Unknown mode 'nunpy'. Did you mean 'numpy'?"),
        ("-i a -o b", "convert.py: Missing mode. Choose from numpy, jpeg, pairs, sqlite, weights, export"),
        ("-o b numpy", "convert.py numpy: Missing -i: name what to read"),
        ("-i a numpy", "convert.py numpy: Missing -o: name what to write"),
        ("-i /nowhere -o b numpy", "convert.py numpy: /nowhere"),
        ("-i a -o b numpy --scale 2", "convert.py numpy: Unknown flag --scale"),
        ("-i a -o b pairs --scale 2,x", "--scale takes whole numbers from 2 to 16, such as 2,3,4; not '2,x'"),
        ("-i a -o b pairs --scale 17", "--scale takes whole numbers"),
        ("-i a -o b sqlite --scale 2,3", "--scale=2,3: A number is expected"),
        ("-i a -o b sqlite --scale 17", "--scale=17: "),
        ("-i a -o b sqlite --degrade seed-00", "'seed-00'"),
        ("-i a -o b sqlite --hr-patch-size 33", "33"),
        ("-i a -o b sqlite --verify", "Unknown flag --verify"),
        ("-i a -o b jpeg --jpeg-quality 101", "--jpeg-quality=101: 101 is not an integer in the range [1, 100]"),
        ("-i a -o b jpeg --jpg-quality 9", "Unknown flag --jpg-quality. Did you mean '--jpeg-quality'?"),
        ("-i a -o b weigths", "Did you mean 'weights'?"),
        ("-i a -o b numpy --model edsr", "Unknown flag --model"),
        ("-i a.pth -o b.pth weights", "convert.py -i a.pth -o a.keras weights"),
        ("-i a.keras -o b.keras weights", "a.keras: no such file"),
        ("-i a.keras -o b.h5 weights", "b.h5: "),
        ("-i /nowhere.pth -o b.keras weights", "/nowhere.pth"),
        ("-i /nowhere.keras -o b.npz weights", "/nowhere.keras"),
        ("-i a.pth -o b.keras weights --layout ours", "--layout only has a meaning if a weights file is written"),
        ("-i a.keras -o b.npz weights --scale 2", "--scale only has a meaning if published weights are read"),
        ("-i /nowhere.pth -o b export --format saved_model", "/nowhere.pth"),
        ("-i /nowhere.keras -o b export --format saved_model", "/nowhere.keras"),
        ("-i a.keras -o b export --format onx", "onx"),
        ("-i a.keras -o b export --format=", "onnx"),
        ("-i a.keras -o b export --format saved_model --tile 64x", "The tile '64x' isn't a size"),
        ("-i a.keras -o b export --format saved_model --int8", "saved_model isn't written in int8"),
        ("-i a.keras -o b export --format litert --int8 --half", "Choose one precision"),
        ("-i a.keras -o b export --calibration demo", "Only int8 is calibrated"),
        ("-i a.keras -o b export --image --range 0..1", "uint8 images are in 0..255"),
        (f"-i a.keras -o {__file__} export --format saved_model", "is a file. Name a folder"),
        ("-i a.keras -o b export --scale 2", "Unknown flag --scale"),
        ("-i a -o b numpy --half", "Unknown flag --half"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_1(run, words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    images.write(tmp_path / "a" / "1.png", np.zeros((9, 9, 3), "uint8"))
    done = run(*words.split())
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr and done.stderr.startswith("convert.py")
    assert not any(tmp_path.glob("b*"))


def test_files_that_rule_out_the_conversion_are_reported_first(run, tmp_path):
    (tmp_path / "folder.keras").mkdir()
    (tmp_path / "model.keras").write_bytes(b"an older one")
    (tmp_path / "model.npz").symlink_to(tmp_path / "model.keras")
    for source, target, message in (
        ("a.pth", "folder.keras", "folder.keras is a folder. Name the file to write."),
        ("", "b.keras", "model.keras, model.npz"),
        ("model.keras", "model.npz", "are the same file, which would be overwritten"),
    ):
        done = run("-i", tmp_path / source, "-o", tmp_path / target, "weights")
        assert done.returncode == 1 and message in done.stderr
    assert (tmp_path / "model.npz").read_bytes() == b"an older one"


def test_weights_become_a_checkpoint_with_their_source_and_weights_again(run, tmp_path):
    arrays = published.edsr(2).arrays
    np.savez(tmp_path / "edsr.npz", **arrays)
    checkpoint = tmp_path / "edsr.keras"
    checkpoint.write_bytes(b"an older one")
    done = run("-i", tmp_path / "edsr.npz", "-o", checkpoint, "weights", "--license", "MIT", "--set", "res_scaling=0.5")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "edsr x2 (" in done.stdout and "num_filters=4, num_res_blocks=2, res_scaling=0.5" in done.stdout
    assert done.stdout.splitlines()[-1] == f"Upscale with it: python demo.py -m {checkpoint} -i IMAGES -o out"
    recipe = read_config(checkpoint)
    assert recipe["facts"]["source"] == "edsr.npz" and recipe["facts"]["license"] == "MIT"
    assert recipe["hyperparameters"]["res_scaling"] == 0.5

    done = run("-i", checkpoint, "-o", tmp_path / "edsr.pth", "weights")
    assert done.returncode == 0, done.stderr
    assert "The file doesn't record res_scaling=0.5: set it in the code that loads the file." in done.stdout
    back = formats.read(tmp_path / "edsr.pth").arrays
    assert back.keys() == arrays.keys()
    assert all(np.array_equal(back[name], array) for name, array in arrays.items())


@pytest.mark.parametrize(
    "arrays, words, message",
    [
        ({"layer.weight": np.ones((2, 3))}, [], "layer.weight (2, 3)"),
        ({"layer.weight": np.array([np.nan])}, [], "NaN"),
        (published.drrn().arrays, [], "scale 4"),
        (published.drrn().arrays, ["--scale", "2,3"], "--scale=2,3: A number is expected"),
        (published.drrn().arrays, ["--scale", "2", "--set", "units"], "--set takes NAME=VALUE"),
        (published.edsr(2).arrays, ["--model", "edrs"], "Did you mean 'edsr'?"),
    ],
)
def test_a_failed_conversion_keeps_the_old_file(run, tmp_path, arrays, words, message):
    np.savez(tmp_path / "given.npz", **arrays)
    (tmp_path / "model.keras").write_bytes(b"an older one")
    done = run("-i", tmp_path / "given.npz", "-o", tmp_path / "model.keras", "weights", *words)
    assert done.returncode == 1
    assert message in done.stderr
    assert (tmp_path / "model.keras").read_bytes() == b"an older one"
    assert len(list(tmp_path.iterdir())) == 2


def test_weights_with_a_surplus_tensor_are_refused_by_its_name(run, tmp_path):
    np.savez(tmp_path / "given.npz", **published.edsr(2).arrays, extra=np.ones(3))
    done = run("-i", tmp_path / "given.npz", "-o", tmp_path / "model.keras", "weights")
    assert done.returncode == 1
    assert "extra (3,)" in done.stderr and "given.npz" in done.stderr
    assert len(list(tmp_path.iterdir())) == 1


def test_a_checkpoint_is_exported_with_its_card_and_a_table(run, tmp_path):
    pytest.importorskip("tensorflow")
    pytest.importorskip("ai_edge_litert", reason="needs pip install 'wdsr-tf[litert]'")
    np.savez(tmp_path / "edsr.npz", **published.edsr(2).arrays)
    assert (
        run("-i", tmp_path / "edsr.npz", "-o", tmp_path / "edsr.keras", "weights", "--license", "MIT").returncode == 0
    )
    words = ["-i", tmp_path / "edsr.keras", "-o", tmp_path / "out", "export", "--format"]
    done = run(*words, "litert", "--tile", "16")
    assert done.returncode == 1 and not (tmp_path / "out").exists()
    assert "litert: " in done.stderr and "16 x 16" in done.stderr and "receptive field" in done.stderr
    done = run(*words, "saved_model")
    assert done.returncode == 0, done.stderr
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


def test_a_killed_run_leaves_complete_files_and_is_resumed(run, tmp_path):
    random = np.random.default_rng(0)
    images.write(tmp_path / "in" / "0.png", random.integers(0, 256, (400, 400, 3), "uint8"))
    for i in range(1, 150):
        os.link(tmp_path / "in" / "0.png", tmp_path / "in" / f"{i}.png")
    out, words = tmp_path / "out", ["-i", tmp_path / "in", "-o", tmp_path / "out", "numpy", "--jobs", "2"]
    running = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "convert.py"), *map(str, words)], stderr=subprocess.DEVNULL
    )
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
        assert time.monotonic() < deadline, "a worker outlives its parent"
        time.sleep(0.05)

    again = run(*words)
    assert again.returncode == 0, again.stderr
    assert f"{150 - recorded} images converted, {recorded} already up to date" in again.stdout
    assert len(list(out.glob("[!.]*.npy"))) == 150
    assert "0 images converted, 150 already up to date" in run(*words, "--verify").stdout


def lines_of(path):
    with contextlib.suppress(FileNotFoundError):
        return path.read_text().count("\n")
    return 0


def children_of(pid):
    """The child processes of `pid`; none if the system doesn't tell (it isn't Linux)."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return []


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
@pytest.mark.parametrize("moment", ["start", "work", *(pytest.param(i, marks=pytest.mark.slow) for i in range(5))])
@pytest.mark.parametrize("number, code, said", [("SIGINT", 130, "Interrupted."), ("SIGTERM", 143, "Terminated.")])
def test_an_interrupted_conversion_says_so_in_one_line(tmp_path, number, code, said, moment):
    """Ctrl-C reaches every process of a terminal, a scheduler's SIGTERM the first one."""
    image = np.random.default_rng(0).integers(0, 256, (400, 400, 3), "uint8")
    images.write(tmp_path / "in" / "0.png", image)
    for i in range(1, 400):
        os.link(tmp_path / "in" / "0.png", tmp_path / "in" / f"{i}.png")
    command = [sys.executable, "convert.py", "-i", tmp_path / "in", "-o", tmp_path / "out", "numpy", "--jobs=2"]
    running = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background job, which the tests may be, ignores Ctrl-C, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while len(children_of(running.pid)) < 2:  # the first is multiprocessing's own
        assert running.poll() is None
        time.sleep(0.001)
    if moment == "work":
        while lines_of(tmp_path / "out" / cache.MANIFEST) < 5:
            time.sleep(0.001)
    elif moment != "start":
        time.sleep(0.1 * moment)
    if number == "SIGINT":
        os.killpg(running.pid, signal.SIGINT)
    else:
        running.terminate()
    _, err = running.communicate(timeout=120)
    said_lines = [line for line in err.replace("\r", "\n").splitlines() if line and "/400 [" not in line]
    assert (running.returncode, said_lines) == (code, [said])
    assert [path.name for path in (tmp_path / "out").iterdir() if files.TEMPORARY.fullmatch(path.name)] == []
