"""TensorFlow 1 checkpoints, mostly read in this process, which has imported TensorFlow already."""

import sys

import numpy as np
import pytest

from tests.helpers import weight_files as made
from tests.helpers.networks import COMPACT_DCSCN
from wdsr_tf.errors import InputError
from wdsr_tf.importers import dcscn, formats
from wdsr_tf.importers.formats import confined, tensorflow1
from wdsr_tf.importers.tensors import assign
from wdsr_tf.models import create_model

tf = pytest.importorskip("tensorflow")

RNG = np.random.default_rng(0)
TENSORS = {
    "CNN1/conv_B": RNG.normal(size=4).astype("f4"),
    "CNN1/conv_W": RNG.normal(size=(3, 3, 1, 4)).astype("f4"),
    "CNN2/conv_B": RNG.normal(size=70_000).astype("f4"),
    "beta1_power": np.float32(0.9),
}


@pytest.fixture
def in_process(monkeypatch):
    monkeypatch.delitem(confined.LIMITS, "tensorflow1")


@pytest.fixture
def checkpoint(tmp_path):
    """`checkpoint({name: tensor}, name)` writes a checkpoint and returns the prefix of its files."""

    def write(tensors, name="model.ckpt-100", slices=""):
        prefix = tmp_path / name
        tf.raw_ops.SaveV2(
            prefix=str(prefix),
            tensor_names=list(tensors),
            shape_and_slices=[slices] * len(tensors),
            tensors=[tf.constant(tensor) for tensor in tensors.values()],
        )
        return prefix

    return write


@pytest.mark.parametrize("suffix", ["", ".index", ".data-00000-of-00001"])
def test_every_file_of_a_checkpoint_gives_its_tensors(in_process, checkpoint, suffix):
    prefix = checkpoint(TENSORS)
    file = formats.read(prefix.with_name(prefix.name + suffix))
    assert file.format == "TensorFlow 1 checkpoint"
    made.assert_same(file.arrays, {name: np.asarray(array) for name, array in TENSORS.items()})


def test_tensors_may_be_spread_over_files(in_process, checkpoint):
    names = list(TENSORS)
    parts = [checkpoint({name: TENSORS[name]}, f"part-{i}") for i, name in enumerate(names)]
    prefix = parts[0].with_name("model.ckpt")
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=list(map(str, parts)), destination_prefix=str(prefix))
    made.assert_same(formats.read(prefix).arrays, {name: np.asarray(array) for name, array in TENSORS.items()})
    assert len(tensorflow1.files(prefix)) == 1 + len(parts)


def test_a_variable_in_slices_is_put_together(in_process, checkpoint):
    array = formats.read(checkpoint({"w": np.ones((2, 2), "f4")}, slices="2 2 0,2:0,2")).arrays["w"]
    np.testing.assert_array_equal(array, np.ones((2, 2)))


def test_floats_of_every_type_become_float32_and_other_types_are_skipped(in_process, checkpoint):
    floats = {str(i): tf.constant([1.5, -2], dtype) for i, dtype in enumerate(("float64", "float16", "bfloat16"))}
    arrays = formats.read(checkpoint(floats | {"step": 7, "text": "abc"})).arrays
    made.assert_same(arrays, dict.fromkeys("012", np.array([1.5, -2], "f4")))


def test_the_hash_covers_index_and_data(checkpoint):
    files = tensorflow1.files(checkpoint(TENSORS))
    assert [file.suffix for file in files] == [".index", ".data-00000-of-00001"]


def test_a_published_checkpoint_read_in_a_child_has_the_reference_weights(reference, golden):
    arrays, _ = golden("dcscn_c_published_x2")
    (index,) = (reference / "weights" / "c_dcscn_x2").glob("*.index")
    read = formats.read(index).arrays
    for name, array in arrays.items():
        if name.startswith("w/"):
            np.testing.assert_array_equal(read[name[2:]], array)
    model = create_model("dcscn", 2, **COMPACT_DCSCN)
    assign(model, read, dcscn.authors)


def test_a_checkpoint_of_the_first_version_is_read(in_process, tmp_path):
    path = tmp_path / "model.ckpt"
    tf.raw_ops.Save(filename=str(path), tensor_names=list(TENSORS), data=[tf.constant(t) for t in TENSORS.values()])
    made.assert_same(formats.read(path).arrays, {name: np.asarray(array) for name, array in TENSORS.items()})
    path.write_bytes(path.read_bytes()[: -len(tensorflow1.MAGIC)] + bytes(20) + tensorflow1.MAGIC)
    with pytest.raises(InputError, match="is damaged"):
        formats.read(path)


@pytest.mark.parametrize("part", ["index", "data-00000-of-00001"])
def test_a_flipped_bit_is_noticed(in_process, checkpoint, part):
    prefix = checkpoint(TENSORS)
    path = prefix.with_name(f"{prefix.name}.{part}")
    data = bytearray(path.read_bytes())
    data[20] ^= 4
    path.write_bytes(data)
    with pytest.raises(InputError, match="is damaged"):
        formats.read(prefix)


@pytest.mark.parametrize("part", ["index", "data-00000-of-00001"])
def test_a_missing_file_is_named(checkpoint, part):
    prefix = checkpoint(TENSORS)
    prefix.with_name(f"{prefix.name}.{part}").unlink()
    other = prefix.with_name(f"{prefix.name}.{'meta' if part == 'index' else 'index'}")
    with pytest.raises(InputError, match=f"{part} is missing; it belongs beside {other.name}"):
        formats.read(other)


def test_a_shape_that_takes_too_much_memory_is_refused_before_allocation(in_process, tmp_path):
    path = made.write_tensorflow1(tmp_path, dimension=lambda size: 2**27 if size == 4 else size)
    with pytest.raises(InputError, match="have more than 384 MiB"):
        formats.read(path)


def test_a_shape_that_makes_tensorflow_abort_is_an_error(tmp_path):
    path = made.write_tensorflow1(tmp_path, dimension=lambda size: size * 2**40)
    with pytest.raises(InputError, match="its library crashed"):
        formats.read(path)


def test_an_index_that_is_too_large_is_refused(in_process, checkpoint, monkeypatch):
    monkeypatch.setattr(tensorflow1, "MAX_INDEX", 100)
    with pytest.raises(InputError, match="index is larger than"):
        formats.read(checkpoint(TENSORS))


def test_a_folder_with_the_checkpoints_name_is_not_followed(in_process, checkpoint):
    other = checkpoint({"other": np.ones(1, "f4")}, "other.ckpt")
    prefix = checkpoint(TENSORS)
    prefix.mkdir()
    (prefix / "checkpoint").write_text(f'model_checkpoint_path: "{other}"\n')
    assert list(formats.read(prefix).arrays) == list(TENSORS)


def test_without_tensorflow_the_message_says_how_to_install_it(in_process, checkpoint, monkeypatch):
    prefix = checkpoint(TENSORS)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(
        InputError, match=r"Reading TensorFlow 1 checkpoints needs tensorflow.* pip install .*\[train\]"
    ):
        formats.read(prefix)
