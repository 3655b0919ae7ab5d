import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import wdsr_tf
from tests.helpers.engines import Fake, repeated
from wdsr_tf import checkpoint, images, weights
from wdsr_tf.errors import InputError
from wdsr_tf.inference import upscale as module
from wdsr_tf.inference.upscaler import Upscaler
from wdsr_tf.models import create_model

RGB = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype="uint8")


@pytest.fixture(autouse=True)
def fresh():
    module._opened.cache_clear()


def test_one_call_upscales_with_every_option(monkeypatch):
    fractions = []
    sr = wdsr_tf.upscale(RGB, Fake().engine, scale=4, memory="10%", self_ensemble=True, progress=fractions.append)
    np.testing.assert_array_equal(sr, repeated(RGB, 4))
    assert fractions[-1] == pytest.approx(1)
    assert wdsr_tf.upscale(RGB, Fake().engine, size="7x").shape == (8, 7, 3)
    with pytest.raises(InputError, match="No model removes noise of level 1"):
        wdsr_tf.upscale(RGB, Fake().engine, noise=1)


def test_files_and_checkpoints_may_be_named(tmp_path):
    checkpoint.save(create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1), tmp_path / "model.keras")
    images.write(tmp_path / "small.png", RGB)
    from_file = wdsr_tf.upscale(tmp_path / "small.png", str(tmp_path / "model.keras"))
    assert from_file.shape == (12, 10, 3)
    np.testing.assert_array_equal(from_file, wdsr_tf.upscale(RGB, tmp_path / "model.keras"))


def test_a_model_in_memory_uses_the_weights_that_it_has_now():
    model = create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1)
    before = wdsr_tf.upscale(RGB, model)
    assert before.shape == (12, 10, 3)
    model.get_layer("tail_x2").bias.assign(np.ones(12))  # adds half of the range
    assert (wdsr_tf.upscale(RGB, model).astype(int) - before).mean() > 30


def test_opened_models_are_kept_until_their_file_changes(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(module, "Upscaler", lambda *args, **options: opened.append(args) or Upscaler(*args, **options))
    path = tmp_path / "model.keras"
    checkpoint.save(create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1), path)
    for _ in range(3):
        assert wdsr_tf.upscale(RGB, path, engine="keras").shape == (12, 10, 3)
    assert len(opened) == 1
    checkpoint.save(create_model("wdsr-a", 3, num_filters=4, num_res_blocks=1), path)
    os.utime(path, (1, 1))
    for _ in range(2):
        assert wdsr_tf.upscale(RGB, tmp_path, engine="keras").shape == (18, 15, 3)
    assert len(opened) == 2


@pytest.mark.parametrize("scale, names", [(None, ["q-x2", "a-x2"]), (2, ["q-x2"]), (3, ["q-x2", "a-x2"]), (0.5, [])])
def test_a_jpeg_takes_the_same_route_as_in_a_file_to_file_run(tmp_path, monkeypatch, scale, names):
    folder = tmp_path / "weights"
    for name, factor, facts in (("a-x2", 2, {}), ("a-x3", 3, {}), ("q-x2", 2, {"jpeg": [50, 95]})):
        model = create_model("wdsr-a", factor, num_filters=4, num_res_blocks=1)
        model.facts = facts
        checkpoint.save(model, folder / f"{name}.keras")
    monkeypatch.setattr(weights, "FOLDER", folder)
    images.write(tmp_path / "a.jpg", np.tile(RGB, (2, 2, 1)), 75)
    with Image.open(tmp_path / "a.jpg") as image:
        from_pil = np.asarray(wdsr_tf.upscale(image, scale=scale))
    from_path = wdsr_tf.upscale(tmp_path / "a.jpg", scale=scale)
    upscaler = Upscaler(scale=scale)
    upscaler.upscale_file(tmp_path / "a.jpg", tmp_path / "b.png")
    assert [model.name for model in upscaler.passes(12, 10, jpeg=True)] == names
    assert {model.name for model in upscaler._opened} == set(names)
    np.testing.assert_array_equal(from_path, images.read(tmp_path / "b.png"))
    np.testing.assert_array_equal(from_path, from_pil)
    if names:  # an array isn't known to be a JPEG
        assert (wdsr_tf.upscale(images.read(tmp_path / "a.jpg"), scale=scale) != from_path).any()


def test_bundled_models_need_neither_keras_nor_tensorflow_and_nothing_is_printed(tmp_path):
    pytest.importorskip("onnxruntime")
    images.write(tmp_path / "a.jpg", RGB, 75)
    code = f"""
import sys
import numpy as np
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {{"keras", "tensorflow", "jax", "torch", "onnx", "h5py", "openvino"}}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
connections = []
sys.addaudithook(lambda event, details: connections.append(details) if event.startswith("socket.") else None)
import wdsr_tf
assert wdsr_tf.upscale(np.zeros((6, 5, 3), "uint8")).shape == (12, 10, 3)
assert wdsr_tf.upscale({str(tmp_path / "a.jpg")!r}, scale=3).shape == (18, 15, 3)
assert wdsr_tf.upscale(np.zeros((6, 5)), scale=4).shape == (24, 20)
wdsr_tf.Upscaler(size="9x").upscale_file({str(tmp_path / "a.jpg")!r}, {str(tmp_path / "b.png")!r})
heavy = {{"keras", "tensorflow", "jax", "torch", "onnx", "openvino"}} & sys.modules.keys()
assert not heavy and not connections, (heavy, connections)
"""
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert images.size(tmp_path / "b.png") == (11, 9)


def test_nothing_is_printed_with_keras_either(tmp_path):
    checkpoint.save(create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1), tmp_path / "model.keras")
    code = f"""
import numpy as np
import wdsr_tf
assert wdsr_tf.upscale(np.zeros((6, 5, 3), "uint8"), {str(tmp_path / "model.keras")!r}).shape == (12, 10, 3)
assert wdsr_tf.upscale(np.zeros((6, 5, 3), "uint8"), {str(tmp_path / "model.keras")!r}, engine="keras").ndim == 3
"""
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_the_package_itself_imports_nothing():
    code = "import sys, wdsr_tf; print('numpy' in sys.modules, hasattr(wdsr_tf, 'upscaled'))"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed.split() == ["False", "False"]
