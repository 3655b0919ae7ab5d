import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.helpers.exported import randomized
from wdsr_tf.errors import InputError
from wdsr_tf.models import create_model

pytest.importorskip("tensorflow")

from wdsr_tf.export import saved_model
from wdsr_tf.export.form import Form

if keras.config.backend() != "tensorflow":
    pytest.skip("SavedModel needs TensorFlow", allow_module_level=True)

ALONE = """
import sys
sys.modules["keras"] = sys.modules["wdsr_tf"] = None
import numpy as np, tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
lr = np.load(sys.argv[2])
print({name: spec.shape.as_list() for name, spec in serve.structured_input_signature[1].items()})
np.save(sys.argv[3], serve(lr=tf.constant(lr))["sr"].numpy())
"""


def written(model, folder, **how):
    saved_model.write(model, folder / "x", Form(**how))
    return folder / "x"


def test_the_model_runs_without_keras_and_wdsr_tf(tmp_path):
    keras.utils.set_random_seed(0)
    model = randomized(create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1))
    lr = np.random.default_rng(0).integers(0, 256, (2, 9, 7, 3)).astype("float32")
    np.save(tmp_path / "lr.npy", lr)
    paths = [written(model, tmp_path), tmp_path / "lr.npy", tmp_path / "sr.npy"]
    done = subprocess.run([sys.executable, "-I", "-c", ALONE, *paths], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "{'lr': [None, None, None, 3]}"
    np.testing.assert_allclose(np.load(tmp_path / "sr.npy"), model(lr), atol=5e-3)


def test_only_weights_of_the_models_scale_are_stored_in_float16(tmp_path):
    import tensorflow as tf

    model, single = (create_model("carn-m", 3, num_filters=8, multi_scale=multi) for multi in (True, False))
    kept = tf.saved_model.load(written(model, tmp_path, precision="float16")).weights
    assert sum(weight.dtype.size * weight.shape.num_elements() for weight in kept) == 2 * single.count_params()


def test_a_backend_other_than_tensorflow_is_refused(monkeypatch, tmp_path):
    model = create_model("espcn", 2, num_filters=4)
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(InputError, match="saved_model and litert need TensorFlow, but Keras runs on jax"):
        written(model, tmp_path)
