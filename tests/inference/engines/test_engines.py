import importlib.util
import subprocess
import sys

import pytest

from tests.helpers.engines import Fake
from wdsr_tf import checkpoint, weights
from wdsr_tf.errors import InputError
from wdsr_tf.inference.engines import Choice, automatic, check_engine, choose, open_engine
from wdsr_tf.inference.engines.automatic import automatic_engine
from wdsr_tf.inference.engines.devices import Device
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
        ("auto", "float8", "No engine runs in precision 'float8'. Precisions: auto, float32, bfloat16, int8, float16"),
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
    assert automatic_engine(BUNDLED, "bfloat16") == "openvino"


@pytest.fixture
def fast_bfloat16(monkeypatch):
    """A CPU that multiplies bfloat16, with OpenVINO, on which WDSR-B keeps its PSNR."""
    monkeypatch.setattr(automatic.cpu, "bfloat16_instructions", lambda: ["avx512_bf16"])
    monkeypatch.setattr(automatic.cpu, "multiplies_bfloat16", lambda: True)
    monkeypatch.setattr(automatic.extras, "is_installed", lambda package: True)
    monkeypatch.setattr(automatic, "KEEP_PSNR", {"wdsr-b"})


def test_auto_is_openvino_in_bfloat16_where_the_cpu_multiplies_it(fast_bfloat16):
    expected = Choice("openvino", "bfloat16", "this CPU multiplies it (avx512_bf16)")
    assert choose(BUNDLED) == choose(BUNDLED, "openvino") == choose(BUNDLED.with_suffix(".onnx")) == expected


def test_what_was_requested_decides(fast_bfloat16):
    assert choose(BUNDLED, "onnx") == Choice("onnx", "float32")
    assert choose(BUNDLED, "keras") == Choice("keras", "float32")
    assert choose(BUNDLED, precision="float32") == Choice("onnx", "float32")
    assert choose(BUNDLED, "openvino", "float32") == Choice("openvino", "float32")
    assert choose(BUNDLED, precision="int8") == Choice("openvino", "int8")


def test_auto_is_float32_where_bfloat16_is_slow_missing_or_costs_psnr(fast_bfloat16, monkeypatch):
    assert choose(BUNDLED, "openvino", device=Device("gpu")).precision == "float32"
    assert choose(object()) == Choice("keras", "float32")  # in memory
    monkeypatch.setattr(automatic, "KEEP_PSNR", {"edsr"})
    assert choose(BUNDLED) == Choice("onnx", "float32", "wdsr-b isn't known to keep its PSNR in bfloat16")
    monkeypatch.setattr(automatic.extras, "is_installed", lambda package: package != "openvino")
    assert choose(BUNDLED) == Choice("onnx", "float32", "bfloat16, which this CPU multiplies, needs OpenVINO")
    monkeypatch.setattr(automatic.cpu, "multiplies_bfloat16", lambda: False)
    assert choose(BUNDLED) == Choice("onnx", "float32", "this CPU has neither AMX_BF16 nor AVX512_BF16")


def test_an_engine_is_opened_in_float32_unless_it_is_told_otherwise(fast_bfloat16):
    """Comparisons, calibrations and exports rely on it."""
    assert open_engine(BUNDLED).precision == "float32"


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
