import errno
import os
import shutil
import subprocess
import sys
import types

import pytest

from tests.conftest import REPOSITORY
from wdsr_tf import files
from wdsr_tf.files import atomic, is_disk_full, owned, sweep, temporary_folder


def test_a_file_appears_complete_with_its_folders(tmp_path):
    path = tmp_path / "some" / "folder" / "image.png"
    with atomic(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".png" and temporary.name.startswith(".")
        temporary.write_text("half")
        assert not path.exists()
        temporary.write_text("complete")
    assert path.read_text() == "complete"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_keeps_the_old_file_and_leaves_nothing_else(tmp_path, error):
    path = tmp_path / "image.png"
    path.write_text("old")
    with pytest.raises(error), atomic(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_names_may_be_as_long_as_the_file_system_allows(tmp_path):
    path = tmp_path / ("x" * 251 + ".png")
    with atomic(path) as temporary:
        temporary.write_text("complete")
    assert path.read_text() == "complete"


def test_two_writers_of_one_file_do_not_interfere(tmp_path):
    path = tmp_path / "image.png"
    with atomic(path) as first, atomic(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # its block ends last


def test_sweeping_removes_what_killed_processes_left_and_nothing_else(tmp_path):
    code = """
import os, sys
from pathlib import Path
from wdsr_tf.files import atomic, owned
here = Path(sys.argv[1])
with atomic(here / "image.png") as file, atomic(here / "link") as link, owned(here) as folder:
    file.write_text("half")
    link.symlink_to("nowhere")
    folder.mkdir()
    (folder / "file").touch()
    os._exit(9)
"""
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=REPOSITORY, check=False)
    assert killed.returncode == 9 and len(list(tmp_path.iterdir())) == 6
    (tmp_path / ".fedcba9876543210.png").write_text("its lock is gone")
    kept = [tmp_path / name for name in (".0123456789abcdef.png.bak", ".hidden.png", "0123456789abcdef.png")]
    kept += [tmp_path / ".0123456789ABCDEF.png", tmp_path / ".0123456789abcde.png"]
    for path in kept:
        path.write_text("somebody's")
    (tmp_path / ".aaaaaaaaaaaaaaaa").mkdir()  # nobody knows whose
    sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([*kept, tmp_path / ".aaaaaaaaaaaaaaaa"])
    sweep(tmp_path / "absent")


def test_a_temporary_folder_sweeps_those_of_killed_processes_and_keeps_what_may_be_somebody_elses(tmp_path):
    code = """
import os, sys
from wdsr_tf.files import temporary_folder
with temporary_folder(sys.argv[1]) as folder:
    (folder / "file").touch()
    os._exit(9)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=REPOSITORY, check=False)
    (other := tmp_path / ".fedcba9876543210.png").write_text("without a lock")
    assert len(list(tmp_path.glob(".*.wdsr-tf/file"))) == 1
    with temporary_folder(tmp_path) as folder:
        assert list(tmp_path.glob("*.wdsr-tf")) == [folder] and not list(folder.iterdir())
    assert list(tmp_path.iterdir()) == [other]


def test_files_of_living_processes_are_never_swept_however_old(tmp_path):
    with atomic(tmp_path / "image.png") as temporary, owned(tmp_path) as folder:
        temporary.write_text("half")
        folder.mkdir()
        for path in tmp_path.iterdir():
            os.utime(path, (0, 0))
        sweep(tmp_path)
        assert temporary.exists() and folder.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["image.png"]


def test_files_of_another_machine_are_kept_and_those_from_before_a_restart_are_swept(tmp_path):
    machine = files._machine()
    for token, said in (("a", ("other boot", "other host")), ("b", ("other boot", machine[1])), ("c", ())):
        (tmp_path / f".{16 * token}-lock").write_text("\n".join(said))
        (tmp_path / f".{16 * token}.png").write_text("half")
    sweep(tmp_path)
    assert {path.name[1] for path in tmp_path.iterdir()} == {"a"}


@pytest.mark.parametrize(
    "error", [OSError("100 requested and 50 written"), OSError(28, "No space left on device")], ids=["NumPy", "system"]
)
def test_a_full_disk_is_said_with_the_path(tmp_path, monkeypatch, error):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=0))
    said = r"No space left on device: '.*image\.png'"
    with pytest.raises(OSError, match=said) as raised, atomic(tmp_path / "image.png") as temporary:
        temporary.write_text("half")
        raise error
    assert raised.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_said_with_the_name_of_the_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"), atomic(tmp_path / "file" / "image.png"):
        pass
    with pytest.raises(OSError, match=r"'.*image\.png'"), atomic(tmp_path / "image.png"):
        raise FileNotFoundError(2, "No such file", str(tmp_path / ".0123456789abcdef.png"))


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_lock_that_is_no_file_keeps_what_it_may_belong_to_and_is_not_waited_for(tmp_path, kind):
    pytest.importorskip("fcntl")
    folder = tmp_path / "out"
    folder.mkdir()
    lock, temporary = folder / f".{16 * 'a'}-lock", folder / f".{16 * 'a'}.png"
    temporary.touch()
    if kind == "link":
        (tmp_path / "empty").touch()  # which an abandoned lock may be
        lock.symlink_to(tmp_path / "empty")
    else:
        os.mkfifo(lock)
    sweep(folder)
    assert temporary.exists() and os.path.lexists(lock)


def test_a_full_disk_is_found_in_what_an_error_follows_from(tmp_path):
    def raised(error):
        try:
            try:
                raise error
            except OSError as cause:
                raise ValueError("can't be written") from cause
        except ValueError as found:
            return found

    assert is_disk_full(raised(OSError(errno.EDQUOT, "Disk quota exceeded")))
    assert is_disk_full(OSError(errno.EROFS, "Read-only file system"))
    assert not is_disk_full(raised(OSError(errno.EFBIG, "File too large"))) and not is_disk_full(ValueError())
