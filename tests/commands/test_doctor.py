"""The doctor's report, and what it finds in a data set."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from tests.helpers.runs import done
from wdsr_tf import images
from wdsr_tf.commands import doctor
from wdsr_tf.commands.doctor import COMMAND
from wdsr_tf.errors import InputError
from wdsr_tf.evaluation import health
from wdsr_tf.images.fingerprint import BENCHMARKS, perceptual_hash
from wdsr_tf.images.resize import imresize


def photograph(seed, side=160):
    """Noise that is stronger the coarser it is, as in photographs."""
    random = np.random.default_rng(seed)
    total = np.zeros((side, side, 3), "float32")
    for cells in (4, 8, 16, 32, 64, side):
        rough = random.uniform(-1, 1, (cells, cells, 3)).astype("float32")
        total += imresize(rough, size=(side, side)) * 160 / cells**0.8
    return images.to_uint8(128 + total)


@pytest.fixture
def folder(tmp_path):
    """Two good images, and one of each kind of bad ones."""
    root = tmp_path / "set"
    for i in range(2):
        images.write(root / f"good/{i}.png", photograph(i))
    (root / "again.png").write_bytes((root / "good/0.png").read_bytes())
    images.write(root / "small.png", photograph(3, 64))
    images.write(root / "upscaled.png", imresize(photograph(4, 40), 4))
    Image.fromarray(photograph(5)).save(root / "compressed.jpg", quality=30)
    (root / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    images.write(root / "SET_train_LR_bicubic/X2/0x2.png", photograph(6, 8))
    return root


def test_each_kind_of_bad_image_is_found_and_good_ones_are_not(folder, monkeypatch):
    monkeypatch.setitem(BENCHMARKS, perceptual_hash(photograph(1)), "Set5 image 9")
    found = health.check(folder)
    assert (found.count, found.smallest, found.largest) == (7, (64, 64), (160, 160))
    assert list(found.broken) == ["broken.png"] and found.small == ["small.png"]
    assert found.duplicates == [["again.png", "good/0.png"]]
    assert found.benchmarks == {"good/1.png": "Set5 image 9"}
    assert found.upscaled == ["upscaled.png"] and found.compressed == ["compressed.jpg"]


def test_blocks_are_found_in_a_png_that_was_a_jpeg(tmp_path):
    flat = np.add.outer(np.arange(160), np.arange(160)) / 2  # a slope, which JPEG turns into steps
    gray = flat + np.random.default_rng(0).normal(0, 3, flat.shape)
    Image.fromarray(images.to_uint8(gray)).save(tmp_path / "a.jpg", quality=10)
    assert health.blocks(np.asarray(Image.open(tmp_path / "a.jpg"), "float64")) > health.BLOCKS
    assert health.blocks(gray) < 1.2


def test_benchmark_images_are_listed_by_their_hash(reference):
    for name in ("Set5", "Set14"):
        (path, *_) = sorted((reference / "images/benchmark" / name).rglob("*_HR.png"))
        bits, found = health.nearest(images.read(path), BENCHMARKS.items())
        assert bits <= 2 and found.startswith(name)


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(InputError, match="has no images"):
        health.check(tmp_path)


@pytest.fixture
def quick(monkeypatch):
    """Without the parts that take seconds."""
    monkeypatch.setattr(doctor, "PROBE", 2**20)
    monkeypatch.setattr(doctor, "_bundled_models", lambda: [])


def test_the_report_names_versions_machine_and_choices(quick, tmp_path, capsys):
    ended = done(COMMAND, ["-o", tmp_path], capsys)
    assert ended.code == 0, ended.err
    for name in ("wdsr-tf", "Python", "CPU", "packages", "Keras", "free memory", "output folder", "would train with"):
        assert any(line[2:].startswith(name) for line in ended.out.splitlines())
    assert "MiB/s" in ended.out and re.search("engine (onnx|openvino), precision b?float", ended.out)
    assert not list(tmp_path.iterdir())


def test_json_has_the_same_findings_and_what_is_broken_ends_with_1(quick, folder, capsys):
    ended = done(COMMAND, ["--json", "-d", folder, "-o", folder.parent], capsys)
    findings = {finding["name"]: finding for finding in json.loads(ended.out)}
    assert ended.code == 1 and ended.err == "Broken: can't be read.\n"
    assert findings["can't be read"]["state"] == "broken" and "broken.png" in findings["can't be read"]["text"]
    assert findings["duplicates"] == {"name": "duplicates", "text": "1: again.png = good/0.png", "state": "warning"}
    assert findings["benchmark images"]["state"] == "ok"


def test_an_installation_that_cannot_upscale_is_broken(monkeypatch):
    import wdsr_tf

    def broken(*_, **__):
        raise OSError("no model")

    monkeypatch.setattr(wdsr_tf, "upscale", broken)
    (finding,) = doctor._bundled_models()
    assert finding.state == "broken" and "no model" in finding.text
