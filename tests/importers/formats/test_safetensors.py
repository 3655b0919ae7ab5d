import struct

import numpy as np
import pytest

from tests.helpers import weight_files as made
from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats


def test_floats_of_every_type_become_float32(tmp_path):
    save_file = pytest.importorskip("safetensors.numpy").save_file
    arrays = {name: np.array([0.5, -2], name) for name in ("float64", "float32", "float16")}
    save_file(arrays | {"count": np.array(7)}, tmp_path / "a.safetensors")
    read = formats.read(tmp_path / "a.safetensors")
    assert read.format == "safetensors file"
    made.assert_same(dict(sorted(read.arrays.items())), {"count": np.array(7)} | dict.fromkeys(
        sorted(arrays), np.array([0.5, -2], "f4")))  # fmt: skip
    bits = bytes.fromhex("003f00c0")  # the upper halves of the float32
    header = b'{"b":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    (tmp_path / "b.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bits)
    made.assert_same(formats.read(tmp_path / "b.safetensors").arrays, {"b": np.array([0.5, -2], "f4")})


def test_other_types_are_refused(tmp_path):
    pytest.importorskip("safetensors")
    header = b'{"b":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}'
    (tmp_path / "b.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(InputError, match="'b' has type F8_E4M3"):
        formats.read(tmp_path / "b.safetensors")
