import importlib.util
import sys

import numpy as np
import pytest

from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError, OutOfMemory
from wdsr_tf.inference.engines import onnx, open_engine
from wdsr_tf.models import create_model
from wdsr_tf.models.receptive_field import of_graph

EXACT = 1e-3  # levels of 255: float32 sums in another order


def require(engine):
    """Skips without the engine's package, which is not imported here: OpenVINO would report it to its makers."""
    packages = {"onnx": ("onnx", "onnxruntime"), "openvino": ("onnx", "openvino")}[engine]
    if not all(map(importlib.util.find_spec, packages)):
        pytest.skip(f"needs pip install 'wdsr-tf[{engine}]'")


def picture(height, width, batch=1):
    return np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), "uint8")


@pytest.fixture(scope="module")
def model():
    return create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1, weight_norm=True)


@pytest.fixture(scope="module")
def tiny(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("engines") / "tiny.keras"
    checkpoint.save(model, path)
    return path


@pytest.fixture(scope="module", params=["onnx", "openvino"])
def engine(request, tiny):
    require(request.param)
    return open_engine(tiny, request.param)


def test_it_says_what_it_runs(engine, model):
    assert (engine.architecture, engine.scale, engine.precision) == ("wdsr-a", 2, "float32")
    assert engine.receptive_field == of_graph(model)


@pytest.mark.parametrize("shape", [(1, 1), (9, 14), (14, 9)])
def test_it_computes_what_keras_does(engine, model, shape):
    lr = picture(*shape, batch=2)
    sr = engine.run(lr)
    assert sr.dtype == "float32" and sr.flags.writeable
    np.testing.assert_allclose(sr, np.asarray(model(lr)), atol=EXACT)
    np.testing.assert_array_equal(sr, engine.run(lr.astype("float32")))


def test_what_it_returned_stays_when_it_runs_again(engine):
    first = engine.run(picture(5, 6))
    kept = first.copy()
    engine.run(255 - picture(5, 6))
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize(
    "name, package, extra", [("onnx", "onnxruntime", "onnx"), ("openvino", "openvino", "openvino")]
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(name, package, extra, tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"pip install 'wdsr-tf\[{extra}\]'"):
        open_engine(tiny, name)


def test_lack_of_memory_is_told_from_other_failures(tiny, monkeypatch):
    runtime = pytest.importorskip("onnxruntime")

    class Session:
        def __init__(self, path, options, providers):
            pass

        def run(self, outputs, inputs):
            raise RuntimeError(
                "Failed to allocate memory for requested buffer of size 5" if inputs["lr"].any() else "other"
            )

    monkeypatch.setattr(runtime, "InferenceSession", Session)
    run = onnx.load(tiny).run
    with pytest.raises(OutOfMemory, match=r"\(1, 5, 6, 3\)"):
        run(picture(5, 6))
    with pytest.raises(RuntimeError, match="other"):
        run(np.zeros((1, 5, 6, 3), "uint8"))
