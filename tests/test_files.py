import os

import pytest

from wdsr_tf.files import atomic, sweep


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


def test_sweeping_removes_abandoned_temporary_files_and_nothing_else(tmp_path):
    with atomic(tmp_path / "image.png") as temporary, atomic(tmp_path / "models") as link:
        temporary.write_text("half")
        link.symlink_to("nowhere")
        for path in (temporary, link):
            os.utime(path, (0, 0), follow_symlinks=False)
        kept = [tmp_path / name for name in (".0123456789abcdef.png.bak", ".hidden.png", "0123456789abcdef.png")]
        kept += [tmp_path / ".0123456789ABCDEF.png", tmp_path / ".0123456789abcde.png"]
        for path in kept:
            path.write_text("somebody's")
            os.utime(path, (0, 0))
        fresh = tmp_path / ".fedcba9876543210.png"
        fresh.write_text("being written")
        (tmp_path / ".aaaaaaaaaaaaaaaa").mkdir()
        sweep(tmp_path)
        assert sorted(tmp_path.iterdir()) == sorted([*kept, fresh, tmp_path / ".aaaaaaaaaaaaaaaa"])
        temporary.write_text("complete")
        link.symlink_to("nowhere")
    sweep(tmp_path / "absent")
