import pytest

from wdsr_tf.video.content import find, is_video

FIRST = {
    "mkv": b"\x1a\x45\xdf\xa3",
    "mp4": b"\0\0\0\x18ftypisom",
    "mov": b"\0\0\0\x08wide\0\0\0\0mdat",
    "avi": b"RIFF\0\0\0\0AVI LIST",
    "wmv": b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
    "vob": b"\0\0\1\xba",
    "ts": (b"\x47" + bytes(187)) * 5,
    "m2ts": (bytes(4) + b"\x47" + bytes(187)) * 5,
    "flv": b"FLV\1",
    "ogv": b"OggS",
}
OTHERS = [b"", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8 ", b"\0\0\0\x18ftypavif", b"\0\0\0\x18ftypM4A ", b"G" * 100]


@pytest.mark.parametrize("name", FIRST)
def test_videos_are_found_by_their_content(tmp_path, name):
    (tmp_path / "file.txt").write_bytes(FIRST[name] + bytes(1000))
    assert is_video(tmp_path / "file.txt")


@pytest.mark.parametrize("start", OTHERS)
def test_pictures_sound_and_noise_are_none(tmp_path, start):
    (tmp_path / "file.mp4").write_bytes(start + b"\1" * 1000)
    assert not is_video(tmp_path / "file.mp4") and not is_video(tmp_path / "missing.mp4")


def test_hidden_files_and_the_output_folder_are_not_searched(tmp_path):
    for name in ("b/two", "one", ".hidden", ".partial/x", "out/done"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(FIRST["mkv"])
    assert find(tmp_path, tmp_path / "out") == [tmp_path / "b/two", tmp_path / "one"]
    assert find(tmp_path / "one") == [tmp_path / "one"]
