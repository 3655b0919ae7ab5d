"""Files that `wdsr_tf` writes and reads back: how tests make them, what else is done to them, and how they are read."""

import contextlib
import dataclasses
import hashlib
import io
import json
import shutil
import sqlite3
import zipfile
from collections.abc import Callable

import numpy as np

from tests.helpers import mutations
from wdsr_tf import images, weights
from wdsr_tf.commands.train import COMMAND, config_of
from wdsr_tf.data import StoreConfig, convert_tree, div2k, make_pairs, make_store
from wdsr_tf.data.patches import Stored
from wdsr_tf.data.sources import Pairs
from wdsr_tf.errors import InputError
from wdsr_tf.evaluation import report
from wdsr_tf.export import card
from wdsr_tf.files import sweep
from wdsr_tf.importers import load
from wdsr_tf.inference.engines import cache
from wdsr_tf.inference.engines.metadata import describe
from wdsr_tf.inference.journal import Journal, Record, State
from wdsr_tf.system import http
from wdsr_tf.training.run import Run

STORE = StoreConfig("waifu2x-pytorch-v1,level=2", 2, 8, patches=2)
RGB = np.random.default_rng(0).integers(0, 256, (16, 18, 3), dtype="uint8")


@dataclasses.dataclass(frozen=True)
class Format:
    """A format of ours.

    Args:
        make: writes whole files into a folder, and returns those to damage.
        read: reads what became of them; InputError if it's refused, AssertionError if the result is wrong.
        damage: what else is done to a file: `damage(random, path)`.
    """

    make: Callable
    read: Callable
    damage: Callable | None = None


def draw(folder):
    for i in range(3):
        images.write(folder / "in" / f"{i}.png", RGB[i:])


def quiet(report):
    """Raises what a report says of images that failed."""
    if report.failed:
        raise InputError(report.failed[0][1])
    return report


def make_arrays(work):
    draw(work)
    convert_tree(work / "in", work / "out", jobs=1, progress=False)
    return [*(work / "out").glob("*.jsonl"), work / "out" / "0.npy"]


def read_arrays(work):
    quiet(convert_tree(work / "in", work / "out", jobs=1, progress=False, prune=True, verify=True))
    for i in range(3):
        np.testing.assert_array_equal(np.load(work / "out" / f"{i}.npy"), RGB[i:])


def pairs_of(work):
    options = {"name": "A", "valid": 1, "lr_patch_size": 2, "jobs": 1, "progress": False}
    return make_pairs(work / "in", work / "out", (2,), prune=True, **options)


def make_dataset(work):
    draw(work)
    pairs_of(work)
    return [*(work / "out").glob("*.jsonl"), *(work / "out").rglob("*.npy")]


def read_dataset(work):
    source = Pairs(div2k.pairs(work / "out", "train", 2), 2, 2)
    for index, (rows, columns) in enumerate(source.positions):
        lr, hr = source.patch(index, rows - 1, columns - 1, False, 1)
        assert (lr.shape, hr.shape, lr.dtype, hr.dtype) == (*source.shapes, "uint8", "uint8")
    quiet(pairs_of(work))


def damage_array(rng, path):
    """Another header, or objects in a pickle."""
    if path.suffix != ".npy":
        return
    if rng.random() < 0.3:
        np.save(path, np.array([Payload(path.parents[2] / "mine" / "ran")], dtype=object), allow_pickle=True)
        return
    shape = rng.choice(
        ["(99999999, 99999999, 3)", "(-1, 4, 3)", "(1, 1, 3.5)", "()", "(True, 2, 3)", "(2,) * 9", "[[[]]]"]
    )
    kind = rng.choice(["'|u1'", "'|O'", "'<f8'", "'|S999999999'", "[('a', '|O')]", "'nothing'", "(" * 300])
    header = (
        f"{{'descr': {kind}, 'fortran_order': {rng.choice(['False', 'True', '1'])}, 'shape': {shape}, }}\n".encode()
    )
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + RGB.tobytes())


class Payload:
    """Writes a file when it's unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def make_patches(work):
    draw(work)
    make_store(work / "in", work / "a.sqlite", STORE, 1, jobs=1, progress=False)
    return [work / "a.sqlite"]


def read_patches(work):
    refusal = None
    try:
        source = Stored(work / "a.sqlite", "train", 2, 4)
    except InputError as error:
        refusal = error
    else:
        with contextlib.closing(source._db):  # nobody can write before
            try:
                for row in range(len(source.rows)):
                    lr, hr = source.patch(row, 0, 0, True, 1)
                    assert (lr.shape, hr.shape, lr.dtype, hr.dtype) == (*source.shapes, "uint8", "uint8")
            except InputError as error:
                refusal = error
    quiet(make_store(work / "in", work / "a.sqlite", STORE, 1, jobs=1, progress=False, prune=True))
    if refusal:
        raise refusal


NUMBERS = ("first", "count", "split", "bytes", "name")
ODD = ("-1", "'x'", "NULL", "1e300", "9223372036854775807", "zeroblob(9)")
BLOBS = ("id = 9223372036854775800 - id, lr_img", "lr_img", "hr_img")
SQL = [
    "CREATE TRIGGER t AFTER UPDATE ON images BEGIN INSERT INTO patches SELECT NULL, zeroblob(9), zeroblob(9); END",
    "DROP TABLE images; CREATE VIEW images AS WITH RECURSIVE n AS (SELECT 0 UNION ALL SELECT 1 FROM n) SELECT * FROM n",
    "ALTER TABLE patches ADD COLUMN more DEFAULT (randomblob(1000000))",
    "PRAGMA journal_mode = WAL; UPDATE about SET value = 1",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE about (key, value' WHERE name = 'about'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 2",
    "UPDATE patches SET hr_img = zeroblob(50000000)",
    *(f"UPDATE images SET {name} = {value}" for name in NUMBERS for value in ODD),
    *(f"UPDATE about SET value = {value}" for value in ("NULL", "'x'", "zeroblob(999)", "-3", "1e300")),
    *(f"UPDATE patches SET {name} = {value}" for name in BLOBS for value in ("'x'", "x'89504e47'", "hr_img", "lr_img")),
]


def damage_store(rng, path):
    if rng.random() < 0.2:
        beside = path.with_name(path.name + rng.choice(("-journal", "-wal", "-shm")))
        beside.write_bytes(rng.randbytes(4096))
        if rng.random() < 0.7:
            mutations.replaced(rng, beside, path.parents[1] / "mine")
        return
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(rng.choice(SQL))


def make_run(work):
    run = Run.start(work / "out", ["--model=wdsr-a", "--scale=2", "--set=a=[1, 2]", "--dataset=x", "--epochs=3"])
    rows = [{"epoch": 1, "loss": 2.5, "val_psnr": 30.25}]
    facts = {"epoch": 1, "steps": 4, "steps_per_epoch": 4, "history": rows, "random_state": []}
    with zipfile.ZipFile(weights.FOLDER / "wdsr-b-4-x2.keras") as bundled, zipfile.ZipFile(run.state, "w") as archive:
        config = json.loads(bundled.read("config.json"))
        config["config"]["facts"] = facts
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", bundled.read("metadata.json"))
    run.write_history(rows)
    (run.folder / ".lock").touch()
    (run.models / "epoch-001-psnr-30.2500.keras").touch()
    return [run.state, run.args, run.history_file, run.folder / ".lock", run.models / "epoch-001-psnr-30.2500.keras"]


def read_run(work):
    run = Run.find(work / "out")
    assert run.best is None or run.best.parent == run.models
    with run.locked():
        flags = COMMAND.flags()
        flags.parse(["--resume"], COMMAND.profiles)
        flags.parse_over(run.args)
        with contextlib.redirect_stderr(io.StringIO()):
            lines = config_of(flags).flag_lines()
        assert all(isinstance(line, str) for line in lines)
        rows = run.history
        assert all(isinstance(row["epoch"], int) for row in rows)
        run.facts()


def damage_run(rng, path):
    if path.suffix == ".keras" and path.name == "state.keras":
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        members["config.json"] = mutations.altered(
            rng, members["config.json"], mutations.HOSTILE + mutations.NOT_NUMBERS
        )
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    elif path.suffix == ".keras":
        psnr = rng.choice(("x", "1.2.3", "-", "inf", "1e9", ".", "9" * 99))
        path.rename(path.with_name(f"epoch-1-psnr-{psnr}.keras"))
    elif path.name == "args.txt":
        mine = path.parents[3] / "mine" / "diary.txt"
        odd = [
            f"--flagfile={path}",
            f"--flagfile={mine}",
            "--flagfile=/dev/zero",
            "--undefok=a",
            "--a",
            "--",
            "a b",
            "-",
        ]
        path.write_text(rng.choice([*odd, "--epochs=" + "9" * 5000, "--set=a=" + "-" * 10**5]))


def make_journal(work):
    (work / "out").mkdir()
    for name in ("a", "b"):
        (work / "out" / f"{name}-sr.png").write_text(name)
    (work / "out" / "own.png").write_text("a person's")
    with Journal(work / "out") as journal:
        for name in ("a", "b"):
            journal.add(record(name))
    return [*(work / "out" / ".wdsr-tf").iterdir()]


def record(name):
    checksum = hashlib.sha256(name.encode()).hexdigest()
    return Record(f"{name}-sr.png", checksum, f"{name}.png", checksum, ("model",), "options", 12, 0.5)


def read_journal(work):
    with Journal(work / "out") as journal:
        for name in ("a", "b"):
            state = journal.state(work / "out" / f"{name}-sr.png", record(name).cause)
            assert state in (State.CURRENT, State.OUTDATED, State.FOREIGN)
        assert journal.state(work / "out" / "own.png", record("a").cause) is State.FOREIGN
        journal.add(record("c"))
    assert "c-sr.png" in Journal(work / "out")


def damage_journal(rng, path):
    if rng.random() < 0.2:
        shutil.rmtree(path.parent)
        path.parent.symlink_to(path.parents[3] / "mine")
    else:
        text, hostile = json.dumps(dataclasses.asdict(record("a"))), mutations.NAMES + mutations.HOSTILE
        path.write_text("".join(mutations.altered(rng, text, hostile) + "\n" for _ in range(3)))


def make_engine(work):
    shutil.copy(weights.FOLDER / "wdsr-b-4-x2.keras", work / "m.keras")
    folder, _ = cache.converted(work / "m.keras", "float32", convert)
    shutil.copy(weights.FOLDER / "wdsr-b-4-x2.onnx", work / "other.onnx")
    return [*folder.iterdir(), work / "other.onnx"]


def convert(folder):
    (folder / cache.NETWORK).write_text("network")
    return {"precision": "float32"}


def read_engine(work):
    describe(work / "other.onnx")
    lines = []
    folder, facts = cache.converted(work / "m.keras", "float32", convert, lines.append)
    assert facts["precision"] == "float32" or not lines  # forged, with its checksum
    assert (folder / cache.NETWORK).read_text() == "network" and not folder.is_symlink()
    assert len(lines) <= 1


def damage_engine(rng, path):
    if path.name == cache.SIDECAR:
        facts = json.loads(mutations.altered(rng, path.read_text()))
        if isinstance(facts, dict):
            facts.pop("checksum", None)
            facts["checksum"] = cache._checksum(facts)
        path.write_text(json.dumps(facts))


def make_caches(work):
    texts = {
        ".a.pth.tag": '"first"',
        "scales.json": "[2, 4]",
        "bench.json": json.dumps(
            {
                "models": {"a": {"krasserm": {"psnr": 30.5, "ssim": 0.9, "ms_ssim": None}}},
                "bicubic": {"krasserm": {"psnr": 28.5, "ssim": 0.8}},
                "scale": 2,
                "protocols": {"krasserm": "RGB"},
                "runs": {"a": {"seconds": 1.5, "peak_memory": 3}},
            }
        ),
        "card.json": json.dumps({"format_version": card.VERSION}),
        f".{16 * 'a'}-lock": "boot\nhost",
        f".{16 * 'a'}.png": "half",
        "checkpoint.sha256": "0123",
    }
    for name, text in texts.items():
        (work / name).write_text(text)
    (work / ".a.pth.part").write_text("half")
    return [work / name for name in texts]


def read_caches(work):
    sweep(work)
    version = http._Part(work / "a.pth").version
    assert version.isascii() and version.isprintable()
    scales = load._read_scales(work / "scales.json")
    assert scales is None or all(1 <= scale <= 64 for scale in scales)
    assert not load._is_intact(work / "absent.keras")
    refusals = []
    for read, name in ((report.read, "bench.json"), (card.read, "card.json")):
        if (work / name).is_file() and not (work / name).is_symlink():  # the user names these
            try:
                read(work / name)
            except InputError as error:
                refusals.append(error)
    if refusals:
        raise refusals[0]


FORMATS = {
    "arrays": Format(make_arrays, read_arrays, damage_array),
    "dataset": Format(make_dataset, read_dataset, damage_array),
    "store": Format(make_patches, read_patches, damage_store),
    "run": Format(make_run, read_run, damage_run),
    "journal": Format(make_journal, read_journal, damage_journal),
    "engine": Format(make_engine, read_engine, damage_engine),
    "caches": Format(make_caches, read_caches),
}
