"""Writes small weights files of every format, without the frameworks that usually write them, and pickles by hand.

`mangle` changes a file's payload before its checksum is computed, so that tests can break one and not the other.
"""

import importlib.util
import io
import json
import pickle
import struct
import zipfile

import numpy as np

from wdsr_tf.importers.formats import pytorch

RNG = np.random.default_rng(4)
ARRAYS = {
    "conv.weight": RNG.normal(size=(4, 3, 3, 3)).astype("f4"),
    "conv.bias": RNG.normal(size=4).astype("f4"),
    "tail.weight": RNG.normal(size=(3, 4, 1, 1)).astype("f4"),
}
KERNEL = np.arange(24, dtype="f4").reshape(2, 3, 2, 2)
SAVED_BY_PYTORCH = {  # what tests/data/make_pytorch.py saved
    "kernel": KERNEL,
    "transposed": KERNEL.transpose(1, 0, 3, 2),
    "part": KERNEL.ravel()[4:20:3],
    "half": np.array([0.5, -2], "f4"),
    "bfloat16": np.array([0.5, -2], "f4"),
    "double": np.array([0.5, -2], "f4"),
    "count": np.array(7),
}


def assert_same(arrays, expected):
    """Compares names, order, shapes, types and values."""
    assert list(arrays) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(arrays[name], array, strict=True)


def same(data):
    """Changes nothing."""
    return data


def global_of(module, name):
    """Returns the opcode GLOBAL."""
    return b"c" + f"{module}\n{name}\n".encode()


def text(string):
    """Returns opcodes that push a string."""
    data = string.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def integer(number):
    """Returns opcodes that push an integer."""
    return pickle.dumps(number, 2)[2:-1]


def tuple_of(*items):
    """Returns opcodes that push a tuple of items, given as opcodes."""
    return b"(" + b"".join(items) + b"t"


def integers(numbers):
    """Returns opcodes that push a tuple of integers."""
    return tuple_of(*map(integer, numbers))


def storage(key, count, kind="Float", legacy=False):
    """Returns opcodes that push a storage by its persistent id."""
    view = (b"N",) if legacy else ()
    name = global_of("torch", f"{kind}Storage")
    return tuple_of(text("storage"), name, text(key), text("cpu"), integer(count), *view) + b"Q"


def tensor(of, shape, stride=None, offset=0):
    """Returns opcodes that push a tensor, a view of the storage `of`."""
    if stride is None:
        stride = [int(np.prod(shape[i + 1 :])) for i in range(len(shape))]
    arguments = tuple_of(of, integer(offset), integers(shape), integers(stride), b"\x89", b"}")
    return global_of("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def dictionary(items):
    """Returns opcodes that push a dictionary; its values are given as opcodes."""
    return b"}(" + b"".join(text(name) + value for name, value in items.items()) + b"u"


def pickled(code):
    """Returns a pickle of protocol 2."""
    return b"\x80\x02" + code + b"."


def tensors(arrays, legacy=False):
    """Returns opcodes that push a dictionary of tensors, each with its own storage."""
    return dictionary(
        {name: tensor(storage(str(i), a.size, legacy=legacy), a.shape) for i, (name, a) in enumerate(arrays.items())}
    )


def pytorch_zip(path, code, storages=(), extra=()):
    """Writes a checkpoint archive of a pickle and the bytes of its storages."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", code)
        for key, data in enumerate(storages):
            archive.writestr(f"archive/data/{key}", data)
        for name, data in extra:
            archive.writestr(name, data)
    return path


def pytorch_legacy(path, code, storages=(), keys=None):
    """Writes a checkpoint like PyTorch before 1.6; `storages` are float32 arrays."""
    keys = [str(key) for key in range(len(storages))] if keys is None else keys
    heads = [pytorch.MAGIC, pytorch.PROTOCOL, {"protocol_version": 1001, "little_endian": True}]
    with path.open("wb") as file:
        for head in heads:
            file.write(pickle.dumps(head, 2))
        file.write(code)
        file.write(pickle.dumps(keys, 2))
        for data in storages:
            file.write(struct.pack("<q", data.size) + data.tobytes())
    return path


def write_pytorch(folder, mangle=same):
    code = mangle(pickled(tensors(ARRAYS)))
    return pytorch_zip(folder / "zip.pth", code, [array.tobytes() for array in ARRAYS.values()])


def write_legacy(folder, mangle=same):
    code = mangle(pickled(tensors(ARRAYS, legacy=True)))
    return pytorch_legacy(folder / "legacy.pth", code, list(ARRAYS.values()))


def write_npz(folder, mangle=same, compression=zipfile.ZIP_DEFLATED):
    path = folder / "weights.npz"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, array in ARRAYS.items():
            stream = io.BytesIO()
            np.save(stream, array)
            archive.writestr(f"{name}.npy", mangle(stream.getvalue()))
    return path


def write_safetensors(folder, mangle=same):
    from safetensors.numpy import save

    path = folder / "weights.safetensors"
    path.write_bytes(mangle(save(ARRAYS)))
    return path


def write_hdf5(folder, mangle=same):
    import h5py

    path = folder / "weights.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs["layer_names"] = [b"conv", b"tail"]
        for layer, names in (("conv", ["conv.weight", "conv.bias"]), ("tail", ["tail.weight"])):
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name in names:
                group[name] = ARRAYS[name].T
    path.write_bytes(mangle(path.read_bytes()))
    return path


def write_matlab(folder, mangle=same):
    """Version 5: three variables of single precision, with as few elements as possible."""
    path = folder / "weights.mat"
    variables = b"".join(matlab_element(14, matlab_variable(name, array)) for name, array in ARRAYS.items())
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + mangle(variables))
    return path


def matlab_variable(name, array):
    shape = array.shape if array.ndim > 1 else (1, array.size)
    return matlab_head(7, name.replace(".", "_"), shape) + matlab_element(7, array.tobytes("F"))


def matlab_element(kind, data):
    return struct.pack("<II", kind, len(data)) + data.ljust(-(-len(data) // 8) * 8, b"\0")


def write_matlab_struct(folder, mangle=same):
    """One struct whose fields are cells of arrays, as in the authors' VDSR."""
    path = folder / "weights.mat"
    fields = {"weight": [ARRAYS["conv.weight"], ARRAYS["tail.weight"]], "bias": [ARRAYS["conv.bias"]]}
    struct_ = mangle(matlab_element(14, matlab_struct("model", fields)))
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + struct_)
    return path


def matlab_struct(name, fields):
    """Returns the data of a struct; `fields` are lists of arrays, which become cells."""
    names = b"".join(field.encode().ljust(8, b"\0") for field in fields)
    parts = [(5, struct.pack("<i", 8)), (1, names)]
    data = matlab_head(2, name, (1, 1)) + b"".join(matlab_element(kind, part) for kind, part in parts)
    for arrays in fields.values():
        cells = b"".join(matlab_element(14, matlab_variable("", array)) for array in arrays)
        data += matlab_element(14, matlab_head(1, "", (1, len(arrays))) + cells)
    return data


def matlab_head(kind, name, shape):
    """Returns the elements that every variable begins with."""
    parts = [(6, struct.pack("<II", kind, 0)), (5, np.array(shape, "<i4").tobytes()), (1, name.encode())]
    return b"".join(matlab_element(code, data) for code, data in parts)


def write_tfjs(folder, mangle=same):
    """The `model.json`, with its two shards beside it; an array may lie in both."""
    arrays = {"conv/kernel": ARRAYS["conv.weight"].transpose(2, 3, 1, 0), "conv/bias": ARRAYS["conv.bias"]}
    data = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays.values())
    names = ["group1-shard1of2.bin", "group1-shard2of2.bin"]
    for name, part in zip(names, (data[:100], data[100:]), strict=True):
        (folder / name).write_bytes(mangle(part))
    entries = [{"name": name, "shape": array.shape, "dtype": "float32"} for name, array in arrays.items()]
    manifest = {"format": "layers-model", "weightsManifest": [{"paths": names, "weights": entries}]}
    path = folder / "model.json"
    path.write_bytes(mangle(json.dumps(manifest).encode()))
    return path


def write_onnx(folder, mangle=same):
    import onnx

    path = folder / "weights.onnx"
    weights = [onnx.numpy_helper.from_array(array, name) for name, array in ARRAYS.items()]
    node = onnx.helper.make_node("Conv", ["x", "conv.weight", "conv.bias"], ["y"], name="/conv/Conv")
    graph = onnx.helper.make_graph([node], "graph", [], [], weights)
    path.write_bytes(mangle(onnx.helper.make_model(graph).SerializeToString()))
    return path


def write_waifu2x_json(folder, mangle=same):
    weight, bias = ARRAYS["conv.weight"], ARRAYS["conv.bias"]
    layer = {"nInputPlane": 3, "nOutputPlane": 4, "kH": 3, "kW": 3, "weight": weight.tolist(), "bias": bias.tolist()}
    path = folder / "weights.json"
    path.write_bytes(mangle(json.dumps([layer]).encode()))
    return path


def write_ncnn(folder, mangle=same):
    """The `.param`, with its `.bin` beside it."""
    weight, bias = ARRAYS["conv.weight"], ARRAYS["conv.bias"]
    lines = ["7767517", "2 2", "Input x 0 1 x 0=1", f"Convolution conv 1 1 x y 0=4 1=3 5=1 6={weight.size}"]
    path = folder / "weights.param"
    path.write_bytes(mangle("\n".join(lines).encode()))
    data = bytes.fromhex("476b3001") + weight.astype("<f2").tobytes() + bias.tobytes()
    path.with_suffix(".bin").write_bytes(mangle(data))
    return path


NCNN_GRAPH = """
Input        x     0 1 x 0=8 1=8 2=3
MemoryData   mean  0 1 m 0=3
BinaryOp     sub   2 1 x m a 0=1
Split        split 1 2 a b c
Convolution  conv  1 1 b d 0=4 1=3 4=1 5=1 6=108
PReLU        slope 1 1 d e 0=4
Convolution  tail  1 1 e f 0=3 1=1 5=0 6=12
Interp       up    1 1 f g 0=3 1=2.0 2=2.0
Interp       near  1 1 c h 0=1 1=2.0 2=2.0
BinaryOp     add   2 1 g h y 0=0
"""
MEAN, SLOPES = np.array([0.1, 0.2, 0.3], "<f4"), np.array([0.25, -0.5, 1.5, 0], "<f4")


def write_ncnn_graph(folder, mangle=same, graph=NCNN_GRAPH):
    """A graph that shifts its input, resizes the convolutions' result by 2 and adds the resized input."""
    lines = graph.strip().splitlines()
    path = folder / "graph.param"
    path.write_bytes(mangle("\n".join(["7767517", f"{len(lines)} {len(lines)}", *lines]).encode()))
    kernels = [
        bytes.fromhex("476b3001") + ARRAYS[name].astype("<f2").tobytes() for name in ("conv.weight", "tail.weight")
    ]
    data = MEAN.tobytes() + kernels[0] + ARRAYS["conv.bias"].tobytes() + SLOPES.tobytes() + kernels[1]
    path.with_suffix(".bin").write_bytes(mangle(data))
    return path


def write_tensorflow1(folder, mangle=same, dimension=same):
    """The `.index`, with its data beside it: LevelDB's table of protocol buffers. `dimension` changes sizes of axes."""
    data, entries = b"", [(b"", message((1, 1), (2, 0), (3, message((1, 1)))))]
    for name, array in sorted(ARRAYS.items()):
        value = array.tobytes()
        shape = b"".join(b"\x12" + prefixed(message((1, dimension(size)))) for size in array.shape)
        crc = b"\x35" + struct.pack("<I", masked_crc(value))
        entries.append((name.encode(), message((1, 1), (2, shape), (4, len(data)), (5, len(value))) + crc))
        data += value
    path = folder / "weights.ckpt.index"
    path.with_name("weights.ckpt.data-00000-of-00001").write_bytes(data)
    block = table_block(entries, mangle)
    index = table_block([(b"z", varint(0) + varint(len(block) - 5))])
    meta = table_block([])
    handles = varint(len(block)) + varint(len(meta) - 5) + varint(len(block) + len(meta)) + varint(len(index) - 5)
    path.write_bytes(block + meta + index + handles.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db"))
    return path


def table_block(entries, mangle=same):
    """Returns a block of the table with its trailer; no entry shares anything with the previous one."""
    parts = [varint(0) + varint(len(key)) + varint(len(value)) + key + value for key, value in entries]
    block = mangle(b"".join(parts) + struct.pack("<II", 0, 1)) + b"\0"
    return block + struct.pack("<I", masked_crc(block))


def masked_crc(data):
    """Returns the CRC-32C as TensorFlow stores it."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    register ^= 0xFFFFFFFF
    return ((register >> 15 | register << 17) + 0xA282EAD8) & 0xFFFFFFFF


def message(*fields):
    """Returns a protocol buffer of (number, integer or bytes)."""
    encoded = b""
    for number, value in fields:
        is_bytes = isinstance(value, bytes)
        encoded += varint(number << 3 | 2 * is_bytes) + (prefixed(value) if is_bytes else varint(value))
    return encoded


def prefixed(data):
    return varint(len(data)) + data


def varint(number):
    """Returns an integer with 7 bits per byte, the lowest first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


PACKAGES = {"safetensors": "safetensors", "onnx": "onnx", "tensorflow1": "tensorflow"}  # needed to read a format
WRITERS = {
    "pytorch": write_pytorch,
    "legacy": write_legacy,
    "npz": write_npz,
    "safetensors": write_safetensors,
    "hdf5": write_hdf5,
    "matlab": write_matlab,
    "matlab_struct": write_matlab_struct,
    "onnx": write_onnx,
    "waifu2x_json": write_waifu2x_json,
    "ncnn": write_ncnn,
    "ncnn_graph": write_ncnn_graph,
    "tfjs": write_tfjs,
    "tensorflow1": write_tensorflow1,
}
WRITERS = {name: write for name, write in WRITERS.items() if importlib.util.find_spec(PACKAGES.get(name, "numpy"))}
