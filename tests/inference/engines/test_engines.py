import importlib.util
import subprocess
import sys

import pytest

from tests.helpers.engines import Fake
from wdsr_tf import checkpoint, weights
from wdsr_tf.errors import InputError
from wdsr_tf.inference.engines import automatic_engine, automatic_precision, check_engine, open_engine
from wdsr_tf.models import create_model

BUNDLED = weights.FOLDER / "wdsr-b-4-x2.keras"


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    checkpoint.save(create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1), tmp_path / "tiny.keras")
    return tmp_path / "tiny.keras"


@pytest.mark.parametrize(
    "name, precision, message",
    [
        ("onx", "float32", "Unknown engine 'onx'. Did you mean 'onnx'.*Engines: auto, onnx, openvino, keras"),
        ("keras", "int8", "'keras' doesn't run in precision 'int8'. Precisions: auto, float32, float16"),
        ("onnx", "float16", "'onnx' doesn't run in precision 'float16'"),
        ("auto", "float8", "No engine runs in precision 'float8'. Precisions: auto, float32, int8, float16"),
    ],
)
def test_unknown_engines_and_precisions_are_refused(tiny, name, precision, message):
    with pytest.raises(InputError, match=message):
        check_engine(name, precision)
    with pytest.raises(InputError, match=message):
        open_engine(tiny, name, precision)


def test_auto_is_onnx_runtime_where_the_model_is_onnx_or_can_be_converted(tiny, monkeypatch):
    if not all(map(importlib.util.find_spec, ("onnx", "onnxruntime", "keras"))):
        pytest.skip("needs onnx, onnxruntime and keras")
    assert automatic_engine(BUNDLED) == automatic_engine(tiny) == "onnx"
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert automatic_engine(BUNDLED) == "onnx" and automatic_engine(tiny) == "keras"
    monkeypatch.delitem(sys.modules, "onnx")
    open_engine(tiny, "onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert automatic_engine(tiny) == "onnx"  # converted before
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert automatic_engine(BUNDLED) == "keras"


def test_auto_follows_a_precision_that_one_engine_has():
    assert automatic_engine(BUNDLED, "int8") == "openvino"
    assert automatic_engine(BUNDLED, "float16") == "keras"
    assert [automatic_precision(name) for name in ("onnx", "openvino", "keras")] == ["float32"] * 3


def test_a_model_in_memory_runs_in_keras():
    model = create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1)
    assert open_engine(model).name == "keras"
    with pytest.raises(InputError, match="save it to a file to use 'onnx'"):
        open_engine(model, "onnx")


def test_an_engine_is_returned_as_it_is():
    engine = Fake().engine
    assert open_engine(engine) is engine


def test_the_package_of_engines_imports_no_framework():
    code = (
        "import sys, wdsr_tf.inference.engines, wdsr_tf.inference.strips; "
        "print(sorted({'keras', 'tensorflow', 'jax', 'onnxruntime', 'openvino'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed.strip() == "[]"
