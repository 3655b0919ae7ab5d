"""PyTorch checkpoints. tests/data/pytorch_*.pth were written by PyTorch 2.13: see tests/data/make_pytorch.py."""

import argparse
import collections
import hashlib
import io
import pathlib
import pickle
import zipfile

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.helpers import weight_files as made
from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats
from wdsr_tf.importers.formats import inert, pickles

DATA = REPOSITORY / "tests" / "data"


@pytest.mark.parametrize("name", ["pytorch_zip.pth", "pytorch_legacy.pth"])
def test_pytorchs_tensors_are_flat_in_order_and_float32(name):
    source = formats.read(DATA / name)
    assert source.format == "PyTorch checkpoint"
    assert source.sha256 == hashlib.sha256((DATA / name).read_bytes()).hexdigest()
    made.assert_same(source.arrays, {f"module.{key}": array for key, array in made.SAVED_BY_PYTORCH.items()})
    assert all(array.flags.c_contiguous for array in source.arrays.values())


@pytest.mark.parametrize(
    "nest",
    ["params_ema", "params-ema", "params", "net", "net_g", "generator", "model", "state_dict", "model_state_dict", "G"],
)
def test_nested_checkpoints_are_flattened(tmp_path, nest):
    weights = made.tensors(made.ARRAYS)
    code = made.dictionary({"epoch": made.integer(3), nest: weights, "betas": made.integers([1, 2])})
    path = made.pytorch_zip(tmp_path / "a.pth", made.pickled(code), [a.tobytes() for a in made.ARRAYS.values()])
    made.assert_same(formats.read(path).arrays, made.ARRAYS)


def test_averaged_weights_are_preferred(tmp_path):
    nets = {name: made.dictionary({"w": made.tensor(made.storage(str(i), 1), [1])}) for i, name in
            enumerate(("params", "params_ema"))}  # fmt: skip
    values = [np.array([number], "f4").tobytes() for number in (1, 2)]
    path = made.pytorch_zip(tmp_path / "a.pth", made.pickled(made.dictionary(nets)), values)
    assert formats.read(path).arrays["w"] == 2


def test_a_dictionary_in_a_known_one_is_preferred_to_tensors_beside_it(tmp_path):
    inner = made.dictionary({"state_dict": made.tensors(made.ARRAYS)})
    beside = {"rng": made.tensor(made.storage("9", 1), [1]), "hyper": made.dictionary({"net": b"N"}), "model": inner}
    storages = [a.tobytes() for a in made.ARRAYS.values()]
    code = made.pickled(made.dictionary(beside))
    path = made.pytorch_zip(tmp_path / "a.pth", code, storages, [("archive/data/9", bytes(4))])
    made.assert_same(formats.read(path).arrays, made.ARRAYS)


def test_two_unknown_groups_of_tensors_are_refused_with_their_names(tmp_path):
    groups = {name: made.tensors({"w": made.ARRAYS["conv.bias"]}) for name in ("first", "second")}
    path = made.pytorch_zip(tmp_path / "a.pth", made.pickled(made.dictionary(groups)), [bytes(16)])
    with pytest.raises(InputError, match="several groups of them; it has 'first', 'second'"):
        formats.read(path)


INERT = {
    "scalar": np.float64(31.2),
    "array": np.arange(6.0).reshape(2, 3),
    "dtype": np.dtype("float32"),
    "type": np.float16,
    "namespace": argparse.Namespace(scale=2, names=["a"]),
    "path": pathlib.PurePosixPath("/a/b"),
    "set": {1, 2},
    "frozenset": frozenset({1, 2}),
    "defaultdict": collections.defaultdict(list, a=[1]),
    "ordered": collections.OrderedDict(a=1),
    "complex": 1 + 2j,
    "bytes": b"xyz",
}


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", INERT)
def test_inert_things_beside_the_tensors_are_ignored(tmp_path, name, protocol):
    thing = pickle.dumps(INERT[name], protocol)[2:-1]
    code = made.pickled(made.dictionary({"log": thing, "state_dict": made.tensors(made.ARRAYS)}))
    path = made.pytorch_zip(tmp_path / "a.pth", code, [a.tobytes() for a in made.ARRAYS.values()])
    made.assert_same(formats.read(path).arrays, made.ARRAYS)


def test_torchs_own_types_beside_the_tensors_are_ignored(tmp_path):
    device = made.global_of("torch", "device") + made.tuple_of(made.text("cpu")) + b"R"
    size = made.global_of("torch", "Size") + made.tuple_of(made.integers([1, 2])) + b"R"
    beside = {"device": device, "dtype": made.global_of("torch", "float32"), "size": size}
    code = made.pickled(made.dictionary(beside | {"state_dict": made.tensors(made.ARRAYS)}))
    path = made.pytorch_zip(tmp_path / "a.pth", code, [a.tobytes() for a in made.ARRAYS.values()])
    made.assert_same(formats.read(path).arrays, made.ARRAYS)


def test_inert_types_are_never_constructed(monkeypatch):
    def fail(*_):
        raise AssertionError

    monkeypatch.setattr(argparse.Namespace, "__setattr__", fail)
    monkeypatch.setattr(pathlib.PurePath, "__new__", fail)
    code = made.global_of("argparse", "Namespace") + b")\x81}" + made.text("a") + b"K\x01sb0"
    code += made.global_of("pathlib", "PosixPath") + made.tuple_of(made.text("/")) + b"R0"
    assert pickles.load(io.BytesIO(code + b"N."), inert.NAMES, None) is None


def test_a_training_checkpoint_with_a_schedules_counter_is_read(tmp_path):
    counter = made.global_of("collections", "Counter") + made.tuple_of(b"}(K\x0aK\x01u") + b"R"
    schedule = made.dictionary({"milestones": counter})
    code = made.dictionary({"scheduler": schedule, "state_dict": made.tensors(made.ARRAYS)})
    path = made.pytorch_zip(tmp_path / "a.pth", made.pickled(code), [a.tobytes() for a in made.ARRAYS.values()])
    made.assert_same(formats.read(path).arrays, made.ARRAYS)


def test_python_2_ordered_dictionaries_are_read(tmp_path):
    item = b"](" + b"U\x01w" + made.tensor(made.storage("0", 2, legacy=True), [2]) + b"e"  # SHORT_BINSTRING
    code = made.global_of("collections", "OrderedDict") + made.tuple_of(b"](" + item + b"e") + b"R"
    path = made.pytorch_legacy(tmp_path / "a.pth", made.pickled(code), [np.array([1, 2], "f4")])
    made.assert_same(formats.read(path).arrays, {"w": np.array([1, 2], "f4")})


def test_archives_of_big_endian_machines_are_read(tmp_path):
    code = made.dictionary(
        {"w": made.tensor(made.storage("0", 2), [2]), "b": made.tensor(made.storage("1", 2, "BFloat16"), [2])}
    )
    storages = [np.array([1.5, -3], ">f4").tobytes(), bytes.fromhex("3fc0c040")]
    path = made.pytorch_zip(tmp_path / "a.pth", made.pickled(code), storages, [("archive/byteorder", b"big")])
    wanted = np.array([1.5, -3], "f4")
    made.assert_same(formats.read(path).arrays, {"w": wanted, "b": wanted})


@pytest.mark.parametrize(
    "module, name",
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("model", "SRCNN"),
        ("torch.nn.modules.conv", "Conv2d"),
        ("torch", "load"),
    ],
)
@pytest.mark.parametrize("stacked", [False, True])
def test_any_other_global_is_refused_by_name(tmp_path, module, name, stacked):
    code = made.text(module) + made.text(name) + b"\x93" if stacked else made.global_of(module, name)
    for path in (
        made.pytorch_zip(tmp_path / "zip.pth", made.pickled(code)),
        made.pytorch_legacy(tmp_path / "legacy.pth", made.pickled(code)),
    ):
        with pytest.raises(InputError, match=f"asks for '{module}.{name}', which is refused"):
            formats.read(path)


def test_a_pickled_model_is_refused_with_a_way_out():
    with pytest.raises(InputError, match=r"'torch.nn.modules.activation.ReLU'.*torch.save\(model.state_dict\(\)"):
        formats.read(DATA / "pytorch_whole_model.pth")


def test_a_pickle_that_is_not_a_checkpoint_is_refused(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": 1}, 4))
    with pytest.raises(InputError, match=r"torch.save didn't write it"):
        formats.read(tmp_path / "a.pkl")


@pytest.mark.parametrize(
    "shape, stride, offset",
    [([5], [1], 0), ([4], [1], 1), ([2, 2], [3, 1], 0), ([2], [2**62], 0), ([1], [1], 2**64), ([2], [-1], 3)],
)
def test_a_tensor_cannot_extend_beyond_its_storage(tmp_path, shape, stride, offset):
    code = made.dictionary({"w": made.tensor(made.storage("0", 4), shape, stride, offset)})
    with pytest.raises(InputError, match=r"extends beyond its storage|impossible"):
        formats.read(made.pytorch_zip(tmp_path / "a.pth", made.pickled(code), [bytes(16)]))


@pytest.mark.parametrize("count, size", [(4, 12), (4, 20)])
def test_a_storage_must_be_as_long_as_the_pickle_says(tmp_path, count, size):
    code = made.dictionary({"w": made.tensor(made.storage("0", count), [1])})
    with pytest.raises(InputError, match=r"shorter than its tensors|more than 16"):
        formats.read(made.pytorch_zip(tmp_path / "a.pth", made.pickled(code), [bytes(size)]))


def test_one_number_viewed_as_a_huge_tensor_is_refused_before_allocation(tmp_path):
    code = made.dictionary({"w": made.tensor(made.storage("0", 1), [2**20, 2**20], [0, 0])})
    with pytest.raises(InputError, match="have more than 384 MiB"):
        formats.read(made.pytorch_zip(tmp_path / "a.pth", made.pickled(code), [bytes(4)]))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_with_duplicate_members_or_compressed_storages_are_refused(tmp_path):
    code = made.pickled(made.dictionary({"w": made.tensor(made.storage("0", 1), [1])}))
    path = made.pytorch_zip(tmp_path / "a.pth", code, [bytes(4)], [("archive/data/0", bytes(4))])
    with pytest.raises(InputError, match="two members with the same name"):
        formats.read(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", code)
    with pytest.raises(InputError, match="unexpected compression"):
        formats.read(path)
