import os
import struct
import tracemalloc

import numpy as np
import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats
from wdsr_tf.importers.formats import matlab

io = pytest.importorskip("scipy.io")

SHAPES = {"weights_conv1": (81, 64), "biases_conv1": (64, 1), "weights_conv2": (64, 25, 32), "biases_conv3": (1, 1)}


@pytest.fixture
def variables():
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=shape) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("packed", [False, True])
def test_variables_have_matlabs_shapes_and_values(tmp_path, variables, packed):
    path = tmp_path / "9-5-5(ImageNet) x3.mat"
    io.savemat(path, variables | {"note": "a text", "more": {"a": 1}}, do_compression=packed)
    file = formats.read(path)
    assert file.format == "MATLAB .mat file"
    assert list(file.arrays) == list(variables)
    for name, array in file.arrays.items():
        np.testing.assert_array_equal(array, variables[name].astype("float32"))


def test_doubles_stored_as_small_integers_are_floats_again(tmp_path):
    path = tmp_path / "whole.mat"
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
    flags = struct.pack("<4I", 6, 8, 6, 0)  # unsigned integers, 8 bytes: class double
    shape = struct.pack("<4I", 5, 8, 1, 2)
    variable = flags + shape + b"\1\0\1\0a\0\0\0" + b"\2\0\2\0\7\11\0\0"  # two doubles in two bytes
    path.write_bytes(head + struct.pack("<2I", 14, len(variable)) + variable)
    array = matlab.read(path)["a"]
    assert array.dtype.kind == "f"
    np.testing.assert_array_equal(array, [[7, 9]])


@pytest.mark.parametrize("packed", [False, True])
def test_the_cells_of_a_struct_are_numbered_from_1(tmp_path, variables, packed):
    cells = np.empty((1, 2), object)
    cells[0] = [variables["weights_conv1"], variables["weights_conv2"]]
    biases = np.empty((1, 1), object)
    biases[0, 0] = np.ones((3, 1))
    path = tmp_path / "model.mat"
    io.savemat(path, {"model": {"weight": cells, "bias": biases, "note": "a text"}}, do_compression=packed)
    arrays = formats.read(path).arrays
    assert list(arrays) == ["weight1", "weight2", "bias1"]
    np.testing.assert_array_equal(arrays["weight2"], variables["weights_conv2"].astype("float32"))
    np.testing.assert_array_equal(arrays["bias1"], np.ones((3, 1)))


def test_cells_without_numbers_and_arrays_of_structs_are_refused(tmp_path):
    texts = np.empty((1, 1), object)
    texts[0, 0] = "a text"
    io.savemat(tmp_path / "texts.mat", {"model": {"weight": texts}})
    with pytest.raises(InputError, match="weight1 isn't an array of numbers"):
        matlab.read(tmp_path / "texts.mat")
    io.savemat(tmp_path / "two.mat", {"model": np.zeros((1, 2), [("weight", object)])})
    with pytest.raises(InputError, match="array of structs"):
        matlab.read(tmp_path / "two.mat")


def test_a_file_that_decompresses_to_too_much_is_refused_before_allocation(tmp_path):
    path = tmp_path / "bomb.mat"
    io.savemat(path, {"weights_conv1": np.zeros(2**23)}, do_compression=True)
    assert path.stat().st_size < 2**20
    tracemalloc.start()
    with pytest.raises(InputError, match="decompresses to more than"):
        matlab.read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**26  # bytes; 2**24 are allowed, and zlib needs twice as much while it joins its pieces


def test_version_7_3_is_refused_with_a_way_out(tmp_path):
    path = tmp_path / "new.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512) + b"\x89HDF\r\n\x1a\n" + os.urandom(100))
    with pytest.raises(InputError, match="save the file in MATLAB with -v7"):
        matlab.read(path)


@pytest.mark.parametrize(
    "what, said", [({"note": "a text"}, "is an array of numbers"), ({"weights_conv1": [1 + 1j]}, "complex")]
)
def test_other_variables_are_refused(tmp_path, what, said):
    path = tmp_path / "other.mat"
    io.savemat(path, what)
    with pytest.raises(InputError, match=said):
        matlab.read(path)


def test_a_truncated_file_is_refused(tmp_path, variables):
    path = tmp_path / "cut.mat"
    io.savemat(path, variables)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="damaged"):
        formats.read(path)
