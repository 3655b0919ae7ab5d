import numpy as np
import pytest

from tests.helpers import weight_files as made
from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats
from wdsr_tf.importers.formats import limits
from wdsr_tf.system import archives


@pytest.mark.parametrize("dtype", ["f8", "f2", ">f4", "i8", "u1", "i2"])
def test_arrays_become_float32_or_native_integers(tmp_path, dtype):
    values = np.arange(6).reshape(2, 3)
    np.savez(tmp_path / "a.npz", **{"conv/W": values.astype(dtype), "f": np.asfortranarray(values.astype(dtype))})
    wanted = values.astype("f4" if np.dtype(dtype).kind == "f" else dtype)
    made.assert_same(formats.read(tmp_path / "a.npz").arrays, {"conv/W": wanted, "f": wanted})


@pytest.mark.parametrize("array", [np.array([{}], object), np.array(["a"]), np.zeros(2, "f4,f4"), np.zeros(2, "c8")])
def test_arrays_of_anything_but_real_numbers_are_refused(tmp_path, array):
    np.savez(tmp_path / "a.npz", a=array)
    with pytest.raises(InputError, match=r"expected floats or integers|Object arrays cannot be loaded"):
        formats.read(tmp_path / "a.npz")


def test_a_file_that_decompresses_to_too_much_is_refused_first(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_BYTES", 2**20)  # to be quick
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros(300_000, "f4"))
    assert (tmp_path / "bomb.npz").stat().st_size < 2**14
    monkeypatch.setattr(archives, "read", None)
    with pytest.raises(InputError, match="have more than 1 MiB"):
        formats.read(tmp_path / "bomb.npz")
