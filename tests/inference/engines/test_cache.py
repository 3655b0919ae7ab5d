import concurrent.futures
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tests.inference.engines.test_onnx import require
from wdsr_tf import checkpoint
from wdsr_tf.checkpoint import CheckpointError
from wdsr_tf.errors import InputError
from wdsr_tf.files import sha256
from wdsr_tf.inference.engines import cache
from wdsr_tf.models import create_model


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.keras"
    checkpoint.save(create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1), path)
    return path


@pytest.fixture
def tiny(written, tmp_path, monkeypatch):
    """A checkpoint in a folder of its own, and caches that are this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "models" / "tiny.keras"
    path.parent.mkdir()
    path.write_bytes(written.read_bytes())
    return path


def conversion(calls, text="network"):
    def convert(folder):
        calls.append(folder)
        (folder / "network").write_text(text)
        return {"scale": 2}

    return convert


def test_a_model_is_converted_once_and_then_found_beside_its_checkpoint(tiny):
    calls = []
    first, facts = cache.converted(tiny, "float32", conversion(calls))
    again, same = cache.converted(tiny, "float32", conversion(calls))
    assert len(calls) == 1 and first == again and facts == same
    assert first.parent == tiny.with_name("tiny.engines")
    assert (first / "network").read_text() == "network"
    said = json.loads((first / "engine.json").read_text())
    assert said["checkpoint"] == "tiny.keras" and said["scale"] == 2 and len(said["sha256"]) == 64


def test_another_checkpoint_kind_or_converter_is_converted_again(tiny, monkeypatch):
    calls = []
    cache.converted(tiny, "float32", conversion(calls))
    cache.converted(tiny, "int8", conversion(calls))
    monkeypatch.setattr(cache, "CONVERTER", cache.CONVERTER + 1)
    cache.converted(tiny, "float32", conversion(calls))
    checkpoint.save(create_model("wdsr-a", 3, num_filters=4, num_res_blocks=1), tiny)
    cache.converted(tiny, "float32", conversion(calls))
    assert len(calls) == 4


def test_if_the_folder_is_read_only_the_users_cache_is_used(tiny, tmp_path):
    tiny.with_name("tiny.engines").write_text("a file where a folder is needed")
    folder, _ = cache.converted(tiny, "float32", conversion([]))
    assert folder.parent == tmp_path / "cache" / "wdsr-tf" / "engines"
    calls = []
    assert cache.converted(tiny, "float32", conversion(calls))[0] == folder and not calls


def test_if_no_cache_can_be_written_the_conversion_lasts_as_long_as_the_process(tiny, tmp_path):
    (tmp_path / "cache").write_text("")
    tiny.with_name("tiny.engines").write_text("")
    code = f"""
from pathlib import Path
from wdsr_tf.inference.engines import cache

def convert(folder):
    return {{"made": (folder / "network").write_text("x")}}
print(cache.converted(Path({str(tiny)!r}), "float32", convert)[0])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    folder = Path(run.stdout.strip())
    assert folder.parent.name.endswith(".wdsr-tf") and not folder.parent.exists()


@pytest.mark.parametrize("damage", ["cut", "foreign", "missing", "facts", "no facts", "link", "endless"])
def test_a_damaged_conversion_is_made_again_with_one_line(tiny, damage):
    calls, lines = [], []
    folder, facts = cache.converted(tiny, "float32", conversion(calls))
    if damage in ("cut", "foreign"):
        (folder / "network").write_text({"cut": "net", "foreign": "another"}[damage])
    elif damage == "missing":
        (folder / "network").unlink()
    elif damage == "facts":
        said = json.loads((folder / "engine.json").read_text())
        (folder / "engine.json").write_text(json.dumps(said | {"scale": 3}))
    elif damage == "link":  # to a file without end, which must not be read
        (folder / "network").unlink()
        (folder / "network").symlink_to("/dev/zero")
    elif damage == "endless":
        (folder / "engine.json").unlink()
        (folder / "engine.json").symlink_to("/dev/zero")
    else:
        (folder / "engine.json").write_text("[" * 100000)
    again, same = cache.converted(tiny, "float32", conversion(calls), lines.append)
    assert len(calls) == 2 and again == folder and same == facts and (folder / "network").read_text() == "network"
    assert len(lines) == 1 and str(folder) in lines[0] and "damaged" in lines[0]
    cache.converted(tiny, "float32", conversion(calls), lines.append)
    assert len(calls) == 2 and len(list(folder.parent.iterdir())) == 1


def test_if_the_disk_is_full_the_next_cache_is_used_and_the_last_one_is_named(tiny, tmp_path):
    def full(folder):
        (folder / "network").write_text("half")
        if free is None or not folder.is_relative_to(free):
            raise OSError(28, "No space left on device")
        return {}

    free = tmp_path / "cache"
    assert cache.converted(tiny, "float32", full)[0].is_relative_to(free)
    assert list(tiny.with_name("tiny.engines").iterdir()) == []
    free = None
    with pytest.raises(InputError, match=r"\.wdsr-tf.*: can't write the converted model: No space left on device"):
        cache.converted(tiny, "int8", full)


def test_without_a_home_folder_the_cache_is_temporary(tiny, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")

    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)
    assert cache.converted(tiny, "float32", conversion([]))[0].parent == tiny.with_name("tiny.engines")
    tiny.with_name("other.keras").write_bytes(tiny.read_bytes())
    tiny.with_name("other.engines").write_text("a file where a folder is needed")
    assert ".wdsr-tf" in str(cache.converted(tiny.with_name("other.keras"), "float32", conversion([]))[0])


def test_a_conversion_that_fails_leaves_nothing(tiny):
    def fails(folder):
        (folder / "network").write_text("half")
        raise InputError("no")

    with pytest.raises(InputError):
        cache.converted(tiny, "float32", fails)
    assert list(tiny.with_name("tiny.engines").iterdir()) == []


def test_a_program_that_cannot_be_started_is_named_and_no_cache_is_blamed(tiny):
    def fails(folder):
        raise PermissionError(13, "Permission denied", "/usr/bin/python3")

    with pytest.raises(InputError) as raised:
        cache.converted(tiny, "float32", fails)
    assert str(raised.value) == "tiny.keras: can't be converted: /usr/bin/python3: Permission denied"


def _convert_slowly(path, text, start):
    def convert(folder):
        (folder / "network").write_text(text)
        time.sleep(0.2)
        (folder / "more").write_text(text)
        return {"text": text}

    start.wait()
    return cache.converted(path, "float32", convert)


def test_of_two_conversions_at_once_one_stays_complete(tiny):
    start = threading.Barrier(2)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda text: _convert_slowly(tiny, text, start), ("a", "b")))
    assert results[0] == results[1]
    (folder,) = tiny.with_name("tiny.engines").iterdir()
    texts = {(folder / name).read_text() for name in ("network", "more")}
    assert len(texts | {cache._read(folder, sha256(tiny))["text"]}) == 1


def test_a_broken_checkpoint_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / "broken.keras").write_bytes(b"no")
    for name in ("absent.keras", "broken.keras"):
        with pytest.raises(CheckpointError, match=name):
            cache.converted(tmp_path / name, "float32", conversion([]))
    assert not (tmp_path / "broken.engines").exists()


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_the_second_start_imports_neither_keras_nor_tensorflow_and_opens_no_connection(engine, tiny):
    require(engine)
    from wdsr_tf.inference.engines import open_engine

    lr = np.random.default_rng(0).integers(0, 256, (1, 6, 5, 3), "uint8")
    first = open_engine(tiny, engine).run(lr)
    code = f"""
import sys
connections = []
sys.addaudithook(lambda event, details: connections.append(details) if event.startswith("socket.") else None)
import numpy as np
from wdsr_tf.inference.engines import open_engine
engine = open_engine({str(tiny)!r}, {engine!r})
np.save({str(tiny.with_suffix(".npy"))!r}, engine.run(np.random.default_rng(0).integers(0, 256, (1, 6, 5, 3), "uint8")))
print(sorted({{"keras", "tensorflow", "jax", "torch", "onnx"}} & sys.modules.keys()), connections)
"""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert out.stdout.strip() == "[] []"
    np.testing.assert_array_equal(np.load(tiny.with_suffix(".npy")), first)
