import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic
from wdsr_tf.training.run import Run


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


def test_what_a_killed_process_left_is_removed_when_its_run_is_found(tmp_path):
    run = Run.start(tmp_path, ["--model=edsr"])
    for folder in (tmp_path, run.folder, run.models):
        (folder / ".0123456789abcdef.keras").touch()
    with atomic(run.state) as living:
        living.touch()
        assert Run.find(tmp_path).folder == run.folder
        assert living.exists()
    assert not list(tmp_path.rglob(".*.keras"))
