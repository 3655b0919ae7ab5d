import keras
import pytest

from wdsr_tf.system import cpu
from wdsr_tf.training import precision


@pytest.mark.parametrize("flags, policy", [("avx2 amx_bf16", "mixed_bfloat16"), ("avx2 avx512f", "float32")])
def test_a_cpu_computes_in_bfloat16_if_it_has_instructions_for_it(tmp_path, monkeypatch, flags, policy):
    (tmp_path / "cpuinfo").write_text(f"flags\t: {flags}\n")
    ask = cpu.multiplies_bfloat16
    monkeypatch.setattr(cpu, "multiplies_bfloat16", lambda: ask(tmp_path / "cpuinfo"))
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["cpu:0"])
    chosen, reason = precision.fastest()
    assert chosen == policy
    assert "this CPU" in reason


@pytest.mark.parametrize(
    "capability, policy",
    [(9.0, "mixed_bfloat16"), (8.0, "mixed_bfloat16"), (7.5, "mixed_float16"), (None, "mixed_float16")],
)
def test_a_gpu_computes_in_bfloat16_from_compute_capability_8_on(monkeypatch, capability, policy):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["gpu:0", "gpu:1"])
    monkeypatch.setattr(precision, "_compute_capability", lambda: capability)
    chosen, reason = precision.fastest()
    assert chosen == policy
    assert "GPU" in reason


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="asks TensorFlow")
@pytest.mark.parametrize("details, capability", [({"compute_capability": (8, 6)}, 8.6), ({}, None)])
def test_tensorflow_tells_the_compute_capability(monkeypatch, details, capability):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda device: details)
    assert precision._compute_capability() == capability
