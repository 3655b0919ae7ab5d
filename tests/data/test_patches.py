"""A patch store survives killed runs, is made once, and is read like every other source."""

import contextlib
import dataclasses
import io
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from tests.conftest import REPOSITORY
from wdsr_tf import images
from wdsr_tf.data import degrade, store_file
from wdsr_tf.data.patches import StoreConfig, Stored, make_store
from wdsr_tf.data.sampler import Sampler
from wdsr_tf.errors import InputError

PLAIN = StoreConfig("waifu2x-pytorch-v1,level=2", 2, 32, patches=3)  # draws no random numbers


@pytest.fixture
def folder(tmp_path):
    """Six images of noise, in two folders."""
    random = np.random.default_rng(0)
    for i in range(6):
        images.write(tmp_path / "in" / "ab"[i % 2] / f"{i}.png", random.integers(0, 256, (40 + i, 50, 3), "uint8"))
    return tmp_path / "in"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out" / "store.sqlite"


MAKE_STORE = """
import sys
from wdsr_tf.data import StoreConfig, make_store
indir, path, degrade, *numbers = sys.argv[1:]
report = make_store(indir, path, StoreConfig(degrade, *map(int, numbers)), jobs=2)
print(report.done, report.kept)
"""


def ask(path, query):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def decode(png):
    return np.array(Image.open(io.BytesIO(png)))


def content(path):
    """{image: its patches}, in whatever rows they are stored."""
    patches = {row[0]: row[1:] for row in ask(path, "SELECT id, lr_img, hr_img FROM patches")}
    rows = ask(path, "SELECT name, first, count FROM images")
    found = {name: [patches.pop(first + i) for i in range(count)] for name, first, count in rows}
    assert not patches  # no row without an image
    return found


def test_store_has_pairs_of_png_patches_cut_from_the_images(folder, path):
    report = make_store(folder, path, PLAIN, jobs=1)
    assert (report.done, report.kept, report.failed, report.left_out) == (6, 0, [], [])
    recipe = degrade.parse("waifu2x-pytorch-v1,level=2", 2)
    for name, pairs in content(path).items():
        image = images.read(folder / name)
        windows = np.lib.stride_tricks.sliding_window_view(image, (32, 32, 3))
        assert len(pairs) == 3
        for lr_png, hr_png in pairs:
            assert lr_png.startswith(b"\x89PNG") and hr_png.startswith(b"\x89PNG")
            lr, hr = decode(lr_png), decode(hr_png)
            np.testing.assert_array_equal(lr, recipe(hr, None))
            assert (windows[:, :, 0] == hr).all(axis=(2, 3, 4)).any()


def test_patches_depend_on_the_image_and_its_name_alone(folder, path, tmp_path):
    config = StoreConfig("waifu2x-pytorch,level=1", 2, 32, patches=3)
    make_store(folder, path, config, jobs=1)
    make_store(folder, tmp_path / "other.sqlite", config, jobs=2)
    assert content(path) == content(tmp_path / "other.sqlite")


def test_grid_has_adjacent_patches(folder, path):
    images.write(folder / "wide.png", np.random.default_rng(1).integers(0, 256, (36, 100, 3), "uint8"))
    make_store(folder, path, StoreConfig("waifu2x-pytorch-v1", 2, 32, patches=2, grid=True), jobs=1)
    assert {name: len(pairs) for name, pairs in content(path).items() if name in ("wide.png", "a/0.png")} == {
        "wide.png": 2,  # of 3
        "a/0.png": 1,
    }
    places = [images.read(folder / "wide.png")[:32, left : left + 32] for left in (0, 32, 64)]
    for _, hr in content(path)["wide.png"]:
        assert any(np.array_equal(decode(hr), place) for place in places)


def test_patches_of_few_bytes_are_dropped_and_images_without_patches_are_named(folder, path):
    images.write(folder / "flat.png", np.full((40, 40, 3), 128, "uint8"))
    images.write(folder / "small.png", np.zeros((40, 31, 3), "uint8"))
    report = make_store(folder, path, StoreConfig("waifu2x-pytorch-v1", 2, 32, patches=3, min_bytes=300), jobs=1)
    assert [name for name, _ in report.left_out] == ["flat.png", "small.png"]
    assert report.left_out[0][1] == f"{folder / 'flat.png'}: has no patch of 32 x 32 of 300 bytes in LR"
    assert ask(path, "SELECT DISTINCT count, split IS NULL FROM images ORDER BY count") == [(0, 1), (3, 0)]


def test_large_images_are_downscaled_first(folder, path):
    make_store(folder, path, StoreConfig("waifu2x-pytorch-v1", 2, 32, patches=9, grid=True, longest=40), jobs=1)
    assert {len(pairs) for pairs in content(path).values()} == {1}


def test_unchanged_images_are_kept_changed_ones_redone_and_missing_ones_removed(folder, path):
    make_store(folder, path, PLAIN, jobs=1)
    before = content(path)
    (folder / "a" / "0.png").unlink()
    images.write(folder / "b" / "1.png", np.zeros((40, 50, 3), "uint8"))
    with pytest.raises(InputError, match=r"1 of its 6 images are no longer in .*, such as a/0\.png"):
        make_store(folder, path, PLAIN, jobs=1)
    report = make_store(folder, path, PLAIN, jobs=1, prune=True)
    assert (report.done, report.kept, report.removed) == (1, 4, 1)
    after = content(path)
    assert after.keys() == before.keys() - {"a/0.png"}
    assert [name for name in after if after[name] != before[name]] == ["b/1.png"]
    assert make_store(folder, path, PLAIN, jobs=1).kept == 5


def test_names_that_are_not_unicode_are_stored_and_found_again(folder, path):
    named = (folder / "a" / "0.png").rename(folder / "a" / os.fsdecode(b"caf\xe9.png"))
    assert make_store(folder, path, PLAIN, jobs=1).done == 6
    assert make_store(folder, path, PLAIN, jobs=1).kept == 6
    assert len(Stored(path, "train", 2, 4).rows) > 0
    named.rename(folder / "a" / "0.png")
    assert make_store(folder, path, PLAIN, jobs=1, prune=True).removed == 1


def test_store_made_with_another_config_is_not_touched(folder, path):
    make_store(folder, path, PLAIN, jobs=1)
    with pytest.raises(InputError, match=r"was made with patches 3, not 4. Choose another output file"):
        make_store(folder, path, StoreConfig("waifu2x-pytorch-v1,level=2", 2, 32, patches=4))


def test_broken_image_is_reported_and_the_others_are_done(folder, path):
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    report = make_store(folder, path, PLAIN, jobs=2)
    assert report.done == 6
    assert [source for source, _ in report.failed] == [folder / "broken.png"]


def test_split_is_by_image(folder, path):
    make_store(folder, path, PLAIN, valid="2", jobs=1)
    training, validation = (Stored(path, split, 2, 16) for split in ("train", "valid"))
    assert (len(training.rows), len(validation.rows)) == (4 * 3, 2 * 3)
    assert not set(training.rows) & set(validation.rows)
    assert len(Stored(path, "train", 2, 16, ids=range(2, 4)).rows) == 2 * 3


def test_folders_train_and_valid_are_the_split(folder, path):
    for old, new in (("a", "train"), ("b", "valid")):
        (folder / old).rename(folder / new)
    make_store(folder, path, PLAIN, jobs=1)
    assert set(ask(path, "SELECT substr(name, 1, 5), split FROM images")) == {("train", "train"), ("valid", "valid")}


def test_stored_batches_depend_on_seed_and_number_alone(folder, path):
    make_store(folder, path, StoreConfig("waifu2x-pytorch,level=1", 2, 32, patches=3), jobs=1)
    sampler = Sampler(Stored(path, "train", 2, lr_patch_size=10), batch_size=4, seed=5)
    forwards = [sampler.batch(k) for k in range(6)]
    with ThreadPoolExecutor(4) as threads:
        again = list(threads.map(Sampler(Stored(path, "train", 2, 10), 4, 5).batch, reversed(range(6))))
    for (lr, hr), (lr_again, hr_again) in zip(forwards, reversed(again), strict=True):
        np.testing.assert_array_equal(lr, lr_again)
        np.testing.assert_array_equal(hr, hr_again)
    assert forwards[0][0].shape == (4, 10, 10, 3) and forwards[0][1].shape == (4, 20, 20, 3)


def test_stored_patches_are_complete_and_aligned(folder, path):
    make_store(folder, path, PLAIN, jobs=1)
    source = Stored(path, "train", 2, lr_patch_size=16)
    recipe = degrade.parse("waifu2x-pytorch-v1,level=2", 2)
    for row in range(len(source.rows)):
        lr, hr = source.patch(row, 0, 0, 0, 0)
        np.testing.assert_array_equal(lr, recipe(hr, None))
    assert (source.positions == 1).all()


def test_unusable_store_is_rejected_with_the_reason(folder, path, tmp_path):
    make_store(folder, path, PLAIN, jobs=1)
    with pytest.raises(InputError, match="patches for scale 2, not 3"):
        Stored(path, "train", 3, 16)
    with pytest.raises(InputError, match="LR patches of 16 x 16, but lr_patch_size is 48"):
        Stored(path, "train", 2)
    with pytest.raises(InputError, match="has images 1-6, not 1-7"):
        Stored(path, "train", 2, 16, ids=range(1, 8))
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE about SET value = 0 WHERE key = 'complete'")
    with pytest.raises(InputError, match=r"is incomplete\. Run the same conversion again"):
        Stored(path, "train", 2, 16)
    (tmp_path / "text.sqlite").write_text("This is not a database. " * 100)
    with pytest.raises(InputError, match=r"text.sqlite: can't be used as a patch store: file is not a database"):
        Stored(tmp_path / "text.sqlite", "train", 2, 16)
    with pytest.raises(InputError, match=r"none.sqlite: can't be used as a patch store: unable to open"):
        Stored(tmp_path / "none.sqlite", "train", 2, 16)


def test_nobody_can_write_to_an_open_store(folder, path):
    make_store(folder, path, PLAIN, jobs=1)
    source = Stored(path, "train", 2, 16)
    with contextlib.closing(sqlite3.connect(path, timeout=0)) as db, pytest.raises(sqlite3.Error, match="locked"), db:
        db.execute("DELETE FROM patches")
    del source


def test_killed_run_leaves_a_valid_store_and_is_resumed(tmp_path):
    random = np.random.default_rng(0)
    images.write(tmp_path / "in" / "0.png", random.integers(0, 256, (100, 100, 3), "uint8"))
    for i in range(1, 300):
        os.link(tmp_path / "in" / "0.png", tmp_path / "in" / f"{i}.png")
    path = tmp_path / "killed.sqlite"
    config = StoreConfig("waifu2x-pytorch,level=1", 2, 64, 4, 300)
    command = [sys.executable, "-c", MAKE_STORE, tmp_path / "in", path, *map(str, dataclasses.astuple(config)[:5])]
    for at_least in (5, 30):  # killed twice
        running = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=REPOSITORY)
        while count(path) < at_least:
            assert running.poll() is None
            time.sleep(0.001)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        assert ask(path, "PRAGMA integrity_check") == [("ok",)]
        done = content(path)
        assert at_least <= len(done) < 300, "the kill came too late"
        assert {len(pairs) for pairs in done.values()} == {4}
        with pytest.raises(InputError, match="is incomplete"):
            Stored(path, "train", 2, 32)

    again = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=300)
    assert again.returncode == 0, again.stderr
    assert again.stdout.split() == [str(300 - len(done)), str(len(done))]
    assert ask(path, "PRAGMA integrity_check") == [("ok",)]
    make_store(tmp_path / "in", tmp_path / "undisturbed.sqlite", config, jobs=1)
    assert content(path) == content(tmp_path / "undisturbed.sqlite")


def count(path):
    """How many images the store has by now."""
    if not path.exists():
        return 0
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0)) as db:
            return db.execute("SELECT count(*) FROM images").fetchone()[0]
    except sqlite3.Error:  # no tables yet, or a transaction is being committed
        return 0


def test_image_that_vanishes_during_the_run_fails_alone(folder, tmp_path, monkeypatch):
    found = images.find(folder)
    monkeypatch.setattr(images, "find", lambda *_: [*found, folder / "gone.png"])
    report = make_store(folder, tmp_path / "store.sqlite", PLAIN, jobs=1)
    assert report.done == len(found)
    assert [path.name for path, _ in report.failed] == ["gone.png"]


def test_no_journal_beside_a_store_deletes_or_writes_another_file(folder, path, tmp_path):
    make_store(folder, path, PLAIN, jobs=1)
    diary, journal = tmp_path / "diary.txt", path.with_name("store.sqlite-journal")
    diary.write_text("Dear diary")
    journal.write_bytes(naming(diary, path))
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(path.read_bytes())
    copy.with_name("copy.sqlite-journal").write_bytes(naming(tmp_path / "victim", copy))
    (tmp_path / "victim").write_text("is deleted by SQLite itself, or the journal proves nothing")
    assert ask(copy, "SELECT count(*) FROM images") == [(6,)] and not (tmp_path / "victim").exists()

    def assert_refused(name):
        for use in (lambda: make_store(folder, path, PLAIN, jobs=1), lambda: Stored(path, "train", 2, 16)):
            with pytest.raises(InputError, match=f"{name}, which convert.py didn't make"):
                use()
        assert diary.read_text() == "Dear diary" and not (tmp_path / "new.txt").exists()

    assert_refused("store.sqlite-journal")
    journal.unlink()
    for name in ("store.sqlite-journal", "store.sqlite-wal", "store.sqlite-shm"):
        for target in (diary, tmp_path / "new.txt"):
            path.with_name(name).symlink_to(target)
            assert_refused(name)
            path.with_name(name).unlink()


def naming(file, path):
    """A journal of the database at `path` that names `file` as its super-journal: https://sqlite.org/fileformat2.html."""
    page = path.read_bytes()[: store_file.PAGE_BYTES]
    checksum = 5 + sum(page[at] for at in range(len(page) - 200, 0, -200))
    pages = path.stat().st_size // len(page)
    header = struct.pack(">8sIIIII", store_file.JOURNAL_END, 1, 5, pages, 512, len(page)).ljust(512, b"\0")
    name = os.fsencode(file)
    end = struct.pack(">I", 2**30 // len(page) + 1) + name + struct.pack(">II", len(name), sum(name))
    return header + struct.pack(">I", 1) + page + struct.pack(">I", checksum) + end + store_file.JOURNAL_END


@pytest.mark.parametrize(
    "statement, said",
    [
        ("CREATE TRIGGER t AFTER UPDATE ON images BEGIN DELETE FROM patches; END", "isn't a patch store"),
        ("DROP TABLE about; CREATE VIEW about AS SELECT 'complete' AS key, 1 AS value", "isn't a patch store"),
        ("DROP TABLE patches; CREATE TABLE patches (id INTEGER PRIMARY KEY, lr_img, hr_img)", "isn't a patch store"),
        ("PRAGMA journal_mode = WAL", "would write a log"),
        ("DELETE FROM about WHERE key = 'scale'", "is damaged"),
        ("UPDATE images SET count = 1000000000000", "list of images can't be right"),
        ("UPDATE images SET count = 'many'", "list of images can't be right"),
        ("UPDATE images SET first = 9223372036854775807", "list of images can't be right"),
        ("UPDATE images SET name = NULL", "list of images can't be right"),
        ("UPDATE images SET split = zeroblob(9)", "list of images can't be right"),
    ],
)
def test_a_store_that_no_conversion_made_is_refused_before_sqlite_does_what_it_says(folder, path, statement, said):
    make_store(folder, path, PLAIN, jobs=1)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(statement)
    before = path.read_bytes()
    for use in (lambda: make_store(folder, path, PLAIN, jobs=1), lambda: Stored(path, "train", 2, 16)):
        with pytest.raises(InputError, match=said):
            use()
    assert path.read_bytes() == before


@pytest.mark.parametrize("is_empty", [False, True])
def test_no_store_is_made_through_a_link(folder, path, tmp_path, is_empty):
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    if is_empty:
        (tmp_path / "elsewhere").touch()
    with pytest.raises(InputError, match="is a link to no store"):
        make_store(folder, path, PLAIN, jobs=1)
    assert [file.stat().st_size for file in tmp_path.glob("elsewhere")] == [0] * is_empty


def test_a_link_to_a_store_is_a_store(folder, path):
    make_store(folder, path, PLAIN, jobs=1)
    path.with_name("link.sqlite").symlink_to(path)
    assert make_store(folder, path.with_name("link.sqlite"), PLAIN, jobs=1).kept == 6


def test_a_database_of_another_program_is_not_touched(folder, path):
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url)")
    before = path.read_bytes()
    with pytest.raises(InputError, match="isn't a patch store"):
        make_store(folder, path, PLAIN, jobs=1)
    assert path.read_bytes() == before


def test_a_tree_without_end_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(store_file, "ENOUGH", 10**5)
    endless = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    with contextlib.closing(store_file.connect(tmp_path / "a.sqlite", "rwc")) as db:
        with pytest.raises(InputError, match="interrupted"), store_file.explained(tmp_path / "a.sqlite"):
            db.execute(endless)
        with store_file.transaction(db):
            db.execute("SELECT 1")


@pytest.mark.parametrize("patch", ["NULL", "'text'", "x'00'", "the LR patch"])
def test_a_damaged_patch_is_named_by_its_number(folder, path, patch):
    make_store(folder, path, PLAIN, jobs=1)
    change = "DELETE FROM patches" if patch == "NULL" else f"UPDATE patches SET hr_img = {patch}"
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute(change.replace("the LR patch", "lr_img"))  # of another size
    with pytest.raises(InputError, match=r"its patch \d+ is missing or damaged"):
        Stored(path, "train", 2, 16).patch(0, 0, 0, False, 0)


def test_a_store_that_was_refused_is_not_kept_locked(folder, path):
    make_store(folder, path, PLAIN, jobs=1)
    with pytest.raises(InputError) as refusal:
        Stored(path, "train", 3, 16)
    with contextlib.closing(sqlite3.connect(path, timeout=0)) as db, db:
        db.execute("DELETE FROM patches")
    assert refusal  # whose traceback holds the connection
