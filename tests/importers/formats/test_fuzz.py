"""About 3,500 broken and hostile weights files: each gives an error, or arrays that are finite and within limits.

Recognizing those arrays then gives a model or an error. Separate processes do this (`tests/helpers/read_weights.py`)
under an audit hook that ends them if they run or write anything.
"""

import functools
import io
import json
import random
import struct
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.helpers import published
from tests.helpers import weight_files as made
from tests.helpers.mutations import broken
from wdsr_tf.importers.formats import limits

pytest.importorskip("resource")

STARTING = ("hdf5", "onnx")  # start Python for every file
COUNTS = {name: 25 if name in STARTING else 250 for name in made.WRITERS}
PEAK = 2**30
IMPOSSIBLE = (  # shapes and types of .npy
    *(((2**62,), "<f4"), ((2**31, 2**31, 4), "<f4"), ((-1,), "<f4"), ((0, 2**63), "<f4"), ((10**400,), "<f4")),
    *(((True,), "<f4"), ((1.5,), "<f4"), ((1,), "|O"), ((1,), "<f16"), ((1,), "V1000000000"), ((1,), "(9999,9999)f4")),
)


def mutated(folder, name, count):
    """Yields files of a format: half are broken after their checksums were computed, half before."""
    for i in range(count):
        rng = random.Random(f"{name} {i}")
        place = folder / f"{name}-{i}"
        place.mkdir()
        if i % 2:
            yield made.WRITERS[name](place, functools.partial(broken, rng))
            continue
        path = made.WRITERS[name](place)
        victim = rng.choice([file for file in sorted(place.iterdir()) if file.stat().st_size])
        victim.write_bytes(broken(rng, victim.read_bytes()))
        yield path


def calls(canary):
    """Yields opcodes that would create the file `canary` if what they ask for was called."""
    command, code = made.text(f"touch {canary}"), made.text(f"open({str(canary)!r}, 'w')")
    for module in ("os", "posix", "nt", "subprocess", "commands", "torch.os", "pty"):
        for name in ("system", "popen", "getoutput", "Popen", "call", "spawn"):
            yield made.global_of(module, name) + command + b"\x85R"
            yield made.text(module) + made.text(name) + b"\x93" + command + b"\x85R"
            yield b"(" + command + b"i" + f"{module}\n{name}\n".encode()
            yield b"(" + made.global_of(module, name) + command + b"o"
            yield made.global_of(module, name) + command + b"\x85\x81"
            yield made.global_of(module, name) + command + b"\x85}\x92"
    for module in ("builtins", "__builtin__", "torch", "collections", "torch._utils", "torch.storage"):
        for name in (
            "eval",
            "exec",
            "__import__",
            "getattr",
            "compile",
            "OrderedDict.__class__",
            "load",
            "_load_from_bytes",
        ):
            yield made.global_of(module, name) + code + b"\x85R"
            yield made.text(module) + made.text(name) + b"\x93" + code + b"\x85R"
    for known in (b"ccollections\nOrderedDict\n)R", made.tensor(made.storage("0", 1), [1]), b"ctorch\nFloatStorage\n"):
        for key in ("__setstate__", "__reduce__", "__class__", "__dict__", "_metadata"):
            yield known + b"}" + made.text(key) + made.global_of("os", "system") + b"sb"
            yield known + b"}" + made.text(key) + code + b"sb" + command + b"\x85R"
    for code_of in (b"\x82\x01", b"\x83\x01\x00", b"\x84\x01\x00\x00\x00"):
        yield code_of + command + b"\x85R"


def persistent_ids():
    """Yields opcodes that misuse the persistent ID of a storage."""
    system = made.global_of("os", "system")
    float_storage = made.global_of("torch", "FloatStorage")
    good = [made.text("storage"), float_storage, made.text("0"), made.text("cpu"), made.integer(1)]
    yield b"Pstorage\n"
    yield b"K\x01Q"
    yield made.tuple_of(made.text("module"), system, made.text("a.py"), made.text("import os")) + b"Q"
    for position in range(5):
        for other in (system, b"N", b"]", b"}", b")", made.integer(-1), made.integer(2**62), b"\x88", b"\x93", good[1]):
            yield made.tuple_of(*good[:position], other, *good[position + 1 :]) + b"Q"
    for key in ("../../../../etc/passwd", "/etc/passwd", "0/../0", "", "\0", "data.pkl", "a" * 1000):
        yield made.tensor(made.storage(key, 1), [1])
    yield made.tuple_of(*good, made.tuple_of(made.text("1"), made.integer(2**40), made.integer(1))) + b"Q"


def arguments():
    """Yields opcodes that call allowed functions with wrong arguments."""
    storage = made.storage("0", 1)
    rebuild, size = made.global_of("torch._utils", "_rebuild_tensor_v2"), made.global_of("torch", "Size")
    wrong = (
        b"N",
        b"]",
        b"}",
        b")",
        made.integer(-1),
        made.integer(2**100),
        made.text("a" * 9),
        b"\x88",
        b"G" + b"\xff" * 8,
    )
    good = [storage, made.integer(0), made.integers([1]), made.integers([1]), b"\x89", b"N"]
    for position in range(len(good)):
        for other in wrong:
            yield rebuild + made.tuple_of(*good[:position], other, *good[position + 1 :]) + b"R"
    for count in range(12):
        yield rebuild + made.tuple_of(*(good * 2)[:count]) + b"R"
    for other in wrong:
        for function in (size, made.global_of("collections", "OrderedDict"), made.global_of("torch", "FloatStorage")):
            yield function + made.tuple_of(other) + b"R"
        yield made.global_of("torch._utils", "_rebuild_parameter") + made.tuple_of(other, b"\x89", b"N") + b"R"
    shapes = ([2**62], [2**31, 2**31], [2**32] * 3, [0, 2**62], [1] * 9, [1] * 64, [-1], [2**63 - 1, 2])
    for shape in shapes:
        for stride in ([0] * len(shape), [1] * len(shape), [2**62] * len(shape)):
            yield made.tensor(storage, shape, stride)
    for offset in (1, -1, 2**31, 2**62, 2**63, 2**64):
        yield made.tensor(storage, [1], [1], offset)


def bombs():
    """Yields opcodes that grow in memory, depth or time."""
    twice = b"]q\x00" + b"".join(bytes([0x5D, 0x28, 0x68, i, 0x68, i, 0x65, 0x71, i + 1]) for i in range(60))
    yield twice  # each list holds the previous one twice: 2**60 elements for anything that visits them
    yield b"}" + made.text("w") + twice + b"s"
    nested = b")q\x00" + b"".join(bytes([0x68, i, 0x68, i, 0x86, 0x71, i + 1]) for i in range(60))
    yield b"}" + nested + b"K\x01s"
    yield nested + b"}" + b"h\x3cK\x01s"
    yield made.global_of("torch", "Size") + nested + b"R"
    yield (
        made.global_of("torch._utils", "_rebuild_tensor_v2")
        + b"("
        + made.storage("0", 1)
        + b"K\x00"
        + nested * 2
        + b"tR"
    )
    yield from (b"]" * 10**5 + b"a" * (10**5 - 1), b")" + b"\x85" * 10**5, b"}" * 10**5 + b"(" * 10**5)
    yield b"N" + b"\x94" * (10**6 + 1)
    yield b"".join(b"]r" + struct.pack("<I", 2**32 - 1 - i) for i in range(1000))
    for opcode, size in (
        (b"\x8b", 4),
        (b"X", 4),
        (b"B", 4),
        (b"T", 4),
        (b"\x8d", 8),
        (b"\x8e", 8),
        (b"\x96", 8),
        (b"\x95", 8),
    ):
        for number in (2**31 - 1, 2**32 - 1, 2**63 - 1):
            yield opcode + (number & (1 << 8 * size) - 1).to_bytes(size, "little") + b"abc"
    yield b"}(" + b"".join(b"\x8a\x0a" + (i * (2**61 - 1)).to_bytes(10, "little") + b"N" for i in range(20_000)) + b"u"
    many = {f"w{i}": made.tensor(made.storage("0", 1), [1]) for i in range(limits.MAX_TENSORS + 1)}
    yield made.dictionary(many)
    yield b"}q\x00" + made.text("state_dict") + b"h\x00s"
    yield from (
        b"",
        b".",
        b"0",
        b"1",
        b"h\x07",
        b"(",
        b"R",
        b"b",
        b"s",
        b"u",
        b"e",
        b"t",
        b"\x87",
        b"Q",
        b"\x93",
        b"\x97",
    )


def hostile_pickles(folder):
    """Yields each piece alone, as a tensor's value, and as the first of several pickles, in files of both kinds."""
    pieces = [*calls(folder / "canary"), *persistent_ids(), *arguments(), *bombs()]
    for i, piece in enumerate(pieces):
        code = made.pickled(made.dictionary({"w": piece}) if i % 2 else piece)
        yield made.pytorch_zip(folder / f"hostile-{i}.pth", code, [bytes(4)])
        if i % 3 == 0:
            yield made.pytorch_legacy(folder / f"hostile-{i}-legacy.pth", code, [np.ones(1, "f4")])
        if i % 5 == 0:
            bare = folder / f"hostile-{i}-bare.pt"
            bare.write_bytes(code[2:] + b".")
            yield bare


def altered(folder):
    """Yields complete files with other names, shapes and values."""
    for i in range(200):
        rng = random.Random(f"altered {i}")
        names = [
            rng.choice(("a", "é", "a/b", "../a", "a\0b", "\x1b[2J", "", "a" * 300, "conv.weight")) for _ in range(3)
        ]
        arrays = {}
        for name in names:
            array = np.full([rng.choice((0, 1, 2, 3)) for _ in range(rng.randrange(5))], rng.choice((1.0, 1e-45)), "f4")
            if array.size and rng.random() < 0.5:
                array.flat[rng.randrange(array.size)] = rng.choice((np.nan, np.inf, -np.inf, 3.4e38))
            arrays[name] = array
        storages = [array.tobytes() for array in arrays.values()]
        yield made.pytorch_zip(folder / f"altered-{i}.pth", made.pickled(made.tensors(arrays)), storages)
        path = folder / f"altered-{i}.npz"
        with zipfile.ZipFile(path, "w") as archive:
            for name, array in arrays.items():
                stream = io.BytesIO()
                np.save(stream, array)
                archive.writestr(f"{name}.npy", stream.getvalue())
        yield path


def networks(folder):
    """Networks that are known: one array of each has a broken header, or the recipe beside ours is broken."""
    how = {"num_filters": 5, "num_res_blocks": 2, "res_expansion": 3, "res_scaling": None, "variant": "official"}
    recipe = {"architecture": "wdsr-a", "scale": 2, "hyperparameters": how, "facts": {"source": "a.pth"}}
    layouts = ("wdsr 2020", "edsr x4", "carn-m all", "dcscn x4", "drrn blocks", "srcnn matlab", "krasserm sr-resnet")
    for i in range(150):
        rng = random.Random(f"network {i}")
        arrays = published.EVERY[rng.choice(layouts)].arrays
        if i % 3 == 0:
            arrays = arrays | {"__recipe__": np.frombuffer(broken(rng, json.dumps(recipe).encode()), "u1")}
        victim = rng.choice(list(arrays)) if i % 3 else ""
        path = folder / f"network-{i}.npz"
        with zipfile.ZipFile(path, "w") as archive:
            for name, array in arrays.items():
                stream = io.BytesIO()
                np.save(stream, array)
                data = stream.getvalue()
                archive.writestr(f"{name}.npy", broken(rng, data[:128]) + data[128:] if name == victim else data)
        yield path


def archives(folder):
    """Yields archives that lie about their members, and headers that lie about their arrays."""
    code = made.pickled(made.dictionary({"w": made.tensor(made.storage("0", 1), [1])}))
    extras = [("archive/data/0", b"more"), ("archive/data.pkl", code), ("other/data.pkl", code), ("../../a", b"")]
    for i, extra in enumerate(extras):
        yield made.pytorch_zip(folder / f"members-{i}.pth", code, [bytes(4)], [extra])
    for i, method in enumerate((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)):
        for name in ("archive/data.pkl", "archive/data/0", "w.npy"):
            path = folder / f"bomb-{i}{name.replace('/', '-')}"
            with zipfile.ZipFile(path, "w", method, compresslevel=1) as archive:
                if name != "archive/data.pkl":
                    archive.writestr("archive/data.pkl", code, zipfile.ZIP_STORED)
                archive.writestr(name, bytes(2**25))
            yield path
    for i, (shape, descr) in enumerate(IMPOSSIBLE):
        header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
        path = folder / f"header-{i}.npz"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("w.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64))
        yield path
    for i, header in enumerate((b"(" * 5000, b"{" * 9000, b"__import__('os').system('true')", b"9" * 9000, b"")):
        path = folder / f"literal-{i}.npz"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("w.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
        yield path
    for i, header in enumerate(
        (
            b"{" * 10**5,
            b"[" * 10**6,
            b'{"a":' * 10**4,
            b'{"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}',
        )
    ):
        path = folder / f"header-{i}.safetensors"
        path.write_bytes(struct.pack("<Q", len(header)) + header)
        yield path
        path = folder / f"long-{i}.safetensors"
        path.write_bytes(struct.pack("<Q", 2**40 + i) + header)
        yield path


def results_of(paths, *options):
    """Returns the result for each path, and the peak of memory; fails if the process dies."""
    run = [sys.executable, "-m", "tests.helpers.read_weights", *options]
    answer = subprocess.run(run, cwd=REPOSITORY, input="\n".join(map(str, paths)), text=True, capture_output=True)
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert answer.returncode == 0, f"died of {lines[-2:]}: {answer.stderr[-2000:]}"
    assert [line["file"] for line in lines[:-1:2]] == list(map(str, paths))
    return dict(zip(paths, lines[1:-1:2], strict=True)), lines[-1]["peak"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)], ids=["every fourth file", "all files"])
def test_broken_and_hostile_files_give_an_error_or_valid_arrays(tmp_path, every):
    groups = [mutated(tmp_path, name, count) for name, count in COUNTS.items()]
    groups += [hostile_pickles(tmp_path), altered(tmp_path), archives(tmp_path), networks(tmp_path)]
    paths = [path for group in groups for path in group][::every]
    assert len(paths) >= 2000 / every
    before = sorted(tmp_path.rglob("*"))

    starting = [path for path in paths if path.suffix in (".h5", ".onnx")]
    forking = [path for path in paths if path.suffix == ".index"]
    others = [path for path in paths if path.suffix not in (".h5", ".onnx", ".index")]
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(results_of, others), pool.submit(results_of, starting)]
        if forking:
            runs.append(pool.submit(results_of, forking, "--fork"))

    results = {path: result for run in runs for path, result in run.result()[0].items()}
    assert len(results) == len(paths)
    assert not [path for path, result in results.items() if "invalid" in result]
    assert all(result.get("error", "-").isprintable() for result in results.values())
    refused = [result["refused"] for result in results.values() if "refused" in result]
    assert all(line.isprintable() for reasons in refused for line in reasons.split("\n"))
    assert len(refused) > 100 / every and sum("recognized" in result for result in results.values()) > 10 / every
    assert not (tmp_path / "canary").exists()
    assert sorted(tmp_path.rglob("*")) == before
    assert max(run.result()[1] for run in runs) <= PEAK
    # If one kind of result was rare, the mutations would be too tame or too wild to prove anything.
    read = sum("read" in result for result in results.values())
    assert 100 < read < len(paths) / 2
    for name in COUNTS:
        assert any("error" in result for path, result in results.items() if name in str(path.relative_to(tmp_path)))


def test_every_call_in_a_hostile_pickle_is_refused(tmp_path):
    paths = []
    for i, piece in enumerate(calls(tmp_path / "canary")):
        paths.append(made.pytorch_zip(tmp_path / f"{i}.pth", made.pickled(piece)))
    results, _ = results_of(paths)
    assert all("error" in result for result in results.values())
    assert not (tmp_path / "canary").exists()
    named = [result for result in results.values() if "which is refused" in result["error"]]
    assert len(named) > len(paths) * 0.9  # the others use the registry of extensions, or set attributes
