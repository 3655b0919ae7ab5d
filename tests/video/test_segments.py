import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.video.segments import END, HEAD, packets, workspace

WHOLE = HEAD.pack(7, 3, True) + b"abc" + HEAD.pack(5, 2, False) + b"de" + END


def interrupted(target, *contents):
    """Leaves a work folder with segments of these contents."""
    with pytest.raises(KeyboardInterrupt), workspace(target, ("recipe",), resume=True) as work:
        for number, content in enumerate(contents, 1):
            (work.folder / f"{number:06}.packets").write_bytes(content)
        work.segments.append("any")  # so that the folder is kept
        raise KeyboardInterrupt


def test_packets_are_read_as_they_were_stored(tmp_path):
    (tmp_path / "a.packets").write_bytes(WHOLE)
    assert [*packets(tmp_path / "a.packets")] == [(7, b"abc", True), (5, b"de", False)]


@pytest.mark.parametrize("length", [0, 1, HEAD.size + 1, len(WHOLE) - len(END), len(WHOLE) - 1])
def test_a_segment_that_is_cut_anywhere_is_not_used(tmp_path, length):
    interrupted(tmp_path / "a.mkv", WHOLE, WHOLE[:length], WHOLE)
    with workspace(tmp_path / "a.mkv", ("recipe",), resume=True) as work:
        assert [segment.times for segment in work.segments] == [(5, 7)]
        assert [path.name for path in work.folder.glob("*.packets")] == ["000001.packets"]
    assert [*tmp_path.iterdir()] == []


def test_two_processes_do_not_make_one_result(tmp_path):
    with workspace(tmp_path / "a.mkv", ("recipe",)) as work:
        with pytest.raises(InputError, match="another process is making it"), workspace(tmp_path / "a.mkv", ("other",)):
            pass
        assert work.folder.exists()


def test_the_longest_name_of_a_file_has_a_work_folder(tmp_path):
    with workspace(tmp_path / ("ä" * 120 + ".mkv"), ("recipe",)) as work:
        assert work.folder.is_dir()
