"""TensorFlow 1's checkpoints (V2): `.index`, a table of the tensors, and their bytes in `.data-00000-of-00001`, ...

    index    blocks | index of the blocks | footer: 2 handles, magic      LevelDB's format of tables
    block    entries | restarts | type, CRC                               an entry leaves out what its key shares with
                                                                          the key before it
    entry    name -> BundleEntryProto: type, shape, shard, offset, size, CRC; "" -> BundleHeaderProto

Known from tensorflow/core/lib/io/format.h and tensorflow/core/protobuf/tensor_bundle.proto.
"""

import re

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats.crc32c import crc32c, masked
from wdsr_tf.importers.formats.limits import MAX_NAME, MAX_TENSORS, Budget, shown

NAME = "TensorFlow 1 checkpoint"
MAGIC = bytes.fromhex("57fb808b247547db")
FOOTER = 48
TRAILER = 5  # bytes behind a block
MAX_INDEX = 4 * 2**20  # bytes
MAX_SHARDS = 1000
DTYPES = {1: "<f4", 2: "<f8", 19: "<f2", 14: "<u2"}  # float, double, half, bfloat16; others are no weights
BFLOAT16 = 14
PART = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")


def fits(path, head):
    """Whether it is a file of a checkpoint by its name or what such names have in common, or a table of its own."""
    if not path.name:
        return False
    return bool(PART.search(path.name)) or _beside(path, ".index").is_file() or _last_bytes(path) == MAGIC


def files(path):
    """The index and the data; `path` is any file of the checkpoint, or what their names have in common."""
    shards, _ = _index(path)
    return [_beside(path, ".index"), *(_shard(path, i, shards) for i in range(shards))]


def read(path):
    """The floating-point tensors by their names, in the order of the index, kernels as (height, width, in, out)."""
    shards, entries = _index(path)
    budget = Budget()
    arrays = {}
    for name, entry in entries.items():
        if 7 in entry:
            raise InputError(f"{shown(name)} is in slices, as of a variable that was spread over machines")
        if _number(entry, 1) in DTYPES:
            arrays[name] = _tensor(path, shards, name, entry, budget)
    return arrays


def _beside(path, suffix):
    return path.with_name(PART.sub("", path.name) + suffix)


def _shard(path, shard, shards):
    data = _beside(path, f".data-{shard:05}-of-{shards:05}")
    if not data.is_file():
        raise InputError(f"{data.name} is missing beside it; the two belong together")
    return data


def _last_bytes(path):
    if not path.is_file() or path.stat().st_size < FOOTER:
        return b""
    with path.open("rb") as file:
        file.seek(-len(MAGIC), 2)
        return file.read()


def _tensor(path, shards, name, entry, budget):
    kind = _number(entry, 1)
    dimensions = _fields(entry.get(2, [b""])[-1]).get(2, [])
    shape = tuple(_number(_fields(dimension), 1) for dimension in dimensions)
    size = budget.take(name, shape) * np.dtype(DTYPES[kind]).itemsize
    if _number(entry, 5) != size:
        raise InputError(f"{shown(name)} {shape} has {_number(entry, 5)} bytes in the index, should have {size}")
    data = _shard(path, _number(entry, 3), shards)
    with data.open("rb") as file:
        file.seek(_number(entry, 4))
        values = file.read(size)
    if len(values) != size or masked(crc32c(values)) != _number(entry, 6):
        raise InputError(f"{shown(name)} is damaged in {data.name}, or that is another checkpoint's")
    array = np.frombuffer(values, DTYPES[kind]).reshape(shape)
    return (array.astype("<u4") << 16).view("<f4") if kind == BFLOAT16 else array


def _index(path):
    """The number of shards, and the fields of each tensor's entry by its name."""
    index = _beside(path, ".index")
    if not index.is_file():
        if PART.search(path.name):
            raise InputError(f"{index.name} is missing beside it; the two belong together")
        raise InputError("a checkpoint of version 1, which is one file; tf.train.Saver can write it as version 2")
    with index.open("rb") as file:
        data = file.read(MAX_INDEX + 1)
    if not FOOTER <= len(data) <= MAX_INDEX or not data.endswith(MAGIC):
        raise InputError(f"{index.name} is no index of a checkpoint, or is cut off")
    entries = {name.decode("utf-8", "replace"): _fields(value) for name, value in _table(data)}
    header = entries.pop("", None)
    if header is None or _number(header, 2) != 0 or not 0 < _number(header, 1) <= MAX_SHARDS:
        raise InputError(f"{index.name} has no header, or one of a machine that stores the highest byte first")
    return _number(header, 1), entries


def _table(data):
    """(key, value) of each entry of all blocks."""
    _, _, at = _handle(data, len(data) - FOOTER)  # of the block of metadata, which is empty
    start, size, _ = _handle(data, at)
    count = 0
    for _, handle in _block(data, start, size):
        start, size, _ = _handle(handle, 0)
        for key, value in _block(data, start, size):
            count += 1
            if count > MAX_TENSORS:
                raise InputError(f"more than {MAX_TENSORS} tensors: no network here has that many")
            yield key, value


def _handle(data, at):
    """Where a block starts and how long it is, and where its handle ends."""
    start, at = _varint(data, at)
    size, at = _varint(data, at)
    return start, size, at


def _block(data, start, size):
    """(key, value) of each entry of a block."""
    block, trailer = data[start : start + size], data[start + size : start + size + TRAILER]
    if len(trailer) < TRAILER or size < 4:
        raise InputError("a block of its index lies outside of the file")
    if trailer[0]:
        raise InputError(
            f"its index is compressed ({'Snappy' if trailer[0] == 1 else trailer[0]}); TensorFlow's is not"
        )
    if masked(crc32c(block + trailer[:1])) != int.from_bytes(trailer[1:], "little"):
        raise InputError("its index is damaged: a block and its CRC do not agree")
    restarts = int.from_bytes(block[-4:], "little")
    at, end, key = 0, size - 4 - 4 * restarts, b""
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or shared + own > MAX_NAME or at + own + length > end:
            raise InputError("its index is damaged: an entry goes beyond its block")
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + length]
        at += own + length


def _fields(message):
    """The fields of a protocol buffer's message: number -> its values, integers or bytes."""
    fields, at = {}, 0
    while at < len(message):
        tag, at = _varint(message, at)
        if tag & 7 == 0:
            value, at = _varint(message, at)
        elif tag & 7 == 5:  # CRCs are 4 bytes
            value, at = int.from_bytes(message[at : at + 4], "little"), at + 4
        elif tag & 7 == 2:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        else:
            raise InputError("its index is damaged: an entry is no message")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _number(fields, number):
    """An integer field; 0 where it is left out, as it is where it is 0."""
    value = fields.get(number, [0])[-1]
    if not isinstance(value, int):
        raise InputError("its index is damaged: an entry has bytes for a number")
    return value


def _varint(data, at):
    """An integer of 7 bits to a byte, the lowest first, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
    raise InputError("its index is damaged: a number does not end")
