"""The train command as a user runs it, on a dataset of small drawn patterns."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.helpers.runs import TINY, done, numbers, run_of, words, write_dataset
from tests.helpers.server import Page
from wdsr_tf import images
from wdsr_tf.checkpoint import read_config
from wdsr_tf.commands import fields
from wdsr_tf.commands.train import COMMAND, config_of, profiles_folder
from wdsr_tf.errors import InputError
from wdsr_tf.training.config import TrainingConfig, flag_name, without_effect
from wdsr_tf.training.run import Run

PROFILES = sorted(path.name for path in (REPOSITORY / "profiles").iterdir())


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def train(capsys):
    """`train(dataset, outdir, *more)` runs the command to its end, in this process."""
    return lambda dataset, outdir, *more: done(COMMAND, words(dataset, outdir, *more), capsys)


@pytest.fixture(scope="module")
def finished(dataset, tmp_path_factory, keras_random):
    """A run of four epochs that nothing interrupted, with a moving average of the weights."""
    outdir = tmp_path_factory.mktemp("finished")
    assert COMMAND.main(words(dataset, outdir, *TINY, "--epochs=4", "--ema=0.9")) == 0
    return outdir


def config(*argv):
    """The TrainingConfig of a command line."""
    flags = COMMAND.flags()
    flags.parse(argv, COMMAND.profiles)
    return config_of(flags)


def test_a_killed_run_resumes_to_the_last_bit(train, dataset, finished, tmp_path):
    killed = subprocess.Popen(
        [sys.executable, "train.py", *words(dataset, tmp_path, *TINY, "--epochs=4", "--ema=0.9")],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in killed.stdout:
        if line.startswith("epoch 2/4"):
            os.kill(killed.pid, signal.SIGKILL)
            break
    killed.wait()
    killed.stdout.close()
    assert killed.returncode == -signal.SIGKILL
    again = train(dataset, tmp_path, "--resume")
    assert again.code == 0, again.err
    assert "after epoch" in again.out
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
    replayed = train(dataset, tmp_path, f"--profile={run_of(finished) / 'args.txt'}", f"--outdir={tmp_path}")
    assert replayed.code == 0, replayed.err
    assert (run_of(tmp_path) / "history.csv").read_text() == (run_of(finished) / "history.csv").read_text()


def test_a_loss_that_stays_not_finite_stops_the_run_and_leaves_the_last_good_state(train, dataset, finished, tmp_path):
    (good,) = (run_of(finished) / "models").glob("epoch-004-*[0-9].keras")
    broken = ["--epochs=40", "--learning-rate=1e30", f"--pretrained-model={good}", "--schedule=constant"]
    stopped = train(dataset, tmp_path, *TINY, *broken)
    assert stopped.code == 1
    assert "has not been finite" in stopped.err
    assert "learning_rate" in stopped.err
    assert "since step" in stopped.err
    assert "Traceback" not in stopped.err
    assert not list((run_of(tmp_path) / "models").iterdir())


def test_x3_starts_from_x2_and_says_what_stayed_fresh(train, dataset, finished, tmp_path):
    (best,) = (run_of(finished) / "models").glob("epoch-004-*[0-9].keras")
    more = ["--benchmark", "--print-model-summary", "--rematerialize"]
    tiny = [flag for flag in TINY if not flag.startswith("--validation-steps")]
    trained = train(dataset, tmp_path, *tiny, "--scale=3", "--epochs=1", f"--pretrained-model={best}", *more)
    assert trained.code == 0, trained.err
    assert "body_0_expand" in trained.out
    fresh = trained.out.split("Fresh layers: ")[1].splitlines()[0].removesuffix(".")
    assert {"skip_x3", "tail_x3"} == set(fresh.split(", "))
    (model,) = (run_of(tmp_path) / "models").iterdir()
    assert read_config(model)["scale"] == 3
    args = (run_of(tmp_path) / "args.txt").read_text()  # its real path: OUTDIR/models links to the new run now
    assert f"--pretrained_model={best.resolve()}\n" in args


def test_a_weights_file_is_a_start_too_and_can_be_a_url(train, dataset, finished, tmp_path, server):
    from wdsr_tf import checkpoint, files
    from wdsr_tf.importers.export_weights import export_weights

    (best,) = (run_of(finished) / "models").glob("epoch-004-*[0-9].keras")
    export_weights(checkpoint.load(best), tmp_path / "best.npz", "ours")
    server.pages["/best.npz"] = Page((tmp_path / "best.npz").read_bytes())
    url, sha256 = f"{server.url}/best.npz", files.sha256(tmp_path / "best.npz")
    trained = train(dataset, tmp_path, *TINY, "--epochs=1", f"--pretrained-model={url}", f"--sha256={sha256}")
    assert trained.code == 0, trained.err
    assert "Fresh layers: none." in trained.out
    assert len(server.requests) == 1
    assert f"--pretrained_model={url}#sha256={sha256}\n" in (run_of(tmp_path) / "args.txt").read_text()


@pytest.mark.parametrize(
    "typed, complaint",
    [
        (["--lerning-rate=1"], "--learning-rate"),
        (["--profile=wdsr-a-23"], "wdsr-a-"),
        (["--model=wsdr-a"], "wdsr-a"),
        (["--scale=5"], "X5"),
        (["--set=flavor=official"], "variant"),
        (["--training-images=1-80"], "80"),
        (["--lr-patch-size=400"], "400"),
        (["--degrade=waifu2x-pytorc"], "waifu2x-pytorch"),
        (["--degrade=waifu2x-pytorch,level=3"], "level"),
        (["--min-bytes=9"], "min_bytes has no effect here: it applies only with degrade"),
        (["--profile=wdsr-a-8", "--momentum=0.5"], "momentum has no effect here: it applies only to optimizer sgd"),
        (["--set=num_filters=x"], "cannot be built with {'num_filters': 'x'}"),
        (["--training-scales=2,x"], "training_scales must be whole numbers"),
        (["--training-scales=2,3", "--precision=float32"], "other weights at x3"),
        (["--pretrained-model=nowhere.keras"], "nowhere.keras"),
        (["--num-init-batches=2"], "weight normalization"),
        (["output"], "output"),
        (["--resume"], "Nothing to resume"),
        (["--resume", "one", "two"], "two"),
    ],
)
def test_bad_input_ends_with_one_message_and_leaves_nothing(train, dataset, tmp_path, typed, complaint):
    ended = train(dataset, tmp_path / "out", "--lr-patch-size=12", *typed)
    assert ended.code == 1
    assert complaint in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "out").exists()


def test_the_entry_point_ends_with_the_same_message(dataset, tmp_path):
    argv = [sys.executable, "train.py", *words(dataset, tmp_path / "out", "--lerning-rate=1")]
    ended = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith("train.py: Unknown flag --lerning-rate. Did you mean '--learning-rate'?")


@pytest.mark.parametrize(
    "typed",
    [
        *("--seed=-1", "--seed=4294967296", "--ema=1.5", "--momentum=2", "--num-filters=0", "--num-res-blocks=-1"),
        *("--res-expansion=0", "--res-scaling=nan", "--scale=0", "--training-scales=0", "--epochs=0"),
        *("--initial-epoch=-1", "--num-init-batches=-1", "--warmup-steps=-1", "--weight-decay=-1", "--clipvalue=-1"),
        *("--global-clipnorm=-1", "--learning-rate=inf", "--learning-rate-decay=-1", "--learning-rate-step-size=0"),
        "--save-models-after-epoch=-1",
    ],
)
def test_numbers_out_of_their_range_are_refused(typed):
    name = typed.partition("=")[0].removeprefix("--")
    with pytest.raises(InputError) as caught:
        config(typed)
    assert name in str(caught.value).replace("_", "-")


def test_flags_and_fields_are_in_bijection():
    flags = COMMAND.flags()
    others = {"profile", "resume", "find_batch", "dry_run", "sha256", "max_download", "max_pixels"}
    theirs = {flag.name for flag, _ in flags.described()} - others
    names = [flag_name(field) for field in dataclasses.fields(TrainingConfig)]
    assert len(set(names)) == len(names) and set(names) == theirs
    flags.parse([])
    assert TrainingConfig(**fields.values(flags, TrainingConfig)) == TrainingConfig()


def test_every_field_has_a_sentence_that_help_shows(capsys):
    shown = " ".join(done(COMMAND, ["--help"], capsys).out.split())
    for field in dataclasses.fields(TrainingConfig):
        sentence = field.metadata["option"].sentence
        assert sentence.endswith(".")
        assert sentence in shown
        assert f"{field.name}: {sentence}" in TrainingConfig.__doc__


def test_names_of_krasserm_wdsr_still_work():
    assert config("--iterations_per_epoch=7", "--noaugment").steps_per_epoch == 7


@pytest.mark.parametrize("profile", PROFILES)
def test_every_flag_of_every_profile_has_an_effect_and_args_txt_replays_it(profile, tmp_path):
    flags = COMMAND.flags()
    flags.parse(["--profile", profile], COMMAND.profiles)
    assert without_effect(fields.values(flags, TrainingConfig)) == {}
    (tmp_path / "args.txt").write_text("\n".join(config_of(flags).flag_lines()))
    assert config("--profile", str(tmp_path / "args.txt")) == config_of(flags)


def test_profiles_come_from_the_checkout():
    assert profiles_folder() == REPOSITORY / "profiles"


def test_what_a_profile_gives_against_a_typed_flag_is_ignored_with_a_line(train, dataset, tmp_path):
    ended = train(dataset, tmp_path, "--profile=wdsr-r", "--schedule=cosine", "--training-images=1-80")
    boundaries, decay, complaint = ended.err.splitlines()
    assert boundaries == "--learning-rate-boundaries is ignored: it applies only to schedule multi-step."
    assert decay == "--learning-rate-decay is ignored: it applies only to schedules step, multi-step and inverse-time."
    assert "5-80" in complaint


def test_what_is_typed_beside_resume_is_written_down(train, dataset, finished, tmp_path):
    shutil.copytree(run_of(finished), tmp_path / "20260101-000000")
    before = (run_of(tmp_path) / "args.txt").read_text()
    resumed = train(dataset, tmp_path, "--resume", "20260101-000000", "--epochs=5")
    assert resumed.code == 0, resumed.err
    ours = (run_of(tmp_path) / "args.txt").read_text()
    assert set(ours.splitlines()) - set(before.splitlines()) == {"--epochs=5", f"--outdir={tmp_path}"}
    assert len(ours.splitlines()) == len(before.splitlines())


def test_a_dry_run_tells_what_a_training_takes_and_writes_no_run(train, dataset, tmp_path):
    ended = train(dataset, tmp_path / "out", *TINY, "--epochs=4", "--dry-run")
    assert ended.code == 0, ended.err
    assert "A step of 2 patches takes" in ended.out and "4 epochs of 4 steps take about" in ended.out
    assert not (tmp_path / "out").exists()


def test_a_run_names_its_protocol_and_compares_with_bicubic(train, dataset, tmp_path):
    ended = train(dataset, tmp_path, *TINY, "--epochs=5", "--learning-rate=1e-9")
    assert ended.code == 0, ended.err
    assert "Validation: 2 crops of 24 x 24 HR pixels, the same in each epoch" in ended.out
    baseline = float(ended.out.split("bicubic has a PSNR of ")[1].split()[0])
    assert f"below bicubic's {baseline:.4f} dB" in ended.out
    assert ended.out.count("still below") == 1
    rows = Run(run_of(tmp_path)).history
    assert [row["bicubic_psnr"] for row in rows] == pytest.approx([baseline] * 5, abs=1e-4)


def test_a_finished_run_is_not_resumed_but_said_to_be_finished(train, dataset, finished, tmp_path):
    shutil.copytree(run_of(finished), tmp_path / "20260101-000000")
    resumed = train(dataset, tmp_path, "--resume")
    assert resumed.code == 0, resumed.err
    assert "has finished its 4 epochs. To train it longer, set more epochs." in resumed.out


def test_a_run_that_was_killed_right_after_its_last_state_gets_what_was_missing(train, dataset, finished, tmp_path):
    run = tmp_path / "20260101-000000"
    shutil.copytree(run_of(finished), run)
    (last,) = (run / "models").glob("epoch-004-*[0-9].keras")
    expected, history = last.read_bytes(), (run / "history.csv").read_text()
    last.unlink()
    (run / "history.csv").write_text("".join(history.splitlines(keepends=True)[:-1]))
    assert train(dataset, tmp_path, "--resume").code == 0
    assert last.read_bytes() == expected and (run / "history.csv").read_text() == history


def test_another_number_of_steps_counts_from_the_resumed_epoch_on(train, dataset, finished, tmp_path):
    shutil.copytree(run_of(finished), tmp_path / "20260101-000000")
    resumed = train(dataset, tmp_path, "--resume", "--epochs=5", "--steps-per-epoch=2")
    assert resumed.code == 0, resumed.err
    assert "Epochs had 4 steps; from epoch 5 on, they have 2." in resumed.out
    facts = read_config(run_of(tmp_path) / "state.keras")["facts"]
    assert (facts["epoch"], facts["steps"]) == (5, 4 * 4 + 2)


def test_a_state_of_another_optimizer_is_refused_with_the_cause(train, dataset, finished, tmp_path):
    shutil.copytree(run_of(finished), tmp_path / "20260101-000000")
    resumed = train(dataset, tmp_path, "--resume", "--epochs=5", "--optimizer=sgd")
    assert resumed.code == 1
    assert "optimizer, precision, or ema differed" in resumed.err


def test_flags_that_lost_their_meaning_warn_with_the_reason(train, dataset, tmp_path):
    ended = train(dataset, tmp_path / "out", "--use-multiprocessing", "--num-workers=4", "--resume")
    assert "--use-multiprocessing is ignored: " in ended.err
    assert "--num-workers is ignored: " in ended.err


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A plain folder of images, one of them too small for any patch."""
    root, random = tmp_path_factory.mktemp("folder"), np.random.default_rng(0)
    for i in range(5):
        images.write(
            root / f"{i}.png", np.kron(random.integers(0, 256, (12, 14, 3)), np.ones((6, 6, 1))).astype("uint8")
        )
    images.write(root / "small.png", np.zeros((20, 90, 3), "uint8"))
    return root


def test_a_plain_folder_trains_with_lr_made_on_the_fly_and_is_decoded_once(train, folder, tmp_path):
    more = [*TINY[4:], "--model=drrn", "--num-filters=4", "--set=num_units=1", "--training-scales=2,3", "--epochs=1"]
    more += ["--degrade=waifu2x-pytorch,level=1", "--min-bytes=100", "--active-cropping=0.5", "--steps-per-epoch=2"]
    trained = train(folder, tmp_path, *more)
    assert trained.code == 0, trained.err
    assert "1 of 5" in trained.out
    assert len((run_of(tmp_path) / "history.csv").read_text().splitlines()) == 1 + 1
    arrays = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")}
    assert len(arrays) == 6
    again = train(folder, tmp_path, "--degrade=waifu2x-pytorch", "--lr-patch-size=400")
    assert "800 x 800" in again.err
    assert arrays == {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")}


def test_a_store_of_patches_trains_with_data_dependent_initialization(train, folder, tmp_path):
    from wdsr_tf.data.patches import StoreConfig, make_store

    store = tmp_path / "store.sqlite"
    report = make_store(folder, store, StoreConfig("waifu2x-pytorch,level=1", 2, 32, patches=3), jobs=1)
    assert [name for name, _ in report.left_out] == ["small.png"]
    more = [flag for flag in TINY if flag != "--weightnorm"] + ["--set=weight_norm=True", "--num-init-batches=1"]
    trained = train(store, tmp_path, *more, "--epochs=1")
    assert trained.code == 0, trained.err
    assert len((run_of(tmp_path) / "history.csv").read_text().splitlines()) == 1 + 1


@pytest.mark.slow
def test_a_dataset_trains_from_its_hr_images_alone(train, dataset, tmp_path):
    for split in ("train", "valid"):
        shutil.copytree(dataset / f"TOY_{split}_HR", tmp_path / "hr" / f"TOY_{split}_HR")
    trained = train(tmp_path / "hr", tmp_path, *TINY, "--epochs=1", "--degrade=waifu2x-pytorch,level=2")
    assert trained.code == 0, trained.err
    assert not (tmp_path / "cache").exists()


@pytest.fixture(scope="module")
def store(folder, tmp_path_factory):
    """A store of 32 x 32 LR patches whose LR is made as three profiles ask for."""
    from wdsr_tf.commands.convert import COMMAND as CONVERT

    path = tmp_path_factory.mktemp("store") / "store.sqlite"
    argv = ["sqlite", "-i", folder, "-o", path, "--degrade=seed-000,level=2", "--hr-patch-size=64", "--patches=3"]
    assert CONVERT.main([*map(str, argv), "--jobs=1"]) == 0
    return path


@pytest.mark.parametrize("profile", ["upconv7", "dcscn-12", "carn-v2", "carn-m"])
def test_a_profile_trains_on_a_store_without_what_it_says_about_images(store, profile, capsys):
    found = config(f"--profile={profile}", f"--dataset={store}")
    lines = capsys.readouterr().err.splitlines()
    makes_lr = profile != "carn-m"
    assert any(line.startswith("--degrade is ignored: it applies only to images") for line in lines) == makes_lr
    assert found.degrade is None and found.scales == [2]
    assert (found.min_bytes, found.active_cropping) == (0, 0)
    assert found.lr_patch_size == min(32, config(f"--profile={profile}").lr_patch_size)


def test_a_profile_that_makes_lr_trains_on_a_store(train, store, tmp_path):
    more = ["--profile=upconv7", "--epochs=1", "--steps-per-epoch=1", "--validation-steps=1", "--batch-size=2"]
    trained = train(store, tmp_path, *more)
    assert trained.code == 0, trained.err
    assert "--active-cropping is ignored: it applies only with degrade." in trained.err


@pytest.mark.parametrize(
    "typed, complaint",
    [
        ("--degrade=seed-000", "degrade has no effect here: it applies only to images"),
        ("--training-scales=2,3", "training_scales has no effect here: it applies only to images"),
        ("--lr-patch-size=48", "the store has LR patches of 32 x 32, but lr_patch_size is 48"),
    ],
)
def test_what_is_typed_for_a_store_that_cannot_have_it_is_refused(train, store, tmp_path, typed, complaint):
    ended = train(store, tmp_path, "--profile=upconv7", typed)
    assert ended.code == 1
    assert complaint in ended.err


def test_a_profiles_hyperparameters_are_dropped_if_the_typed_network_has_none_of_them(capsys):
    found = config("--profile=wdsr-b-8", "--model=edsr", "--set=tanh=True")
    assert "--res-expansion is ignored: edsr has no res_expansion." in capsys.readouterr().err
    assert (found.res_expansion, found.hyperparameters) == (None, {"tanh": True})
    found = config("--profile=carn-m", "--model=edsr")
    assert "is ignored: edsr has no multi_scale." in capsys.readouterr().err
    assert found.hyperparameters == {}
    assert config("--profile=wdsr-b-8", "--model=edsr", "--res-expansion=2").res_expansion == 2  # and then refused


def test_settings_of_another_network_are_refused_before_it_is_built(train, dataset, finished, tmp_path, monkeypatch):
    shutil.copytree(run_of(finished), tmp_path / "20260101-000000")
    args = run_of(tmp_path) / "args.txt"
    args.write_text(args.read_text().replace("--num_filters=4", "--num_filters=1000000"))
    monkeypatch.setattr("wdsr_tf.models.create_model", lambda *_, **__: pytest.fail("it was built"))
    resumed = train(dataset, tmp_path, "--resume", "--epochs=5")
    assert resumed.code == 1 and "but the settings describe {'num_filters': 1000000}" in resumed.err
