"""Tests of the JavaScript example in docs/export.md, which runs an ONNX model tile by tile."""

import shutil
import subprocess

import keras
import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.helpers.exported import randomized
from wdsr_tf import checkpoint
from wdsr_tf.models import create_model

EXAMPLE = REPOSITORY / "web" / "example" / "upscale.mjs"
DOCUMENT = REPOSITORY / "docs" / "export.md"


def test_the_document_shows_the_current_example():
    blocks = DOCUMENT.read_text(encoding="utf-8").split("```js\n")[1:]
    assert [block.split("```")[0] for block in blocks] == [EXAMPLE.read_text(encoding="utf-8")]


@pytest.mark.parametrize("name, scale", [("wdsr-a", 2), ("espcn", 3)])
def test_the_example_equals_upscale(tmp_path, name, scale):
    if not shutil.which("node"):
        pytest.skip("needs Node.js")
    if not (REPOSITORY / "web" / "node_modules" / "onnxruntime-web").is_dir():
        pytest.skip("needs onnxruntime-web in web/node_modules")
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    import wdsr_tf
    from wdsr_tf.export.export import Export

    keras.utils.set_random_seed(0)
    how = {"num_filters": 4} | ({"num_res_blocks": 1} if name == "wdsr-a" else {})
    model = randomized(create_model(name, scale, **how))
    checkpoint.save(model, tmp_path / "small.keras")
    card = Export(model, "small").write("onnx", tmp_path)
    lr = np.random.default_rng(0).integers(0, 256, (53, 38, 3), dtype="uint8")
    lr.tofile(tmp_path / "lr.rgb")
    words = ["small.onnx", "38", "53", "lr.rgb", "sr.rgb", "20"]  # tiles of 20 pixels: a dozen
    done = subprocess.run(["node", EXAMPLE, *words], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    sr = np.fromfile(tmp_path / "sr.rgb", "uint8").reshape(53 * scale, 38 * scale, 3)
    expected = wdsr_tf.upscale(lr, tmp_path / "small.keras", precision="float32")
    # Values within rounding error of a half may be rounded either way.
    assert np.abs(sr.astype(int) - expected).max() <= 1 and np.mean(sr != expected) < 0.01
    assert card["receptive_field"]["radius"] >= 4
