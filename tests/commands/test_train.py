"""The training command as a person runs it, on a data set of small drawn patterns."""

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.helpers.runs import TINY, numbers, run_of, words, write_dataset
from tests.helpers.served import Served
from wdsr_tf import images
from wdsr_tf.checkpoint import read_config


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def train():
    """`train(dataset, outdir, *more)` runs train.py to its end, each time in the same process."""
    served = Served("train.py")
    yield lambda dataset, outdir, *more: served(*words(dataset, outdir, *more))
    served.close()


def command(dataset, outdir, *more):
    """What runs train.py in a process of its own."""
    return [sys.executable, "train.py", *words(dataset, outdir, *more)]


@pytest.fixture(scope="module")
def finished(train, dataset, tmp_path_factory):
    """A run of four epochs that nothing interrupted, with a moving average of the weights."""
    outdir = tmp_path_factory.mktemp("finished")
    done = train(dataset, outdir, *TINY, "--epochs=4", "--ema=0.9")
    assert done.returncode == 0, done.stderr
    return outdir


def test_a_killed_run_resumes_to_the_last_bit(dataset, finished, tmp_path):
    killed = subprocess.Popen(
        command(dataset, tmp_path, *TINY, "--epochs=4", "--ema=0.9"), cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    for line in killed.stdout:
        if line.startswith("epoch 2/4"):
            os.kill(killed.pid, signal.SIGKILL)
            break
    killed.wait()
    killed.stdout.close()
    assert killed.returncode == -signal.SIGKILL
    again = command(dataset, tmp_path, "--resume")
    done = subprocess.run(again, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "behind epoch" in done.stdout
    ours, theirs = (numbers(run_of(outdir) / "state.keras", tmp_path) for outdir in (tmp_path, finished))
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not np.array_equal(ours[name], theirs[name])] == []
    history = (run_of(tmp_path) / "history.csv").read_text()
    assert history == (run_of(finished) / "history.csv").read_text()


def test_a_run_leaves_its_flags_history_log_and_checkpoints(finished):
    run = run_of(finished)
    assert "--num_filters=4" in (run / "args.txt").read_text().splitlines()
    assert len((run / "history.csv").read_text().splitlines()) == 1 + 4
    assert list((run / "log").glob("events.*"))
    assert (run / "curve.png").is_file()
    names = sorted(path.name for path in (run / "models").iterdir())
    assert len(names) == 8  # raw and averaged weights of four epochs
    assert names[0].startswith("epoch-001-psnr-")
    assert (finished / "models").resolve() == (run / "models").resolve()


def test_args_txt_replays_the_run(train, dataset, finished, tmp_path):
    done = train(dataset, tmp_path, f"--profile={run_of(finished) / 'args.txt'}", f"--outdir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert (run_of(tmp_path) / "history.csv").read_text() == (run_of(finished) / "history.csv").read_text()


def test_a_loss_that_stays_not_finite_stops_the_run_and_leaves_the_last_good_state(train, dataset, finished, tmp_path):
    (good,) = (run_of(finished) / "models").glob("epoch-004-*[0-9].keras")
    done = train(
        dataset,
        tmp_path,
        *TINY,
        "--epochs=40",
        "--learning-rate=1e30",
        f"--pretrained-model={good}",
        "--schedule=constant",
    )
    assert done.returncode == 1
    assert "has not been finite" in done.stderr
    assert "--learning-rate" in done.stderr
    assert "since step" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((run_of(tmp_path) / "models").iterdir())


def test_x3_starts_from_x2_and_says_what_stayed_fresh(train, dataset, finished, tmp_path):
    (best,) = (run_of(finished) / "models").glob("epoch-004-*[0-9].keras")
    more = ["--benchmark", "--print-model-summary", "--rematerialize"]
    tiny = [flag for flag in TINY if not flag.startswith("--validation-steps")]
    done = train(dataset, tmp_path, *tiny, "--scale=3", "--epochs=1", f"--pretrained-model={best}", *more)
    assert done.returncode == 0, done.stderr
    assert "body_0_expand" in done.stdout
    assert "fresh: " in done.stdout
    assert {"skip_x3", "tail_x3"} == set(done.stdout.split("fresh: ")[1].splitlines()[0].split(", "))
    (model,) = (run_of(tmp_path) / "models").iterdir()
    assert read_config(model)["scale"] == 3
    args = (run_of(tmp_path) / "args.txt").read_text()  # by where it lies: OUTDIR/models is turned to the new run
    assert f"--pretrained_model={best.resolve()}\n" in args


@pytest.mark.parametrize(
    "typed, complaint",
    [
        (["--lerning-rate=1"], "learning_rate"),
        (["--profile=wdsr-a-23"], "wdsr-a-"),
        (["--model=wsdr-a"], "wdsr-a"),
        (["--scale=5"], "X5"),
        (["--set=flavor=official"], "variant"),
        (["--training-images=1-80"], "80"),
        (["--lr-patch-size=400"], "400"),
        (["--degrade=seed-00"], "seed-000"),
        (["--degrade=seed-000,level=3"], "level"),
        (["--min-bytes=9"], "--min-bytes has no effect here: it belongs to --degrade"),
        (["--profile=wdsr-a-8", "--momentum=0.5"], "--momentum has no effect here: it belongs to --optimizer=sgd"),
        (["--set=num_filters=x"], "cannot be built with {'num_filters': 'x'}"),
        (["--training-scales=2,x"], "2,3,4"),
        (["--training-scales=2,3", "--precision=float32"], "other weights at x3"),
        (["--pretrained-model=nowhere.keras"], "nowhere.keras"),
        (["--num-init-batches=2"], "--weightnorm"),
        (["output"], "output"),
        (["--resume"], "nothing to resume"),
    ],
)
def test_bad_input_ends_with_one_message_and_leaves_nothing(train, dataset, tmp_path, typed, complaint):
    done = train(dataset, tmp_path / "out", "--lr-patch-size=12", *typed)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_process_of_its_own_ends_with_the_same_message(dataset, tmp_path):
    done = subprocess.run(command(dataset, tmp_path / "out", "--lerning-rate=1"), cwd=REPOSITORY, capture_output=True)
    assert done.returncode == 1
    assert done.stderr.decode().startswith("train.py: Unknown command line flag 'lerning_rate'")


def outcomes(program, *words):
    """What `program` prints for each of `words`, which it finds as `word` when nothing is parsed."""
    loop = f"import sys, train\nfrom wdsr_tf import cli\nfor word in sys.argv[1:]:\n    {program}"
    done = subprocess.run([sys.executable, "-c", loop, *words], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_numbers_out_of_their_range_are_refused():
    wrong = ["--seed=-1", "--ema=1.5", "--momentum=2", "--learning-rate-step-size=0", "--num-filters=0", "--scale=0"]
    wrong += ["--num-res-blocks=-1", "--res-expansion=0", "--initial-epoch=-1", "--num-init-batches=-1", "--epochs=0"]
    wrong += ["--warmup-steps=-1", "--weight-decay=-1", "--clipvalue=-1", "--global-clipnorm=-1", "--seed=4294967296"]
    wrong += ["--res-scaling=nan", "--learning-rate=inf", "--learning-rate-decay=-1", "--save-models-after-epoch=-1"]
    program = """
    train.FLAGS.unparse_flags()
    try:
        print("accepted", cli.parse(["train.py", word]))
    except SystemExit as error:
        print(error)"""
    said = outcomes(program, *wrong)
    assert [line for line in said if not line.startswith("train.py: flag --")] == []
    assert len(said) == len(wrong)


def test_inverse_time_has_a_decay_of_its_own():
    program = """
    train.FLAGS.unparse_flags()
    cli.parse(["train.py", "--batch-size=10", *word.split()])
    print(train.decay())"""
    words = ["--schedule=step", "--schedule=multi-step", "--schedule=inverse-time"]
    found = outcomes(program, *words, "--schedule=inverse-time --learning-rate-decay=0")
    assert [float(decay) for decay in found] == [0.5, 0.5, pytest.approx(3e-6), 0]


def test_every_flag_of_every_profile_has_an_effect():
    profiles = sorted(path.name for path in (REPOSITORY / "profiles").iterdir())
    program = """
    train.FLAGS.unparse_flags()
    cli.parse(["train.py", "--profile", word])
    sys.stderr = sys.stdout
    train.check_partial()
    print(word)"""
    assert outcomes(program, *profiles) == profiles


def test_what_a_profile_gives_against_a_typed_flag_is_ignored_with_a_line(train, dataset, tmp_path):
    done = train(dataset, tmp_path, "--profile=wdsr-r", "--schedule=cosine", "--training-images=1-80")
    boundaries, decay, complaint = done.stderr.splitlines()
    assert boundaries == "--learning-rate-boundaries is ignored: it belongs to --schedule=multi-step"
    assert decay == "--learning-rate-decay is ignored: it belongs to --schedule=step, multi-step or inverse-time"
    assert "has no image 5-80" in complaint


def test_what_is_typed_beside_resume_is_written_down(train, dataset, finished, tmp_path):
    shutil.copytree(run_of(finished), tmp_path / "20260101-000000")
    before = (run_of(tmp_path) / "args.txt").read_text()
    done = train(dataset, tmp_path, "--resume", "--epochs=5")
    assert done.returncode == 0, done.stderr
    ours = (run_of(tmp_path) / "args.txt").read_text()
    assert set(ours.splitlines()) - set(before.splitlines()) == {"--epochs=5", f"--outdir={tmp_path}"}
    assert len(ours.splitlines()) == len(before.splitlines())


def test_flags_that_lost_their_meaning_warn_with_the_reason(train, dataset, tmp_path):
    done = train(dataset, tmp_path / "out", "--use-multiprocessing", "--num-workers=4", "--resume")
    assert "--use-multiprocessing is ignored: " in done.stderr
    assert "--num-workers is ignored: " in done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A plain folder of pictures, one of them too small for any patch."""
    root, random = tmp_path_factory.mktemp("folder"), np.random.default_rng(0)
    for i in range(5):
        images.write(
            root / f"{i}.png", np.kron(random.integers(0, 256, (12, 14, 3)), np.ones((6, 6, 1))).astype("uint8")
        )
    images.write(root / "small.png", np.zeros((20, 90, 3), "uint8"))
    return root


def test_a_plain_folder_trains_with_lr_made_on_the_fly_and_is_decoded_once(train, folder, tmp_path):
    how = [*TINY[4:], "--model=drrn", "--num-filters=4", "--set=num_units=1", "--training-scales=2,3", "--epochs=1"]
    how += ["--degrade=seed-000,level=1", "--min-bytes=100", "--active-cropping=0.5", "--steps-per-epoch=2"]
    done = train(folder, tmp_path, *how)
    assert done.returncode == 0, done.stderr
    assert "train: 1 of 5 images left out: too small for a patch" in done.stdout
    assert len((run_of(tmp_path) / "history.csv").read_text().splitlines()) == 1 + 1
    arrays = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")}
    assert len(arrays) == 6
    again = train(folder, tmp_path, "--degrade=seed-000", "--lr-patch-size=400")
    assert "None of 5 HR images has a patch of 800 x 800" in again.stderr
    assert arrays == {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")}


def test_a_store_of_patches_trains_from_a_start_that_it_gives_itself(train, folder, tmp_path):
    store = tmp_path / "store.sqlite"
    convert = [sys.executable, "convert.py", "-i", folder, "-o", store, "sqlite"]
    done = subprocess.run(
        [*convert, "--hr-patch-size=32", "--patches=3", "--jobs=1"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "small.png: has no patch of 32 x 32" in done.stdout
    how = [flag for flag in TINY if flag != "--weightnorm"] + ["--set=weight_norm=True", "--num-init-batches=1"]
    done = train(store, tmp_path, *how, "--epochs=1")
    assert done.returncode == 0, done.stderr
    assert len((run_of(tmp_path) / "history.csv").read_text().splitlines()) == 1 + 1


@pytest.mark.slow
def test_a_dataset_trains_from_its_hr_pictures_alone(train, dataset, tmp_path):
    for split in ("train", "valid"):
        shutil.copytree(dataset / f"TOY_{split}_HR", tmp_path / "hr" / f"TOY_{split}_HR")
    done = train(tmp_path / "hr", tmp_path, *TINY, "--epochs=1", "--degrade=seed-000,level=2")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "cache").exists()
