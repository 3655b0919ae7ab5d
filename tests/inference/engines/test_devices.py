import types

import keras
import numpy as np
import pytest

from tests.helpers.engines import Fake
from wdsr_tf import checkpoint, weights
from wdsr_tf.errors import InputError
from wdsr_tf.inference.engines import keras as keras_engine
from wdsr_tf.inference.engines import onnx as onnx_engine
from wdsr_tf.inference.engines import open_engine
from wdsr_tf.inference.engines import openvino as openvino_engine
from wdsr_tf.inference.engines.automatic import automatic_engine
from wdsr_tf.inference.engines.devices import Device, parse_device
from wdsr_tf.models import create_model
from wdsr_tf.system import cuda

BUNDLED = weights.FOLDER / "wdsr-a-8-x2.onnx"


@pytest.mark.parametrize(
    "text, kind, number", [("cpu", "cpu", 0), ("GPU", "gpu", 0), ("gpu:1", "gpu", 1), ("auto", "auto", 0)]
)
def test_a_device_has_a_kind_and_a_number(text, kind, number):
    assert parse_device(text) == Device(kind, number)
    assert str(parse_device(text)) == text.lower()


@pytest.mark.parametrize("text", ["cuda", "gpu:", "gpu:x", "gpu:-1", "cpu:1", "", None, "0"])
def test_other_words_are_refused(text):
    with pytest.raises(InputError, match="device must be auto, cpu, gpu, or gpu:N"):
        parse_device(text)


class Session:
    """ONNX Runtime's session, which notes its providers, and has those that `works` allows."""

    opened, works = [], True

    def __init__(self, path, options, providers):
        self.opened.append(providers)

    def get_inputs(self):
        return [types.SimpleNamespace(type="tensor(float)")]

    def get_providers(self):
        return ["CUDAExecutionProvider", "CPUExecutionProvider"] if self.works else ["CPUExecutionProvider"]


@pytest.fixture
def two_gpus(monkeypatch):
    onnxruntime = pytest.importorskip("onnxruntime")
    monkeypatch.setattr(Session, "opened", [])
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(cuda, "names", lambda: ["A100", "T4"])
    monkeypatch.setattr(cuda, "free", lambda number: 1000 + number)


def test_onnx_runtime_uses_the_gpu_with_that_number_and_its_memory(two_gpus):
    engine = open_engine(BUNDLED, "onnx", device="gpu:1")
    ((name, options), rest) = Session.opened[0]
    assert (name, rest) == ("CUDAExecutionProvider", "CPUExecutionProvider")
    assert options["device_id"] == "1" and options["use_tf32"] == "0" and engine.free() == 1001
    for device in ("cpu", "auto"):
        open_engine(BUNDLED, "onnx", device=device)
        assert Session.opened[-1] == ["CPUExecutionProvider"]


def test_a_missing_device_is_named_with_those_that_were_found(two_gpus, monkeypatch):
    with pytest.raises(InputError, match=r"'onnx' has no device gpu:2; it found gpu:0 \(A100\), gpu:1 \(T4\)\."):
        open_engine(BUNDLED, "onnx", device="gpu:2")
    monkeypatch.setattr(Session, "works", False)
    with pytest.raises(InputError, match="ONNX Runtime can't use gpu: its CUDA or cuDNN libraries"):
        open_engine(BUNDLED, "onnx", device="gpu")


def test_auto_is_the_first_engine_that_has_the_gpu(monkeypatch):
    found = {"onnx": [], "openvino": ["GPU.0", "GPU.1"], "keras": ["gpu:0"]}
    for engine in (onnx_engine, openvino_engine, keras_engine):
        name = engine.__name__.rpartition(".")[2]
        monkeypatch.setattr(engine, "gpus", lambda name=name: found[name])
    checkpoint_file = BUNDLED.with_suffix(".keras")
    assert automatic_engine(checkpoint_file, device=Device("gpu", 1)) == "openvino"
    found["onnx"], found["openvino"] = ["A100"], []
    assert automatic_engine(checkpoint_file, device=Device("gpu")) == "onnx"
    found["onnx"] = []
    assert automatic_engine(checkpoint_file, device=Device("gpu")) == "keras"
    with pytest.raises(InputError, match=r"No engine found a device gpu for wdsr-a-8-x2\.onnx"):
        automatic_engine(BUNDLED, device=Device("gpu"))


class Core:
    """OpenVINO's core on a machine with two GPUs."""

    available_devices = ("CPU", "GPU.0", "GPU.1", "NPU")

    def read_model(self, path):
        return types.SimpleNamespace(reshape=lambda shape: None)

    def compile_model(self, network, device, options):
        self.device, self.options = device, options
        return lambda batch: [batch.repeat(2, axis=1).repeat(2, axis=2)]

    def get_property(self, device, name):
        return {("GPU.1", "GPU_DEVICE_TOTAL_MEM_SIZE"): 2**30, ("CPU", "OPTIMIZATION_CAPABILITIES"): ["FP32"]}[
            device, name
        ]


def test_openvino_compiles_for_the_gpu_with_that_number(monkeypatch):
    core = Core()
    monkeypatch.setattr(openvino_engine, "load_openvino", lambda: types.SimpleNamespace(Core=lambda: core))
    engine = open_engine(BUNDLED, "openvino", device="gpu:1")
    engine.run(np.zeros((1, 4, 4, 3), "uint8"))
    assert core.device == "GPU.1" and engine.free() == 2**30
    assert "INFERENCE_NUM_THREADS" not in core.options and core.options["INFERENCE_PRECISION_HINT"] == "f32"
    open_engine(BUNDLED, "openvino").run(np.zeros((1, 4, 4, 3), "uint8"))
    assert core.device == "CPU"
    with pytest.raises(InputError, match=r"OpenVINO doesn't run bfloat16 on this CPU, .* Use the precision float32"):
        open_engine(BUNDLED, "openvino", "bfloat16")
    with pytest.raises(InputError, match=r"OpenVINO runs bfloat16 on CPUs only; on gpu:1, use the precision float32"):
        open_engine(BUNDLED, "openvino", "bfloat16", device="gpu:1")
    with pytest.raises(InputError, match=r"no device gpu:2; it found gpu:0 \(GPU.0\), gpu:1 \(GPU.1\)"):
        open_engine(BUNDLED, "openvino", device="gpu:2")


def test_keras_runs_and_loads_on_the_device(tmp_path, monkeypatch):
    checkpoint.save(create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1), tmp_path / "m.keras")
    used = []
    device = keras.device
    monkeypatch.setattr(keras_engine, "gpus", lambda: ["gpu:0", "gpu:1"])
    monkeypatch.setattr(keras, "device", lambda name: used.append(name) or device("cpu:0"))
    batch = np.zeros((1, 4, 4, 3), "uint8")
    on_gpu = open_engine(tmp_path / "m.keras", "keras", device="gpu:1").run(batch)
    assert set(used) == {"gpu:1"} and len(used) == 2
    np.testing.assert_array_equal(on_gpu, open_engine(tmp_path / "m.keras", "keras", device="cpu").run(batch))
    with pytest.raises(InputError, match=r"'keras' has no device gpu:2; it found gpu:0 \(gpu:0\), gpu:1"):
        open_engine(tmp_path / "m.keras", "keras", device="gpu:2")


def test_an_engine_in_memory_stays_where_it_is():
    engine = Fake().engine
    assert open_engine(engine, device="gpu") is engine
