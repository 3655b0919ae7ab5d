import json
import os
import subprocess
import sys
import zipfile

import pytest

from tests.conftest import REPOSITORY
from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic
from wdsr_tf.training.run import MAX_ARGS, Run

FACTS = {"epoch": 1, "steps": 4, "steps_per_epoch": 4, "history": [{"epoch": 1, "val_psnr": 30.0}]}


def write_state(run, **facts):
    """Writes a state that has a recipe and facts, but no weights."""
    recipe = {"architecture": "wdsr-a", "scale": 2, "hyperparameters": {}, "facts": FACTS | facts}
    with zipfile.ZipFile(run.state, "w") as archive:
        archive.writestr("config.json", json.dumps({"registered_name": "wdsr_tf>SRModel", "config": recipe}))


@pytest.fixture
def runs(tmp_path):
    """Three runs, the oldest first; the first two have a state."""
    found = []
    for name in ("20260101-000000", "20260102-000000", "20991231-000000"):
        run = Run(tmp_path / name)
        run.models.mkdir(parents=True)
        run.write_args([])
        found.append(run)
    for run in found[:2]:
        write_state(run)
    return found


def test_a_run_writes_its_flags_and_is_linked(tmp_path):
    run = Run.start(tmp_path / "out", ["--a=1", "--b=2"])
    assert run.args.read_text() == "--a=1\n--b=2\n"
    assert (tmp_path / "out" / "models").resolve() == run.models.resolve()
    assert Run.find(tmp_path / "out").folder == run.folder


def test_a_folder_in_the_way_of_the_link_is_kept_and_no_run_begins(tmp_path):
    (tmp_path / "models").mkdir()
    with pytest.raises(InputError, match="in the way"):
        Run.start(tmp_path, [])
    assert [path.name for path in tmp_path.iterdir()] == ["models"]


def test_the_newest_run_is_found_among_many_of_one_second(tmp_path):
    names = ["20261121-135232"] + [f"20261121-135232-{i}" for i in range(2, 12)]
    for name in ["20251231-235959-99", *names]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "args.txt").write_text("")
    assert Run.find(tmp_path).folder.name == "20261121-135232-11"
    (tmp_path / "20261121-135233").mkdir()  # no args.txt, so nothing to resume
    assert Run.find(tmp_path).folder.name == "20261121-135232-11"
    assert Run.find(tmp_path, "20261121-135232").folder.name == "20261121-135232"


def test_the_best_checkpoint_has_the_highest_psnr(tmp_path):
    run = Run.start(tmp_path, [])
    assert run.best is None
    for name in (
        "epoch-001-psnr-9.5000",
        "epoch-002-psnr-31.2500",
        "epoch-002-psnr-31.4000-ema",
        "epoch-010-psnr-30.0000",
    ):
        (run.models / f"{name}.keras").touch()
    (run.models / ".0123456789abcdef.keras").touch()  # left by a kill
    assert run.best == run.models / "epoch-002-psnr-31.4000-ema.keras"


def test_the_history_is_read_from_its_file(tmp_path):
    run = Run.start(tmp_path, [])
    assert run.history == []
    rows = [
        {"epoch": 1, "loss": 3.5, "val_psnr": 30.25},
        {"epoch": 2, "loss": 3.25, "val_psnr": 31.0, "ema_psnr": 31.5},
    ]
    run.write_history(rows)
    assert run.history == rows


def test_the_newest_run_with_a_state_is_resumed_and_newer_ones_are_named(tmp_path, runs):
    said = []
    assert Run.find(tmp_path, log=said.append).folder == runs[1].folder
    assert said == [f"{runs[2].folder} can't be resumed: it has no state, because its first epoch didn't end."]
    assert Run.find(tmp_path, runs[2].folder.name, said.append).folder == runs[2].folder


def test_a_run_whose_state_is_damaged_is_passed_over(tmp_path, runs):
    runs[1].state.write_bytes(b"PK")
    said = []
    assert Run.find(tmp_path, log=said.append).folder == runs[0].folder
    assert len(said) == 2 and "not a complete .keras file" in said[1]


@pytest.mark.parametrize(
    "facts",
    [
        *({"epoch": None}, {"epoch": -1}, {"epoch": 10**9}, {"epoch": "1"}, {"steps": -1}, {"steps_per_epoch": 1.5}),
        *({"history": {}}, {"history": [1]}, {"history": [{"epoch": 1}]}, {"history": [{"epoch": 0, "val_psnr": 1}]}),
        *({"history": [{"epoch": 1, "val_psnr": "x"}]}, {"history": [{"epoch": 1, "val_psnr": 1, "=cmd|": 1}]}),
    ],
)
def test_facts_that_no_run_records_are_refused(tmp_path, runs, facts):
    write_state(runs[0], **facts)
    with pytest.raises(InputError, match="isn't the state of a run"):
        runs[0].facts()


def test_a_run_whose_folders_lead_elsewhere_is_refused(tmp_path, runs):
    runs[1].models.rmdir()
    runs[1].models.symlink_to(tmp_path)
    with pytest.raises(InputError, match="is a link"):
        Run.find(tmp_path)


def test_a_file_of_settings_without_end_is_refused(tmp_path, runs):
    with runs[1].args.open("wb") as file:
        file.truncate(MAX_ARGS + 1)
    with pytest.raises(InputError, match="isn't a file of settings"):
        Run.find(tmp_path)


@pytest.mark.parametrize("text", ["epoch,loss\n1,x\n", "a,b\n1,2\n", "epoch\nnan\n"])
def test_a_damaged_history_is_named(tmp_path, text):
    run = Run.start(tmp_path, [])
    run.history_file.write_text(text)
    with pytest.raises(InputError, match="isn't the history"):
        run.history  # noqa: B018


def test_a_run_is_trained_by_one_process_at_a_time_and_a_kill_releases_it(tmp_path):
    pytest.importorskip("fcntl")
    run = Run.start(tmp_path, [])
    program = (
        "import sys, time; from wdsr_tf.training.run import Run\n"
        "with Run(sys.argv[1]).locked(): print('held', flush=True); time.sleep(60)"
    )
    argv = [sys.executable, "-c", program, str(run.folder)]
    with subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="being trained by another process"), run.locked():
            raise AssertionError
        other.kill()
        other.wait()
    for _ in range(2):
        with run.locked():
            pass


def test_where_links_are_impossible_a_text_file_names_the_newest_models(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "symlink", refused)
    run = Run.start(tmp_path, [])
    assert not run.is_linked
    assert (tmp_path / (tmp_path / "models.txt").read_text().strip()).samefile(run.models)
    monkeypatch.undo()
    assert Run.start(tmp_path, []).is_linked


def test_what_a_kill_left_is_removed_when_the_run_is_trained_on_and_what_lives_is_kept(tmp_path):
    run = Run.start(tmp_path, [])
    left = [folder / ".0123456789abcdef.keras" for folder in (run.folder, run.models)]
    for path in left:
        path.touch()
    with atomic(run.state) as living:
        living.touch()
        with run.locked():
            assert not any(path.exists() for path in left)
            assert living.exists()


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_lock_that_is_no_file_is_neither_followed_nor_waited_for(tmp_path, kind):
    pytest.importorskip("fcntl")
    run = Run.start(tmp_path, [])
    if kind == "link":
        (run.folder / ".lock").symlink_to(tmp_path / "elsewhere")
    else:
        os.mkfifo(run.folder / ".lock")
    with pytest.raises(InputError, match="can't be used as the run's lock"), run.locked():
        raise AssertionError
    assert not (tmp_path / "elsewhere").exists()


def test_a_checkpoint_with_an_odd_name_is_not_the_best(tmp_path):
    run = Run.start(tmp_path, [])
    for name in ("epoch-1-psnr-x.keras", "epoch-1-psnr-1.2.3.keras", "epoch-1-psnr--.keras"):
        (run.models / name).touch()
    assert run.best is None


def test_a_run_appears_with_its_settings_or_not_at_all(tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "write_args", killed)
    with pytest.raises(KeyboardInterrupt):
        Run.start(tmp_path, [])
    assert list(tmp_path.iterdir()) == []
