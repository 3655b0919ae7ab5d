import importlib.util
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError, OutOfMemory
from wdsr_tf.inference.engines import onnx, open_engine
from wdsr_tf.models import create_model
from wdsr_tf.models.receptive_field import of_graph

EXACT = 1e-3  # levels of 255: float32 sums in another order


def require(engine):
    """Skips without the engine's package, which isn't imported here: OpenVINO would report it to its makers."""
    packages = {"onnx": ("onnx", "onnxruntime"), "openvino": ("onnx", "openvino")}[engine]
    if not all(map(importlib.util.find_spec, packages)):
        pytest.skip(f"needs {' and '.join(packages)}")


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


def test_an_engine_describes_its_model(engine, model):
    assert (engine.architecture, engine.scale, engine.precision) == ("wdsr-a", 2, "float32")
    assert engine.receptive_field == of_graph(model)


@pytest.mark.parametrize("shape", [(1, 1), (9, 14), (14, 9)])
def test_output_equals_that_of_keras(engine, model, shape):
    lr = picture(*shape, batch=2)
    sr = engine.run(lr)
    assert sr.dtype == "float32" and sr.flags.writeable
    np.testing.assert_allclose(sr, np.asarray(model(lr)), atol=EXACT)
    np.testing.assert_array_equal(sr, engine.run(lr.astype("float32")))


def test_a_result_stays_when_the_engine_runs_again(engine):
    first = engine.run(picture(5, 6))
    kept = first.copy()
    engine.run(255 - picture(5, 6))
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize(
    "name, package, extra",
    [
        ("onnx", "onnxruntime", None),
        ("onnx", "onnx", "train"),
        ("onnx", "keras", "train"),
        ("openvino", "openvino", "openvino"),
        ("keras", "keras", "train"),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    name, package, extra, tiny, tmp_path, monkeypatch
):
    if (name, package) == ("onnx", "keras"):
        pytest.importorskip("onnx")  # reported first
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "fresh.keras").write_bytes(tiny.read_bytes())  # not converted yet
    monkeypatch.setitem(sys.modules, package, None)
    named = re.escape(f"[{extra}]") if extra else ""
    with pytest.raises(InputError, match=f"needs {package}.*pip install .*{named}"):
        open_engine(tmp_path / "fresh.keras", name)


def test_a_conversion_is_announced_once(tiny, tmp_path, monkeypatch):
    require("onnx")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "fresh.keras").write_bytes(tiny.read_bytes())
    lines = []
    for _ in range(2):
        open_engine(tmp_path / "fresh.keras", "onnx", log=lines.append)
    assert len(lines) == 1 and "fresh.keras: converting to ONNX" in lines[0]


def test_an_exported_onnx_file_runs_by_itself(model, tmp_path):
    require("onnx")
    from wdsr_tf.export.form import Form
    from wdsr_tf.export.onnx import to_onnx

    (tmp_path / "tiny.onnx").write_bytes(to_onnx(model).SerializeToString())
    exported = open_engine(tmp_path / "tiny.onnx")
    assert (exported.name, exported.scale, exported.receptive_field) == ("onnx", 2, of_graph(model))
    np.testing.assert_allclose(exported.run(picture(9, 14)), np.asarray(model(picture(9, 14))), atol=EXACT)
    with pytest.raises(InputError, match="not with 'keras'"):
        open_engine(tmp_path / "tiny.onnx", "keras")
    (tmp_path / "bytes.onnx").write_bytes(to_onnx(model, Form(image=True)).SerializeToString())
    with pytest.raises(InputError, match="exported for other programs"):
        open_engine(tmp_path / "bytes.onnx")
    broken = to_onnx(model)
    broken.graph.node[0].op_type = "Nothing"
    (tmp_path / "broken.onnx").write_bytes(broken.SerializeToString())
    with pytest.raises(InputError, match=r"broken\.onnx: ONNX Runtime can't load it: .*Nothing"):
        open_engine(tmp_path / "broken.onnx")


def test_out_of_memory_is_told_from_other_failures(tiny, monkeypatch):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")

    class Session:
        def __init__(self, path, options, providers):
            pass

        def get_inputs(self):
            return [SimpleNamespace(type="tensor(float)")]

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


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
@pytest.mark.parametrize("mebibytes", [64, 128])
def test_upscaling_into_a_file_keeps_to_the_memory_that_it_may_take_within_a_tenth(tmp_path, mebibytes):
    code = """
import subprocess
import sys
from pathlib import Path
import numpy as np
from wdsr_tf import weights
from wdsr_tf.images import Picture
from wdsr_tf.inference.engines import open_engine
from wdsr_tf.inference.picture import upscale_to_file
from wdsr_tf.system import memory

engine = open_engine(weights.FOLDER / "wdsr-b-4-x2.onnx", "onnx")
engine.run(np.zeros((1, 64, 64, 3), "uint8"))
picture = Picture(np.random.default_rng(0).integers(0, 256, (600, 700, 3), dtype="uint8"))
if not memory.reset_peak():
    sys.exit("skipped")
before = memory.peak()
upscale_to_file(Path(sys.argv[1]), engine, picture, memory=sys.argv[2])
print(memory.peak() - before)
"""
    run = [sys.executable, "-c", code, str(tmp_path / "large.png"), f"{mebibytes}MiB"]
    ended = subprocess.run(run, capture_output=True, text=True, cwd=REPOSITORY)
    if ended.stderr.strip() == "skipped":
        pytest.skip("this system doesn't measure the peak of memory")
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) <= 1.1 * mebibytes * 2**20
