"""A store of patches in SQLite, for very many of them: LR and HR as PNG, made once (as yu45020/Waifu2x does it).

    about      key, value                how the patches were made
    pictures   name, split, bytes, mtime_ns, first, count
                                         a picture and the rows of its patches: `first` to `first + count - 1`
    patches    id, lr_img, hr_img        PNG

A picture and its patches are written in one transaction: a run that is killed is resumed behind its last picture.
"""

import contextlib
import dataclasses
import functools
import hashlib
import io
import sqlite3
import threading
import urllib.parse
import weakref
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from wdsr_tf import images
from wdsr_tf.data import degrade, make_pairs
from wdsr_tf.data.augment import augment, crop
from wdsr_tf.data.cache import Report, in_processes
from wdsr_tf.data.sources import degraded, hr_side, patch_shapes
from wdsr_tf.errors import InputError

PAGE_BYTES = 16384  # of the file: a patch then lies in few of them
TABLES = (
    "CREATE TABLE about (key TEXT PRIMARY KEY, value)",
    "CREATE TABLE pictures (name TEXT PRIMARY KEY, split TEXT, bytes INTEGER, mtime_ns INTEGER, "
    "first INTEGER, count INTEGER)",
    "CREATE TABLE patches (id INTEGER PRIMARY KEY, lr_img BLOB NOT NULL, hr_img BLOB NOT NULL)",
)


@dataclasses.dataclass(frozen=True)
class StoreConfig:
    """How the patches of a store are made.

    Attributes:
        degrade: the recipe, as `degrade.parse` reads it.
        scale: how many times as large HR is.
        hr_patch_size: side of an HR patch.
        patches: how many are tried, or at most taken where they form a grid, of each picture.
        min_bytes: those whose LR is less as PNG are dropped.
        grid: whether patches lie side by side rather than anywhere.
        active_cropping: the probability that a patch lies where of ten places most detail is.
        longest: pictures with a longer side are shrunk to it first; 0: none.
    """

    degrade: str
    scale: int = 2
    hr_patch_size: int = 256
    patches: int = 20
    min_bytes: int = 0
    grid: bool = False
    active_cropping: float = 0.0
    longest: int = 0

    def of(self, name, picture):
        """The patches (lr, hr) of one picture: a function of its name and pixels."""
        rng = np.random.Generator(np.random.Philox(key=int.from_bytes(hashlib.sha256(name.encode()).digest()[:16])))
        recipe = degrade.parse(self.degrade, self.scale)
        side = hr_side(recipe, self.hr_patch_size // self.scale)
        hr = degrade.limit_size(picture, self.longest) if self.longest else picture
        if min(hr.shape[:2]) < side:
            return
        if self.grid:
            places = degrade.grid(*hr.shape[:2], side, self.patches, rng)
        else:
            places = (degrade.active_crop(hr, side, 1, rng, self.active_cropping) for _ in range(self.patches))
        for top, left in places:
            lr, region = degraded(hr[top : top + side, left : left + side], recipe, rng)
            if not self.min_bytes or degrade.has_detail(lr, self.min_bytes):
                yield lr, region


def make_store(indir, path, config, valid=None, jobs=None):
    """Fills the store at `path` with patches of the pictures below `indir`; returns a Report.

    Pictures that are there already and have not changed are kept, and those that are gone are removed. The split is
    that of `make_pairs.make_pairs`. A store that was made in another way raises InputError.
    """
    indir, path = Path(indir), Path(path)
    if config.hr_patch_size % config.scale:
        raise InputError(f"--hr-patch-size {config.hr_patch_size} is no multiple of the scale, {config.scale}")
    degrade.parse(config.degrade, config.scale)
    sources = {file.relative_to(indir).as_posix(): (split, file) for split, _, file in make_pairs.find(indir)}
    make_pairs.split_up({name: (split, name) for name, (split, _) in sources.items()}, valid)  # refuses a wrong `valid`
    path.parent.mkdir(parents=True, exist_ok=True)
    with _errors_of(path), contextlib.closing(_connect(path, "rwc")) as db:
        _prepare(db, path, config)
        known = {name: rest for name, *rest in db.execute("SELECT name, bytes, mtime_ns FROM pictures")}
        gone = sorted(known.keys() - sources.keys())
        todo = [name for name, (_, file) in sources.items() if not file.is_file() or known.get(name) != _facts(file)]
        if gone or todo:
            with _transaction(db):
                db.execute("INSERT OR REPLACE INTO about VALUES ('complete', 0)")
                for name in gone:
                    _remove(db, name)
                    db.execute("DELETE FROM pictures WHERE name = ?", (name,))
        failed = []
        make = functools.partial(_make, config, indir)
        for name, (facts, patches, reason) in tqdm(
            in_processes(make, todo, jobs), total=len(todo), unit="picture", disable=not todo
        ):
            if reason:
                failed.append((sources[name][1], reason))
            else:
                _add(db, name, facts, patches)
        _finish(db, path, {name: split for name, (split, _) in sources.items()}, valid)
        empty = [name for (name,) in db.execute("SELECT name FROM pictures WHERE count = 0 ORDER BY name")]
    least = f" of {config.min_bytes} bytes in LR" if config.min_bytes else ""
    reason = f"holds no patch of {config.hr_patch_size} x {config.hr_patch_size}{least}"
    left_out = [(name, f"{indir / name}: {reason}") for name in empty]
    return Report(len(todo) - len(failed), len(sources) - len(todo), sorted(failed), left_out, len(gone))


def _prepare(db, path, config):
    """Makes the tables, or checks that they were made in the same way."""
    wanted = dataclasses.asdict(config)
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'about'").fetchone():
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        with _transaction(db):
            for table in TABLES:
                db.execute(table)
            db.executemany("INSERT INTO about VALUES (?, ?)", [*wanted.items(), ("complete", 0)])
    found = dict(db.execute("SELECT key, value FROM about"))
    other = [f"{key} {found.get(key)}, not {value}" for key, value in wanted.items() if found.get(key) != value]
    if other:
        raise InputError(f"{path}: was made with {'; '.join(other)}. Name another file with -o")


def _make(config, indir, name):
    """(facts of the picture, its patches as PNG, None), or (None, None, reason) where it cannot be read."""
    try:
        facts = _facts(indir / name)  # taken before it is read: a later change shows
        patches = config.of(name, images.read(indir / name))
        return facts, [tuple(map(_png, pair)) for pair in patches], None
    except InputError as error:
        return None, None, str(error)
    except OSError as error:  # a picture that vanished meanwhile
        return None, None, f"{indir / name}: {error}"


def _facts(path):
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _add(db, name, facts, patches):
    with _transaction(db):
        _remove(db, name)
        (first,) = db.execute("SELECT ifnull(max(id), 0) + 1 FROM patches").fetchone()
        db.executemany("INSERT INTO patches VALUES (?, ?, ?)", [(first + i, *pair) for i, pair in enumerate(patches)])
        db.execute("INSERT OR REPLACE INTO pictures VALUES (?, NULL, ?, ?, ?, ?)", (name, *facts, first, len(patches)))


def _remove(db, name):
    """Removes the patches of a picture."""
    for first, count in db.execute("SELECT first, count FROM pictures WHERE name = ?", (name,)).fetchall():
        db.execute("DELETE FROM patches WHERE id >= ? AND id < ?", (first, first + count))


def _finish(db, path, splits, valid):
    """Splits the pictures that have patches up, and marks the store as complete."""
    usable = [name for (name,) in db.execute("SELECT name FROM pictures WHERE count > 0")]
    if not usable:
        raise InputError(f"{path}: no picture gave a patch; try a smaller --hr-patch-size or --min-bytes")
    chosen = make_pairs.split_up({name: (splits[name], name) for name in usable}, valid)
    with _transaction(db):
        db.executemany(
            "UPDATE pictures SET split = ? WHERE name = ?", [(split, name) for split, name in chosen.values()]
        )
        db.execute("INSERT OR REPLACE INTO about VALUES ('complete', 1)")


class Stored:
    """Patches of one split of the store at `path`; a source as those of `wdsr_tf/data/sources.py`.

    `ids` count all pictures, sorted by name, from 1. Patches larger than `lr_patch_size` are cropped. While a source
    is open the store cannot be written to.
    """

    def __init__(self, path, split, scale, lr_patch_size=48, ids=None):
        self.lr_patch_size, self.scale = lr_patch_size, scale
        self.shapes = patch_shapes(lr_patch_size, scale)
        with _errors_of(path):
            self._db, self._lock = _connect(path, "ro", check_same_thread=False), threading.Lock()
            weakref.finalize(self, self._db.close)
            self._db.execute("BEGIN")  # one lock for all reading, so that nobody changes rows meanwhile
            about = dict(self._db.execute("SELECT key, value FROM about"))
            pictures = self._db.execute("SELECT split, first, count FROM pictures ORDER BY name").fetchall()
        if not about["complete"]:
            raise InputError(f"{path}: is not finished; run the same convert.py once more")
        if about["scale"] != scale:
            raise InputError(f"{path}: holds patches for --scale {about['scale']}, not {scale}")
        size = about["hr_patch_size"] // scale
        if size < lr_patch_size:
            raise InputError(f"{path}: holds LR patches of {size} x {size}; --lr-patch-size is {lr_patch_size}")
        if ids is None:
            chosen = [picture for picture in pictures if picture[0] == split]
        elif max(ids) > len(pictures) or min(ids) < 1:
            raise InputError(f"{path}: has pictures 1-{len(pictures)}, not {min(ids)}-{max(ids)}")
        else:
            chosen = [pictures[i - 1] for i in ids]
        self.rows = [first + i for _, first, count in chosen for i in range(count)]
        if not self.rows:
            raise InputError(f"{path}: the chosen pictures have no patch")
        self.positions = np.full((len(self.rows), 2), size - lr_patch_size + 1)

    def expect(self, choices):
        """Does nothing: a patch lies in few pages of one file."""

    def patch(self, row, top, left, flipped, turns, make_rng=None):
        with self._lock:
            found = self._db.execute("SELECT lr_img, hr_img FROM patches WHERE id = ?", (self.rows[row],)).fetchone()
        lr, hr = map(_decode, found)
        return augment(*crop(lr, hr, top, left, self.lr_patch_size, self.scale), flipped, turns)


def _connect(path, mode, **how):
    address = f"file:{urllib.parse.quote(str(path))}?mode={mode}"
    return sqlite3.connect(address, uri=True, isolation_level=None, **how)


@contextlib.contextmanager
def _errors_of(path):
    """What SQLite complains of becomes an InputError."""
    try:
        yield
    except sqlite3.Error as error:
        raise InputError(f"{path}: cannot be used as a store of patches: {error}") from error


@contextlib.contextmanager
def _transaction(db):
    """All or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _png(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def _decode(png):
    return np.asarray(Image.open(io.BytesIO(png)))
