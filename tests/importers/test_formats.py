"""The formats that PyTorch, safetensors and NumPy write, and how a format is told and its file bounded.

tests/data/pytorch_*.pth were written by PyTorch 2.13 itself: see tests/data/make_pytorch.py.
"""

import gzip
import hashlib
import io
import pickle
import struct
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.helpers import weight_files as made
from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats
from wdsr_tf.importers.formats import archives, confined, limits, pickles, pytorch_writer

DATA = REPOSITORY / "tests" / "data"
KERNEL = np.arange(24, dtype="f4").reshape(2, 3, 2, 2)
TORCH = {  # what tests/data/make_pytorch.py saved
    "kernel": KERNEL,
    "transposed": KERNEL.transpose(1, 0, 3, 2),
    "part": KERNEL.ravel()[4:20:3],
    "half": np.array([0.5, -2], "f4"),
    "bfloat16": np.array([0.5, -2], "f4"),
    "double": np.array([0.5, -2], "f4"),
    "count": np.array(7),
}


def assert_same(arrays, wanted):
    assert list(arrays) == list(wanted)
    for name, array in wanted.items():
        np.testing.assert_array_equal(arrays[name], array, strict=True)


@pytest.mark.parametrize("name", ["pytorch_zip.pth", "pytorch_legacy.pth"])
def test_what_pytorch_saved_comes_flat_in_its_order_as_float32(name):
    source = formats.read(DATA / name)
    assert source.format == "PyTorch checkpoint"
    assert source.sha256 == hashlib.sha256((DATA / name).read_bytes()).hexdigest()
    assert_same(source.arrays, {f"module.{key}": array for key, array in TORCH.items()})
    assert all(array.flags.c_contiguous for array in source.arrays.values())


@pytest.mark.parametrize("write", made.WRITERS.values(), ids=made.WRITERS)
def test_every_format_is_told_by_its_bytes(tmp_path, write):
    path = write(tmp_path)
    source = formats.read(path)
    assert source.path == path
    first = next(array for name, array in source.arrays.items() if name.endswith(("weight", "kernel")))
    assert sorted(first.shape) == [3, 3, 3, 4]
    np.testing.assert_allclose(np.sort(first, None), np.sort(made.ARRAYS["conv.weight"], None), rtol=1e-3)  # of float16


@pytest.mark.parametrize("name", sorted(made.WRITERS.keys() & {"pytorch", "legacy", "npz", "safetensors"}))
def test_the_suffix_does_not_matter_where_the_bytes_tell(tmp_path, name):
    path = made.WRITERS[name](tmp_path).rename(tmp_path / "weights.bin")
    assert_same(dict(sorted(formats.read(path).arrays.items())), dict(sorted(made.ARRAYS.items())))


def test_a_file_of_no_known_format_is_refused_with_what_can_be_read(tmp_path):
    (tmp_path / "weights.doc").write_bytes(b"hello" * 100)
    with pytest.raises(InputError, match=r"no weight file that can be read: .*PyTorch checkpoint"):
        formats.read(tmp_path / "weights.doc")
    for missing in (tmp_path / "absent.pth", tmp_path / "absent"):
        with pytest.raises(InputError, match="no such file"):
            formats.read(missing)
    with pytest.raises(InputError, match=r"is a folder; name a file in it: weights\.doc"):
        formats.read(tmp_path)
    (tmp_path / "empty.pth").touch()
    with pytest.raises(InputError, match=r"empty\.pth is empty"):
        formats.read(tmp_path / "empty.pth")


@pytest.mark.parametrize("nest", ["state_dict", "model_state_dict", "params", "params_ema", "model"])
def test_nested_checkpoints_come_out_flat(tmp_path, nest):
    weights = made.tensors(made.ARRAYS)
    code = made.dictionary({"epoch": made.integer(3), nest: weights, "betas": made.integers([1, 2])})
    path = made.pytorch_zip(tmp_path / "a.pth", made.pickled(code), [a.tobytes() for a in made.ARRAYS.values()])
    assert_same(formats.read(path).arrays, made.ARRAYS)


def test_averaged_weights_come_before_those_that_they_average(tmp_path):
    nets = {name: made.dictionary({"w": made.tensor(made.storage(str(i), 1), [1])}) for i, name in
            enumerate(("params", "params_ema"))}  # fmt: skip
    values = [np.array([number], "f4").tobytes() for number in (1, 2)]
    path = made.pytorch_zip(tmp_path / "a.pth", made.pickled(made.dictionary(nets)), values)
    assert formats.read(path).arrays["w"] == 2


def test_a_schedules_counter_in_a_training_checkpoint_is_no_hindrance(tmp_path):
    counter = made.global_of("collections", "Counter") + made.tuple_of(b"}(K\x0aK\x01u") + b"R"
    schedule = made.dictionary({"milestones": counter})
    code = made.dictionary({"scheduler": schedule, "state_dict": made.tensors(made.ARRAYS)})
    path = made.pytorch_zip(tmp_path / "a.pth", made.pickled(code), [a.tobytes() for a in made.ARRAYS.values()])
    assert_same(formats.read(path).arrays, made.ARRAYS)


def test_what_is_damaged_is_said_in_words(tmp_path):
    path = made.pytorch_zip(tmp_path / "a.pth", made.pickled(b"he"))
    with pytest.raises(InputError, match="the pickle is damaged: it fetches what it has not kept"):
        formats.read(path)
    whole = made.write_npz(tmp_path).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="the archive is damaged or cut off"):
        formats.read(tmp_path / "cut.npz")


def test_python_2_checkpoints_give_ordered_dictionaries_their_items_at_once(tmp_path):
    item = b"](" + b"U\x01w" + made.tensor(made.storage("0", 2, legacy=True), [2]) + b"e"  # SHORT_BINSTRING
    code = made.global_of("collections", "OrderedDict") + made.tuple_of(b"](" + item + b"e") + b"R"
    path = made.pytorch_legacy(tmp_path / "a.pth", made.pickled(code), [np.array([1, 2], "f4")])
    assert_same(formats.read(path).arrays, {"w": np.array([1, 2], "f4")})


def test_archives_of_big_endian_machines_are_read(tmp_path):
    code = made.dictionary(
        {"w": made.tensor(made.storage("0", 2), [2]), "b": made.tensor(made.storage("1", 2, "BFloat16"), [2])}
    )
    storages = [np.array([1.5, -3], ">f4").tobytes(), bytes.fromhex("3fc0c040")]
    path = made.pytorch_zip(tmp_path / "a.pth", made.pickled(code), storages, [("archive/byteorder", b"big")])
    wanted = np.array([1.5, -3], "f4")
    assert_same(formats.read(path).arrays, {"w": wanted, "b": wanted})


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
def test_any_other_global_is_refused_by_its_name(tmp_path, module, name, stacked):
    code = made.text(module) + made.text(name) + b"\x93" if stacked else made.global_of(module, name)
    for path in (
        made.pytorch_zip(tmp_path / "zip.pth", made.pickled(code)),
        made.pytorch_legacy(tmp_path / "legacy.pth", made.pickled(code)),
    ):
        with pytest.raises(InputError, match=f"asks for '{module}.{name}', which is refused"):
            formats.read(path)


def test_a_whole_pickled_model_is_refused_with_what_would_do():
    with pytest.raises(InputError, match=r"'torch.nn.modules.activation.ReLU'.*torch.save\(model.state_dict\(\)"):
        formats.read(DATA / "pytorch_whole_model.pth")


def test_a_pickle_that_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": 1}, 4))
    with pytest.raises(InputError, match=r"none of torch.save"):
        formats.read(tmp_path / "a.pkl")


@pytest.mark.parametrize(
    "shape, stride, offset",
    [([5], [1], 0), ([4], [1], 1), ([2, 2], [3, 1], 0), ([2], [2**62], 0), ([1], [1], 2**64), ([2], [-1], 3)],
)
def test_a_tensor_cannot_reach_beyond_its_storage(tmp_path, shape, stride, offset):
    code = made.dictionary({"w": made.tensor(made.storage("0", 4), shape, stride, offset)})
    with pytest.raises(InputError, match=r"reaches beyond its storage|impossible"):
        formats.read(made.pytorch_zip(tmp_path / "a.pth", made.pickled(code), [bytes(16)]))


@pytest.mark.parametrize("count, size", [(4, 12), (4, 20)])
def test_a_storage_has_to_be_as_long_as_the_pickle_says(tmp_path, count, size):
    code = made.dictionary({"w": made.tensor(made.storage("0", count), [1])})
    with pytest.raises(InputError, match=r"shorter than its tensors need|more than 16"):
        formats.read(made.pytorch_zip(tmp_path / "a.pth", made.pickled(code), [bytes(size)]))


def test_one_number_seen_as_a_huge_tensor_is_refused_before_memory_is_taken(tmp_path):
    code = made.dictionary({"w": made.tensor(made.storage("0", 1), [2**20, 2**20], [0, 0])})
    with pytest.raises(InputError, match="take more than 384 MiB"):
        formats.read(made.pytorch_zip(tmp_path / "a.pth", made.pickled(code), [bytes(4)]))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_with_two_members_of_a_name_or_packed_storages_are_refused(tmp_path):
    code = made.pickled(made.dictionary({"w": made.tensor(made.storage("0", 1), [1])}))
    path = made.pytorch_zip(tmp_path / "a.pth", code, [bytes(4)], [("archive/data/0", bytes(4))])
    with pytest.raises(InputError, match="two members of one name"):
        formats.read(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", code)
    with pytest.raises(InputError, match="compressed"):
        formats.read(path)


@pytest.mark.parametrize("call", ["list", "arguments"])
def test_a_small_pickle_cannot_have_a_long_container_copied_again_and_again(tmp_path, call):
    """A pickle of 4 MiB has room for 300,000 calls, each of which would go through all that is in the container."""
    if call == "list":  # collections.OrderedDict of pairs
        long = b"](" + b"(U\x01aNt" * 10**5 + b"e"
        again = made.global_of("collections", "OrderedDict") + b"h\x00\x85R0"
    else:
        long = b"(" + b"N" * 10**5 + b"t"
        again = made.global_of("torch", "Size") + b"h\x00R0"
    start = time.perf_counter()
    with pytest.raises(InputError, match=r"more than 8 arguments|holds a NoneType"):
        formats.read(made.pytorch_zip(tmp_path / "a.pth", made.pickled(long + b"q\x000" + again * 10**4 + b"N")))
    assert time.perf_counter() - start < 15  # one second; copying takes minutes


@pytest.mark.parametrize(
    "code, message",
    [
        (b"(lp0\n.", "opcode LIST"),
        (b"P1\n.", "opcode PERSID"),
        (b"]\x81.", "opcode NEWOBJ"),
        (b"\x82\x01.", "opcode EXT1"),
        (b"(ios\nsystem\n.", "'os.system'"),
        (b"](" + b"t" * 3 + b".", "not there"),
        (b"K\x01]b.", "no dictionary"),
        (b"}(K\x01\x85\x85K\x01u.", "neither strings"),
        (b"})K\x01s.", "neither strings"),
        (b"}\x8a\x08" + b"\xff" * 7 + b"\x7fK\x01s.", "small integers"),
        (b"]K\x01K\x01s.", "no dictionary"),
        (b"}K\x01a.", "no list"),
        (b"N)R.", "no function"),
        (b"(.", "damaged"),
        (b"N" * (pickles.MAX_OPCODES + 1) + b".", "more than 1000000 opcodes"),
    ],
)
def test_the_pickle_machine_refuses_what_no_checkpoint_needs(code, message):
    with pytest.raises(InputError, match=message):
        pickles.load(io.BytesIO(code), {}, lambda identity: identity)


@pytest.mark.parametrize("dtype", ["f8", "f2", ">f4", "i8", "u1", "i2"])
def test_npz_arrays_come_as_float32_or_integers_of_this_machine(tmp_path, dtype):
    values = np.arange(6).reshape(2, 3)
    np.savez(tmp_path / "a.npz", **{"conv/W": values.astype(dtype), "f": np.asfortranarray(values.astype(dtype))})
    wanted = values.astype("f4" if np.dtype(dtype).kind == "f" else dtype)
    assert_same(formats.read(tmp_path / "a.npz").arrays, {"conv/W": wanted, "f": wanted})


@pytest.mark.parametrize("array", [np.array([{}], object), np.array(["a"]), np.zeros(2, "f4,f4"), np.zeros(2, "c8")])
def test_npz_arrays_of_anything_but_numbers_are_refused(tmp_path, array):
    np.savez(tmp_path / "a.npz", a=array)
    with pytest.raises(InputError, match="only floats and integers"):
        formats.read(tmp_path / "a.npz")


def test_an_npz_that_unpacks_into_too_much_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_BYTES", 2**20)  # to be quick
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros(300_000, "f4"))
    assert (tmp_path / "bomb.npz").stat().st_size < 2**14
    monkeypatch.setattr(archives, "read", None)
    with pytest.raises(InputError, match="take more than 1 MiB"):
        formats.read(tmp_path / "bomb.npz")


def test_safetensors_of_every_float_come_as_float32(tmp_path):
    save_file = pytest.importorskip("safetensors.numpy").save_file
    arrays = {name: np.array([0.5, -2], name) for name in ("float64", "float32", "float16")}
    save_file(arrays | {"count": np.array(7)}, tmp_path / "a.safetensors")
    read = formats.read(tmp_path / "a.safetensors")
    assert read.format == "safetensors file"
    assert_same(dict(sorted(read.arrays.items())), {"count": np.array(7)} | dict.fromkeys(
        sorted(arrays), np.array([0.5, -2], "f4")))  # fmt: skip
    bits = bytes.fromhex("003f00c0")  # the upper halves of the float32
    header = b'{"b":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    (tmp_path / "b.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bits)
    assert_same(formats.read(tmp_path / "b.safetensors").arrays, {"b": np.array([0.5, -2], "f4")})


def test_safetensors_of_other_types_are_refused(tmp_path):
    pytest.importorskip("safetensors")
    header = b'{"b":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}'
    (tmp_path / "b.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(InputError, match="'b' is of type F8_E4M3"):
        formats.read(tmp_path / "b.safetensors")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_not_finite_in_float32_are_refused(tmp_path, value):
    np.savez(tmp_path / "a.npz", good=np.ones(2), bad=np.array([1.0, value]))
    with pytest.raises(InputError, match="'bad' holds values that are not finite"):
        formats.read(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a\x1b[31m", "a\nb", "", "a" * 300])
def test_names_that_a_terminal_could_stumble_over_are_refused(tmp_path, name):
    code = made.dictionary({name: made.tensor(made.storage("0", 1), [1])})
    with pytest.raises(InputError, match="names are printable") as caught:
        formats.read(made.pytorch_zip(tmp_path / "a.pth", made.pickled(code), [bytes(4)]))
    assert str(caught.value).isprintable()


def test_shapes_and_sums_beyond_the_limits_are_refused():
    with pytest.raises(InputError, match="no weight has"):
        limits.Budget().take("a", (1,) * 9)
    with pytest.raises(InputError, match="no weight has"):
        limits.Budget().take("a", (-1,))
    budget = limits.Budget()
    budget.take("a", (limits.MAX_BYTES // 8,))
    with pytest.raises(InputError, match="the tensors up to 'b'"):
        budget.take("b", (limits.MAX_BYTES // 8 + 1,))


def test_what_the_writer_writes_is_read_again_and_is_the_same_every_time(tmp_path):
    arrays = TORCH | {"scalar": np.float32(2.5), "none": np.zeros((0, 3), "f4"), "f": np.asfortranarray(KERNEL[0, 0])}
    for name in ("a.pth", "b.pth"):
        pytorch_writer.write(tmp_path / name, arrays)
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()
    read = formats.read(tmp_path / "a.pth").arrays
    assert_same(read, {name: np.asarray(array, "f4") for name, array in arrays.items()})


def test_the_writer_lays_storages_where_pytorch_can_map_them(tmp_path):
    pytorch_writer.write(tmp_path / "a.pth", TORCH)
    data = (tmp_path / "a.pth").read_bytes()
    assert data.index(KERNEL.tobytes()) % 64 == 0


def test_pytorch_reads_what_the_writer_writes(tmp_path):
    torch = pytest.importorskip("torch")
    pytorch_writer.write(tmp_path / "a.pth", TORCH)
    state = torch.load(tmp_path / "a.pth", weights_only=True)
    assert_same({name: tensor.numpy() for name, tensor in state.items()}, {n: a.astype("f4") for n, a in TORCH.items()})


@pytest.mark.parametrize("name", ["endless.h5.gz", "greedy.h5.gz"])
def test_files_that_the_hdf5_library_does_not_survive_end_in_an_error(tmp_path, name):
    """Found by fuzzing: HDF5 1.14 never returns from the one, and asks for 2 GB for the other of 24 kB."""
    path = tmp_path / "weights.h5"
    path.write_bytes(gzip.decompress((DATA / name).read_bytes()))
    with pytest.raises(InputError, match=r"it is damaged|allocat"):
        formats.read(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_process_that_dies_or_answers_too_little_is_an_error(tmp_path, monkeypatch):
    path = made.write_hdf5(tmp_path)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(InputError, match="its library crashed on it"):
        confined.read("hdf5", path)


def test_reading_imports_no_framework_and_takes_half_a_second(tmp_path):
    arrays = {f"w{i}": np.ones((128, 128, 3, 3), "f4") for i in range(9)}  # 5.3 MB
    pytorch_writer.write(tmp_path / "a.pth", arrays)
    code = (
        "import sys, time; from wdsr_tf.importers import formats\n"
        "start = time.process_time(); formats.read(sys.argv[1]); print(time.process_time() - start)\n"
        "print({'tensorflow', 'keras', 'torch', 'h5py', 'onnx'} & set(sys.modules))"
    )
    run = [sys.executable, "-c", code, tmp_path / "a.pth"]
    seconds, imported = subprocess.check_output(run, cwd=REPOSITORY, text=True).split("\n")[:2]
    assert imported == "set()"
    assert float(seconds) < 0.5
