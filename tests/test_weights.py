"""The bundled models travel as checkpoints and as ONNX: both are the same model."""

import numpy as np
import pytest

from wdsr_tf import images, weights
from wdsr_tf.files import sha256
from wdsr_tf.inference.engines import open_engine
from wdsr_tf.inference.engines.cache import find_onnx
from wdsr_tf.inference.engines.metadata import describe

CHECKPOINTS = sorted(weights.FOLDER.glob("*.keras"))
each = pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda path: path.stem)


@each
def test_each_onnx_file_was_made_from_the_checkpoint_beside_it(checkpoint):
    assert describe(checkpoint.with_suffix(".onnx")).checkpoint_sha256 == sha256(checkpoint)
    assert find_onnx(checkpoint) == checkpoint.with_suffix(".onnx")


@each
def test_each_onnx_file_computes_what_its_checkpoint_does(checkpoint):
    pytest.importorskip("onnxruntime")
    lr = np.random.default_rng(0).integers(0, 256, (1, 24, 31, 3), "uint8")
    keras, onnx = open_engine(checkpoint, "keras"), open_engine(checkpoint, "onnx")
    np.testing.assert_allclose(onnx.run(lr), keras.run(lr), atol=2e-3)  # float32 sums in another order
    assert (onnx.scale, onnx.receptive_field.radius) == (keras.scale, keras.receptive_field.radius)
    assert (images.to_uint8(onnx.run(lr)) != images.to_uint8(keras.run(lr))).mean() < 1e-3


def test_there_is_no_onnx_file_without_its_checkpoint():
    assert {path.stem for path in weights.FOLDER.glob("*.onnx")} == {path.stem for path in CHECKPOINTS}
