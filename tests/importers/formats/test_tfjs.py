"""TensorFlow.js layers models."""

import json

import numpy as np
import pytest

from tests.helpers import weight_files as made
from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats

SHARD = "group1-shard1of2.bin"


def test_arrays_may_lie_in_several_shards(tmp_path):
    file = formats.read(made.write_tfjs(tmp_path))
    assert (file.format, file.facts) == ("TensorFlow.js model", {"container": "TensorFlow.js"})
    expected = {"conv/kernel": made.ARRAYS["conv.weight"].transpose(2, 3, 1, 0), "conv/bias": made.ARRAYS["conv.bias"]}
    made.assert_same(file.arrays, expected)


def test_the_hash_covers_the_shards(tmp_path):
    path = made.write_tfjs(tmp_path)
    before = formats.read(path).sha256
    data = bytearray((tmp_path / SHARD).read_bytes())
    data[0] ^= 1
    (tmp_path / SHARD).write_bytes(data)
    assert formats.read(path).sha256 != before


def changed(path, change):
    """Applies `change` to the manifest's only group."""
    model = json.loads(path.read_text())
    change(model["weightsManifest"][0])
    path.write_text(json.dumps(model))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda group: group["weights"].pop(), "bytes, but model.json names"),
        (lambda group: group["weights"][1].update(shape=[5]), "they are truncated"),
        (lambda group: group["weights"][1].update(name="conv/kernel"), "two arrays are called 'conv/kernel'"),
        (lambda group: group["weights"][1].update(dtype="int32"), "isn't stored as float32"),
        (lambda group: group["weights"][1].update(quantization={"dtype": "uint8"}), "isn't stored as float32"),
        (lambda group: group["weights"][0].update(shape=[2**40]), "impossible shape"),
        (lambda group: group["paths"].append("../secret.bin"), "isn't a file beside model.json"),
        (lambda group: group["paths"].append("a\\b.bin"), "isn't a file beside model.json"),
        (lambda group: group["paths"].append("absent.bin"), "absent.bin is missing"),
        (lambda group: group["paths"].extend([SHARD] * 256), "more than 256 shards"),
        (lambda group: group.pop("paths"), "damaged"),
    ],
)
def test_inconsistent_models_are_refused(tmp_path, change, message):
    path = made.write_tfjs(tmp_path)
    changed(path, change)
    with pytest.raises(InputError, match=message):
        formats.read(path)


def test_values_keep_their_order(tmp_path):
    arrays = formats.read(made.write_tfjs(tmp_path)).arrays
    np.testing.assert_array_equal(arrays["conv/bias"], made.ARRAYS["conv.bias"])
