import keras
import numpy as np
import pytest

from wdsr_tf import checkpoint
from wdsr_tf.errors import OutOfMemory
from wdsr_tf.inference.engines import keras as keras_engine
from wdsr_tf.inference.engines import open_engine
from wdsr_tf.inference.strips import upscale
from wdsr_tf.layers import WeightNormConv2D
from wdsr_tf.models import create_model

RGB = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype="uint8")


@pytest.fixture(scope="module")
def normed(tmp_path_factory):
    """A weight-normalized model and its checkpoint."""
    model = create_model("wdsr-a", 2, num_filters=8, num_res_blocks=1, weight_norm=True)
    path = tmp_path_factory.mktemp("engines") / "model.keras"
    checkpoint.save(model, path)
    return model, path


def test_a_checkpoint_runs_as_its_model_does_with_weight_norm_folded(normed):
    model, path = normed
    engine = open_engine(path, "keras")
    assert (engine.name, engine.precision, engine.architecture, engine.scale) == ("keras", "float32", "wdsr-a", 2)
    sr = engine.run(RGB[None])
    assert sr.dtype == "float32" and isinstance(sr, np.ndarray)
    np.testing.assert_allclose(sr, keras.ops.convert_to_numpy(model(RGB[None])), atol=1e-3)  # float32 on 0..255


def test_a_compiled_model_keeps_the_slope_of_its_leaky_relus():
    """TensorFlow 2.21 uses 0.2 on CPUs if a sum comes before Keras's own layer: 0.06 gray levels here."""
    model = create_model("carn-v2", 2, num_filters=16)
    sr = keras_engine.of_model(model).run(RGB[None])
    np.testing.assert_allclose(sr, keras.ops.convert_to_numpy(model(RGB[None])), atol=1e-3)  # float32 on 0..255


def test_weight_norm_is_folded(normed, monkeypatch):
    seen = []
    monkeypatch.setattr(keras_engine, "of_model", lambda model, device: seen.append(model))
    keras_engine.load(normed[1])
    assert not any(isinstance(layer, WeightNormConv2D) for layer in seen[0].layers)


def test_float16_is_close_to_float32_and_leaves_the_policy_alone(normed):
    before = keras.config.dtype_policy().name
    half = open_engine(normed[1], "keras", "float16")
    assert keras.config.dtype_policy().name == before
    assert half.precision == "float16"
    full = open_engine(normed[1], "keras")
    assert half.receptive_field.bytes_per_pixel < full.receptive_field.bytes_per_pixel
    difference = np.abs(half.run(RGB[None]) - full.run(RGB[None]))
    assert 0 < difference.max() < 2  # 11 bits of significand


def test_fourteen_sizes_are_traced_at_most_thrice(monkeypatch):
    if keras.config.backend() != "tensorflow":
        pytest.skip("other backends compile for each size")
    model = create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1)
    traced, call = [], model.call
    monkeypatch.setattr(model, "call", lambda *args, **kwargs: traced.append(1) or call(*args, **kwargs))
    for k in range(14):
        assert upscale(model, RGB[: 1 + k, : 24 - k]).shape == (2 + 2 * k, 48 - 2 * k, 3)
    assert len(traced) <= 3


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("no"),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes"),
        ValueError("OOM when allocating tensor with shape[1,9,9,3]"),
    ],
)
def test_every_backends_out_of_memory_is_one_error(error):
    def run(lr):
        raise error

    with pytest.raises(OutOfMemory):
        keras_engine._translated(run)(RGB[None])


def test_tensorflows_own_error_is_translated():
    tf = pytest.importorskip("tensorflow")

    def run(lr):
        raise tf.errors.ResourceExhaustedError(None, None, "failed to allocate memory")

    with pytest.raises(OutOfMemory):
        keras_engine._translated(run)(RGB[None])


@pytest.mark.slow  # TensorFlow waits ten seconds for memory before it gives up
def test_a_tensor_that_no_machine_holds_is_out_of_memory():
    lr = keras.Input((None, None, 3))
    endless = keras.Model(lr, keras.layers.ZeroPadding2D(2**20)(lr))  # 48 TiB
    with pytest.raises(OutOfMemory):
        keras_engine._translated(keras_engine._compiled(endless))(RGB[None])


def test_other_errors_stay_what_they_are():
    def run(lr):
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        keras_engine._translated(run)(RGB[None])
