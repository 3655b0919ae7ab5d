import pytest

from wdsr_tf.files import atomic


def test_a_file_appears_whole_with_its_folders(tmp_path):
    path = tmp_path / "some" / "folder" / "picture.png"
    with atomic(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".png" and temporary.name.startswith(".")
        temporary.write_text("half")
        assert not path.exists()
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "picture.png"
    path.write_text("old")
    with pytest.raises(error), atomic(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_as_long_as_the_file_system_allows_still_fits(tmp_path):
    path = tmp_path / ("x" * 251 + ".png")
    with atomic(path) as temporary:
        temporary.write_text("whole")
    assert path.read_text() == "whole"


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "picture.png"
    with atomic(path) as first, atomic(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # whose block ends last
