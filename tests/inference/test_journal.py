import json
import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from wdsr_tf.errors import InputError
from wdsr_tf.files import sha256
from wdsr_tf.inference.journal import FOLDER, Journal, Record, State, options_hash


def made(journal, name, text, source="source", models=("model",), options="options"):
    """A result that `journal` records."""
    path = journal.outdir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    record = Record(name, sha256(path), "a.png", source, tuple(models), options)
    journal.add(record)
    return path, record


def lines(folder):
    return "".join(path.read_text() for path in (folder / FOLDER).iterdir())


def test_a_result_is_current_until_its_source_models_or_options_change(tmp_path):
    with Journal(tmp_path) as journal:
        path, record = made(journal, "a-sr.png", "pixels")
    for opened in (journal, Journal(tmp_path)):
        assert opened.state(path, record.cause) is State.CURRENT
        for place in range(3):
            cause = [*record.cause]
            cause[place] = ("other",) if place == 1 else "other"
            assert opened.state(path, tuple(cause)) is State.OUTDATED
        assert "a-sr.png" in opened and "b-sr.png" not in opened
        assert opened.state(tmp_path / "b-sr.png") is State.ABSENT


def test_changed_and_unknown_files_are_foreign(tmp_path):
    with Journal(tmp_path) as journal:
        path, record = made(journal, "a-sr.png", "pixels")
        (tmp_path / "b-sr.png").write_text("pixels")
        (tmp_path / "folder.png").mkdir()
        path.write_text("cropped")
        for name in ("a-sr.png", "b-sr.png", "folder.png"):
            assert journal.state(tmp_path / name, record.cause) is State.FOREIGN
        made(journal, "a-sr.png", "other pixels", options="other")
        path.write_text("pixels")  # an earlier result, put back
        assert journal.state(path, record.cause) is State.CURRENT


def test_cut_and_damaged_lines_cost_no_other_line(tmp_path):
    with Journal(tmp_path) as journal:
        first, record = made(journal, "a-sr.png", "a")
        made(journal, "b-sr.png", "b")
    (file,) = (tmp_path / FOLDER).iterdir()
    file.write_bytes(b"[" * 100000 + b"\n\xff\n{}\n[]\n1\n" + file.read_bytes()[:-20])
    with Journal(tmp_path) as journal:
        assert journal.state(first, record.cause) is State.CURRENT
        assert journal.state(tmp_path / "b-sr.png") is State.FOREIGN
        third, _ = made(journal, "c-sr.png", "c")
    assert Journal(tmp_path).state(third, record.cause) is State.CURRENT
    assert len(list((tmp_path / FOLDER).iterdir())) == 1


def test_lines_of_a_later_release_are_read_as_far_as_they_are_known(tmp_path):
    with Journal(tmp_path) as journal:
        path, record = made(journal, "a-sr.png", "a")
    (file,) = (tmp_path / FOLDER).iterdir()
    file.write_text(json.dumps(json.loads(file.read_text()) | {"worker": 3}) + "\n")
    assert Journal(tmp_path).state(path, record.cause) is State.CURRENT


def test_two_writers_have_files_of_their_own_which_later_ones_use_again(tmp_path):
    with Journal(tmp_path) as first, Journal(tmp_path) as second:
        for number in range(3):
            for name, journal in (("first", first), ("second", second)):
                made(journal, f"{name}-{number}.png", f"{name} {number}")
    assert len(list((tmp_path / FOLDER).iterdir())) == 2
    with Journal(tmp_path) as third:
        path, record = made(third, "third.png", "third")
        assert all(f"{name}-{number}.png" in third for name in ("first", "second") for number in range(3))
    assert len(list((tmp_path / FOLDER).iterdir())) == 2 and lines(tmp_path).count("\n") == 7
    assert Journal(tmp_path).state(path, record.cause) is State.CURRENT


def test_a_killed_writer_loses_no_line(tmp_path):
    code = """
import os, sys
from wdsr_tf.inference.journal import Journal, Record
journal = Journal(sys.argv[1])
for number in range(100):
    journal.add(Record(f"{number}.png", "x", "a.png", "y", (), "z"))
os._exit(9)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=REPOSITORY, check=False)
    journal = Journal(tmp_path)
    assert all(f"{number}.png" in journal for number in range(100))


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / FOLDER).write_text("a file where a folder is needed")
    with pytest.raises(InputError, match=r"\.wdsr-tf: can't be written"), Journal(tmp_path) as journal:
        made(journal, "a-sr.png", "a")


def test_a_journal_that_is_a_link_is_not_written_to(tmp_path):
    with Journal(tmp_path / "out") as journal:
        made(journal, "a-sr.png", "a")
    (file,) = (tmp_path / "out" / FOLDER).iterdir()
    file.replace(tmp_path / "theirs")
    file.symlink_to(tmp_path / "theirs")
    before = (tmp_path / "theirs").read_text()
    with pytest.raises(InputError, match="can't be written"), Journal(tmp_path / "out") as journal:
        made(journal, "b-sr.png", "b")
    assert (tmp_path / "theirs").read_text() == before


def test_names_in_any_encoding_are_recorded(tmp_path):
    with Journal(tmp_path) as journal:
        journal.add(Record("caf\udce9\n-sr.png", "x", "caf\udce9.png", "y", (), "z"))
    assert "caf\udce9\n-sr.png" in Journal(tmp_path)


def test_the_order_of_options_does_not_matter():
    assert options_hash({"a": 1, "b": [2]}) == options_hash({"b": (2,), "a": 1}) != options_hash({"a": 1, "b": [3]})


def test_a_folder_of_journals_that_is_a_link_is_not_written_to(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / FOLDER).symlink_to(tmp_path / "theirs")
    with pytest.raises(InputError, match="is a link"):
        Journal(tmp_path / "out")
    assert list((tmp_path / "theirs").iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_neither_a_journal_nor_a_result_and_is_not_waited_for(tmp_path):
    with Journal(tmp_path) as journal:
        made(journal, "a-sr.png", "a")
    (file,) = (tmp_path / FOLDER).iterdir()
    file.unlink()
    os.mkfifo(file)
    os.mkfifo(tmp_path / "b-sr.png")
    with pytest.raises(InputError, match="can't be written"), Journal(tmp_path) as journal:
        assert journal.state(tmp_path / "b-sr.png") is State.FOREIGN
        made(journal, "c-sr.png", "c")
