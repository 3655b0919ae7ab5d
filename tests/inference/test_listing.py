import io
import os
import sys
import types
from pathlib import Path

import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.inference.listing import read_list


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (b"a.png", b"#b.png", b"caf\xe9.png", b"two\nlines.png", b" c .png"):
        Path(os.fsdecode(name)).touch()
    Path("folder").mkdir()
    return tmp_path


def listed(content):
    Path("list").write_bytes(content)
    images, failures = read_list("list")
    return [os.fsencode(path) for path in images], [str(error) for _, error in failures]


def test_each_line_is_a_path_of_any_bytes_without_comments(place):
    assert listed(b"a.png\n#b.png\r\n\ncaf\xe9.png\n c .png")[0] == [b"a.png", b"#b.png", b"caf\xe9.png", b" c .png"]
    assert listed(b"two\nlines.png\0a.png\0")[0] == [b"two\nlines.png", b"a.png"]
    assert listed(b"\xef\xbb\xbfa.png\n")[0] == [b"a.png"]
    assert listed("a.png\r\n#b.png\r\n".encode("utf-16"))[0] == [b"a.png", b"#b.png"]


def test_a_path_counts_once_and_one_that_cannot_be_an_image_is_named(place):
    images, failures = listed(b"a.png\n./a.png\nfolder\nnone.png\n")
    assert images == [b"a.png"]
    assert failures == ["folder: is a folder; list the images in it, or pass it with -i", "none.png: no such file"]


def test_a_dash_is_standard_input(place, monkeypatch):
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(b"a.png\n")))
    assert read_list("-") == ([Path("a.png")], [])
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="standard input can't be read"):
        read_list("-")


def test_a_list_that_is_missing_or_empty_is_refused(place):
    with pytest.raises(InputError, match="The list none can't be read: No such file"):
        read_list("none")
    with pytest.raises(InputError, match="has no paths"):
        listed(b"\n\n")
