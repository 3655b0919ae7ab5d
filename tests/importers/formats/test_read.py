"""How `formats.read` recognizes a format, and what it says about files that it can't read."""

import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.helpers import weight_files as made
from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats
from wdsr_tf.importers.formats import limits, pytorch_writer


@pytest.mark.parametrize("write", made.WRITERS.values(), ids=made.WRITERS)
def test_every_format_is_recognized_by_its_bytes(tmp_path, write):
    path = write(tmp_path)
    source = formats.read(path)
    assert source.path == path
    first = next(array for array in source.arrays.values() if array.ndim == 4)
    assert sorted(first.shape) == [3, 3, 3, 4]
    np.testing.assert_allclose(np.sort(first, None), np.sort(made.ARRAYS["conv.weight"], None), rtol=1e-3)  # of float16


@pytest.mark.parametrize("name", sorted(made.WRITERS.keys() & {"pytorch", "legacy", "npz", "safetensors"}))
def test_the_suffix_does_not_matter_if_the_bytes_are_unambiguous(tmp_path, name):
    path = made.WRITERS[name](tmp_path).rename(tmp_path / "weights.bin")
    made.assert_same(dict(sorted(formats.read(path).arrays.items())), dict(sorted(made.ARRAYS.items())))


@pytest.mark.parametrize("name", sorted(made.WRITERS.keys() & {"pytorch", "legacy", "npz", "safetensors", "hdf5"}))
def test_only_arrays_with_the_wanted_names_are_returned(tmp_path, name):
    path = made.WRITERS[name](tmp_path)
    assert [array.shape for array in formats.read(path, r"conv\.bias$").arrays.values()] == [(4,)]
    with pytest.raises(InputError, match=r"of another network: its 3 tensors are '.*conv\.weight'"):
        formats.read(path, "features")


@pytest.mark.parametrize("name", sorted(made.WRITERS.keys() & {*formats.SELECTIVE, "legacy"}))
def test_what_is_not_wanted_is_not_read(tmp_path, monkeypatch, name):
    path = made.WRITERS[name](tmp_path)
    monkeypatch.setattr(limits, "MAX_BYTES", 100)  # conv.weight has 432
    with pytest.raises(InputError, match="more than 0 MiB"):
        formats.read(path)
    assert [array.shape for array in formats.read(path, r"conv\.bias$").arrays.values()] == [(4,)]


def test_an_unknown_format_is_refused_with_the_supported_ones(tmp_path):
    (tmp_path / "weights.doc").write_bytes(b"hello" * 100)
    with pytest.raises(InputError, match=r"isn't a weights file in a supported format: .*PyTorch checkpoint"):
        formats.read(tmp_path / "weights.doc")
    for missing in (tmp_path / "absent.pth", tmp_path / "absent"):
        with pytest.raises(InputError, match="no such file"):
            formats.read(missing)
    with pytest.raises(InputError, match=r"is a folder\. Name a file in it: weights\.doc"):
        formats.read(tmp_path)
    (tmp_path / "empty.pth").touch()
    with pytest.raises(InputError, match=r"empty\.pth is empty"):
        formats.read(tmp_path / "empty.pth")


@pytest.mark.parametrize(
    "data, said",
    [
        (b"<!DOCTYPE html><html>Virus scan warning</html>", r"is a web page \(HTML\), not weights. Download the file"),
        (b"\n  <HTML><head>", "is a web page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n", "Run `git lfs pull`"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "is a PNG image, not weights"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "is a JPEG image"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "is a WebP image"),
    ],
)
@pytest.mark.parametrize("name", ["a.pth", "a.safetensors", "a.bin", "a"])
def test_a_file_that_is_not_weights_is_named_for_what_it_is(tmp_path, data, said, name):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=f"{name} {said}" if said.startswith("is") else said):
        formats.read(tmp_path / name)


def test_a_pointer_beside_the_main_file_is_named(tmp_path):
    made.write_ncnn(tmp_path)
    (tmp_path / "weights.bin").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n")
    with pytest.raises(InputError, match=r"weights.bin is a git-lfs pointer.*Run `git lfs pull`"):
        formats.read(tmp_path / "weights.param")


@pytest.mark.parametrize("kept", [40, 300])  # within the header, and after it
def test_a_truncated_safetensors_file_is_named(tmp_path, kept):
    pytest.importorskip("safetensors")
    path = made.write_safetensors(tmp_path)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=f"the file is truncated: it has {kept} of .*Download it again") as error:
        formats.read(path)
    assert kept < 200 or f"of {size} bytes" in str(error.value)


def test_the_message_says_what_is_damaged(tmp_path):
    path = made.pytorch_zip(tmp_path / "a.pth", made.pickled(b"he"))
    with pytest.raises(InputError, match="the pickle is damaged: it reads a memo entry that it hasn't written"):
        formats.read(path)
    whole = made.write_npz(tmp_path).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"the archive is truncated: its end is missing\. Download the file again"):
        formats.read(tmp_path / "cut.npz")


def test_reading_imports_no_framework(tmp_path):
    arrays = {f"w{i}": np.ones((128, 128, 3, 3), "f4") for i in range(9)}  # 5.3 MB
    pytorch_writer.write(tmp_path / "a.pth", arrays)
    code = (
        "import sys; from wdsr_tf.importers import formats; formats.read(sys.argv[1])\n"
        "print({'tensorflow', 'keras', 'torch', 'h5py', 'onnx'} & set(sys.modules))"
    )
    run = [sys.executable, "-c", code, tmp_path / "a.pth"]
    assert subprocess.check_output(run, cwd=REPOSITORY, text=True) == "set()\n"
