import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.training.run import Run


def test_a_run_writes_its_flags_and_is_pointed_at(tmp_path):
    run = Run.start(tmp_path / "out", ["--a=1", "--b=2"])
    assert run.args.read_text() == "--a=1\n--b=2\n"
    assert (tmp_path / "out" / "models").resolve() == run.models.resolve()
    assert Run.find(tmp_path / "out").folder == run.folder


def test_a_folder_in_the_way_of_the_link_is_left_and_no_run_begins(tmp_path):
    (tmp_path / "models").mkdir()
    with pytest.raises(InputError, match="in the way"):
        Run.start(tmp_path, [])
    assert [path.name for path in tmp_path.iterdir()] == ["models"]


def test_the_newest_run_is_found_also_among_many_of_one_second(tmp_path):
    names = ["20261121-135232"] + [f"20261121-135232-{i}" for i in range(2, 12)]
    for name in ["20251231-235959-99", *names]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "args.txt").write_text("")
    assert Run.find(tmp_path).folder.name == "20261121-135232-11"
    (tmp_path / "20261121-135233").mkdir()  # without args.txt: nothing to resume
    assert Run.find(tmp_path).folder.name == "20261121-135232-11"
    assert Run.find(tmp_path, "20261121-135232").folder.name == "20261121-135232"
