import sys

import numpy as np
import pytest

from tests.helpers import published
from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats
from wdsr_tf.importers.load import checkpoint_of, scales_of
from wdsr_tf.models import create_model
from wdsr_tf.system import caches


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "wdsr-tf"


def write(path, name):
    np.savez(path, **published.EVERY[name].arrays)
    return path


def test_a_checkpoint_is_returned_as_it_is(tmp_path):
    checkpoint.save(create_model("wdsr-a", 3, num_filters=4, num_res_blocks=1), tmp_path / "a.keras")
    assert checkpoint_of(tmp_path / "a.keras") == tmp_path / "a.keras"
    assert checkpoint_of(str(tmp_path / "a.keras")) == tmp_path / "a.keras"
    assert scales_of(tmp_path / "a.keras") == (3,)


def test_a_weights_file_is_converted_once_with_one_line_that_says_what_it_is(tmp_path, cache, monkeypatch):
    file, lines = write(tmp_path / "edsr.npz", "edsr x4"), []
    converted = checkpoint_of(file, log=lines.append)
    assert cache in converted.parents and converted.name == "edsr.keras"
    assert len(lines) == 1 and "edsr.npz" in lines[0] and "edsr x4" in lines[0]
    config = checkpoint.read_config(converted)
    assert (config["architecture"], config["scale"]) == ("edsr", 4)
    assert config["facts"]["sha256"] == formats.sha256(file) == formats.read(file).sha256
    assert scales_of(file) == (4,)

    monkeypatch.setattr(formats, "read", lambda path: pytest.fail("the weights were read again"))
    assert checkpoint_of(file, log=lines.append) == converted and len(lines) == 1
    assert scales_of(file) == (4,)


def test_another_file_under_the_same_name_is_converted_anew(tmp_path):
    first = checkpoint_of(write(tmp_path / "a.npz", "edsr x4"))
    second = checkpoint_of(write(tmp_path / "a.npz", "converted wdsr-a"))
    assert first != second and checkpoint.read_config(second)["architecture"] == "wdsr-a"


def test_an_ambiguous_file_names_the_argument_to_pass(tmp_path):
    file = write(tmp_path / "carn.npz", "carn-m all")
    assert scales_of(file) == (2, 3, 4)
    with pytest.raises(InputError, match=r"carn\.npz .*scale 2 or .*scale 3 or .*scale 4[^!]*scale="):
        checkpoint_of(file)
    two, three = (checkpoint_of(file, scale=scale) for scale in (2, 3))
    assert [checkpoint.read_config(path)["scale"] for path in (two, three)] == [2, 3]
    both = checkpoint_of(file, hyperparameters={"multi_scale": True})
    assert checkpoint.read_config(both)["hyperparameters"]["multi_scale"] is True
    assert len({two, three, both}) == 3


def test_options_that_do_not_fit_are_refused(tmp_path):
    file = write(tmp_path / "a.npz", "edsr x4")
    for options in ({"model": "wdsr-a"}, {"scale": 3}):
        with pytest.raises(InputError, match=r"a\.npz"):
            checkpoint_of(file, **options)


def test_files_that_are_missing_or_unknown_are_refused_by_name(tmp_path):
    np.savez(tmp_path / "odd.npz", a=np.zeros(3, "float32"))
    (tmp_path / "text.txt").write_text("no weights")
    for name in ("absent.pth", "odd.npz", "text.txt"):
        with pytest.raises(InputError, match=name):
            checkpoint_of(tmp_path / name)


def test_without_keras_the_message_says_what_to_install(tmp_path, monkeypatch):
    file = write(tmp_path / "a.npz", "edsr x4")
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(InputError, match=r"a\.npz needs keras.*pip install .*\[train\]"):
        checkpoint_of(file)


def test_without_a_writable_cache_folder_a_temporary_one_is_used(tmp_path):
    folder = tmp_path / "closed"
    folder.write_text("a file where a folder is needed")
    found = caches.first_writable(folder, folder / "inside")
    assert found.is_dir() and found.name.endswith(".wdsr-tf")
    assert caches.first_writable(folder, tmp_path / "open") == tmp_path / "open"


def test_a_damaged_conversion_is_made_again_with_one_line(tmp_path):
    file, lines = write(tmp_path / "a.npz", "edsr x4"), []
    converted = checkpoint_of(file)
    assert scales_of(file) == (4,)
    content = converted.read_bytes()
    converted.write_bytes(content[:1000])
    for text in ('{"4"', "[" * 100_000, "[1000000000]", "[4.0]"):
        (converted.parent.parent / "scales.json").write_text(text)
        assert scales_of(file) == (4,)
    assert checkpoint_of(file, log=lines.append) == converted
    assert len(converted.read_bytes()) == len(content) and scales_of(file) == (4,)
    assert len([line for line in lines if "damaged" in line and str(converted) in line]) == 1


def test_if_the_cache_is_full_a_temporary_folder_is_used(tmp_path, monkeypatch):
    def save(model, path):
        if path.is_relative_to(tmp_path):
            raise OSError(28, "No space left on device", str(path))
        real(model, path)

    real = checkpoint.save
    monkeypatch.setattr(checkpoint, "save", save)
    file, lines = write(tmp_path / "a.npz", "edsr x4"), []
    found = checkpoint_of(file)
    assert ".wdsr-tf" in str(found) and checkpoint.read_config(found)["scale"] == 4
    assert checkpoint_of(file, log=lines.append) == found and not lines
