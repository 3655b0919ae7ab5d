import struct

import numpy as np
import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.importers import dcscn, formats
from wdsr_tf.importers.formats.crc32c import crc32c, masked
from wdsr_tf.importers.tensors import Tensors, land
from wdsr_tf.models import create_model

RNG = np.random.default_rng(0)
FLOAT, DOUBLE, INT32, STRING, BFLOAT16, HALF = 1, 2, 3, 7, 14, 19
NUMPY = {FLOAT: "<f4", DOUBLE: "<f8", INT32: "<i4", BFLOAT16: "<u2", HALF: "<f2"}
MAGIC = bytes.fromhex("57fb808b247547db")


def varint(number):
    low = bytearray()
    while number >= 0x80:
        low.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*low, number])


def field(number, value):
    """A field of a protocol buffer: an integer, or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def entry(kind, shape, offset, data, shard=0, more=b""):
    """A BundleEntryProto as TensorFlow writes it: what is 0 is left out."""
    message = field(1, kind) + field(2, b"".join(field(2, field(1, n)) for n in shape))
    message += b"".join(field(number, value) for number, value in ((3, shard), (4, offset), (5, len(data))) if value)
    return message + varint(6 << 3 | 5) + struct.pack("<I", masked(crc32c(data))) + more


def block(entries, compression=0):
    """Entries that leave out what their keys share with the ones before, one restart, and the trailer."""
    out, before = b"", b""
    for key, value in entries:
        shared = 0
        while key[shared : shared + 1] == before[shared : shared + 1] != b"":
            shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    out += struct.pack("<II", 0, 1) + bytes([compression])
    return out + struct.pack("<I", masked(crc32c(out)))


def table(entries, per_block=3, compression=0):
    """An index file."""
    out, handles = b"", []
    for i in range(0, len(entries), per_block):
        part = block(entries[i : i + per_block], compression)
        handles.append((entries[min(i + per_block, len(entries)) - 1][0], varint(len(out)) + varint(len(part) - 5)))
        out += part
    meta, index = block([]), block(handles)
    footer = varint(len(out)) + varint(len(meta) - 5)
    footer += varint(len(out) + len(meta)) + varint(len(index) - 5)
    return out + meta + index + footer.ljust(40, b"\0") + MAGIC


@pytest.fixture
def checkpoint(tmp_path):
    """`checkpoint({name: (kind, array)})` writes a checkpoint and returns what its files' names share."""

    def write(tensors, shards=1, header=None, more=b"", compression=0, index=None):
        data, entries = [b""] * shards, [(b"", field(1, shards) if header is None else header)]
        for i, (name, (kind, array)) in enumerate(sorted(tensors.items())):
            values, shard = array if isinstance(array, bytes) else array.astype(NUMPY[kind]).tobytes(), i % shards
            shape = () if isinstance(array, bytes) else array.shape
            entries.append((name.encode(), entry(kind, shape, len(data[shard]), values, shard, more)))
            data[shard] += values
        prefix = tmp_path / "model.ckpt-100"
        index = table(entries, compression=compression) if index is None else index
        (tmp_path / "model.ckpt-100.index").write_bytes(index)
        (tmp_path / "model.ckpt-100.meta").write_bytes(b"\x0a\x00")
        for i, part in enumerate(data):
            (tmp_path / f"model.ckpt-100.data-{i:05}-of-{shards:05}").write_bytes(part)
        return prefix

    return write


@pytest.fixture
def tensors():
    names = ["CNN1/conv_B", "CNN1/conv_W", "CNN2/conv_B", "CNN2/conv_W", "R-CNN1/conv_W", "beta1_power"]
    shapes = [(4,), (3, 3, 1, 4), (70_000,), (3, 3, 4, 5), (3, 3, 1, 1), ()]
    return {name: (FLOAT, RNG.normal(size=shape)) for name, shape in zip(names, shapes, strict=True)}


@pytest.mark.parametrize("suffix", ["", ".index", ".meta", ".data-00000-of-00001"])
def test_every_file_of_a_checkpoint_gives_its_tensors(checkpoint, tensors, suffix):
    prefix = checkpoint(tensors)
    source = formats.read(prefix.with_name(prefix.name + suffix))
    assert source.format == "TensorFlow 1 checkpoint"
    assert list(source.arrays) == list(tensors)
    for name, array in source.arrays.items():
        np.testing.assert_array_equal(array, tensors[name][1].astype("f4"))


def test_tensors_may_be_spread_over_files(checkpoint, tensors):
    arrays = formats.read(checkpoint(tensors, shards=3)).arrays
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, tensors[name][1].astype("f4"))


def test_every_type_of_float_comes_as_float32_and_what_is_no_float_stays_out(checkpoint):
    given = {"a": (DOUBLE, np.array([1.5, -2])), "b": (HALF, np.array([1.5, -2]))}
    given |= {"c": (BFLOAT16, np.array([0x3FC0, 0xC000])), "step": (INT32, np.array(7)), "text": (STRING, b"\x03abc")}
    arrays = formats.read(checkpoint(given)).arrays
    assert list(arrays) == ["a", "b", "c"]
    for array in arrays.values():
        assert array.dtype == "float32"
        np.testing.assert_array_equal(array, [1.5, -2])


def test_the_hash_is_over_index_and_data(checkpoint, tensors):
    first = formats.read(checkpoint(tensors)).sha256
    assert formats.read(checkpoint(tensors)).sha256 == first
    tensors["CNN1/conv_B"] = (FLOAT, np.zeros(4))
    assert formats.read(checkpoint(tensors)).sha256 != first


def test_a_published_checkpoint_holds_the_golden_weights(reference, golden):
    arrays, _ = golden("dcscn_c_published_x2")
    (index,) = (reference / "weights" / "c_dcscn_x2").glob("*.index")
    read = formats.read(index).arrays
    wanted = {name[2:]: array for name, array in arrays.items() if name.startswith("w/")}
    for name, array in wanted.items():
        np.testing.assert_array_equal(read[name], array)
    model = create_model("dcscn", 2, num_filters=32, min_filters=8, num_layers=7, gamma=1.2, nin_filters=24,
                         nin_filters_2=8, upsampler_filters=1)  # fmt: skip
    tensors = Tensors(read)
    land(model, tensors, dcscn.authors(tensors, model))
    assert tensors.left() == {}


def test_tensorflow_reads_the_same(checkpoint, tensors):
    tf = pytest.importorskip("tensorflow")
    prefix = checkpoint(tensors)
    theirs = tf.train.load_checkpoint(str(prefix))
    for name, array in formats.read(prefix).arrays.items():
        np.testing.assert_array_equal(array, theirs.get_tensor(name))


@pytest.mark.parametrize(
    "how, said",
    [
        ({"compression": 1}, "compressed .Snappy"),
        ({"header": field(1, 1) + field(2, 1)}, "stores the highest byte first"),
        ({"header": field(1, 0)}, "has no header"),
        ({"header": field(1, b"one")}, "bytes for a number"),
        ({"more": field(7, b"slice")}, "is in slices"),
        ({"more": field(3, 5)}, "data-00005-of-00001 is missing"),
        ({"more": field(5, 12)}, "has 12 bytes in the index, should have 16"),
        ({"more": field(2, field(2, field(1, 2**62)))}, "which no weight has"),
        ({"more": field(2, field(2, field(1, 2**27)))}, "take more than"),
        ({"more": varint(8 << 3 | 3)}, "is no message"),
        ({"index": b"\0" * 100}, "is no index of a checkpoint"),
        ({"index": MAGIC}, "is no index of a checkpoint"),
        ({"index": table([(b"x" * 300, b"")])}, "goes beyond its block"),
        ({"index": table([(b"a", b"")])}, "has no header"),
        ({"index": b"\xff" * 40 + MAGIC}, "a number does not end"),
        ({"index": varint(0) * 2 + varint(2**40) * 2 + bytes(34) + MAGIC}, "outside of the file"),
    ],
)
def test_an_index_that_cannot_be_read_is_refused(checkpoint, how, said):
    with pytest.raises(InputError, match=said):
        formats.read(checkpoint({"a": (FLOAT, np.zeros(4))}, **how))


@pytest.mark.parametrize("part", ["index", "data-00000-of-00001"])
def test_a_bit_that_flipped_is_noticed(checkpoint, tensors, part):
    prefix = checkpoint(tensors)
    path = prefix.with_name(f"{prefix.name}.{part}")
    data = bytearray(path.read_bytes())
    data[20] ^= 4
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        formats.read(prefix)


@pytest.mark.parametrize("part", ["index", "data-00000-of-00001"])
def test_the_file_beside_it_is_missed_by_name(checkpoint, tensors, part):
    prefix = checkpoint(tensors)
    prefix.with_name(f"{prefix.name}.{part}").unlink()
    with pytest.raises(InputError, match=f"{part} is missing beside it"):
        formats.read(prefix.with_name(prefix.name + (".meta" if part == "index" else ".index")))


def test_a_checkpoint_of_the_first_version_is_refused_by_name(tmp_path):
    path = tmp_path / "model.ckpt"
    path.write_bytes(table([(b"", b""), (b"a", b"")]))
    with pytest.raises(InputError, match="a checkpoint of version 1"):
        formats.read(path)


@pytest.mark.parametrize("length", [*range(9), 100, 65_535, 65_536, 100_001])
def test_the_crc_is_castagnolis(length):
    data = RNG.bytes(length)
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    assert crc32c(data) == register ^ 0xFFFFFFFF
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720's polynomial; the catalogue's check value
