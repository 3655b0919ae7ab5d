"""A patch store: very many pairs of LR and HR patches as PNG in one SQLite file (the idea is yu45020/Waifu2x's).

    about      key, value                the StoreConfig, and whether the store is complete
    images     name, split, bytes, mtime_ns, first, count
                                         an image and the rows of its patches: `first` to `first + count - 1`
    patches    id, lr_img, hr_img        PNG

An image and its patches are written in one transaction, so an interrupted run is resumed after its last image.
"""

import contextlib
import dataclasses
import functools
import hashlib
import io
import os
import sqlite3
import threading
import urllib.parse
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from wdsr_tf import images
from wdsr_tf.data import degrade
from wdsr_tf.data.augment import augment, crop
from wdsr_tf.data.cache import Report, in_processes, may_remove
from wdsr_tf.data.pairs import choose_split, find_split
from wdsr_tf.data.sources import hr_side, patch_shapes
from wdsr_tf.errors import InputError

PAGE_BYTES = 16384  # so large that a patch needs few pages of the file
TABLES = (
    "CREATE TABLE about (key TEXT PRIMARY KEY, value)",
    "CREATE TABLE images (name TEXT PRIMARY KEY, split TEXT, bytes INTEGER, mtime_ns INTEGER, "
    "first INTEGER, count INTEGER)",
    "CREATE TABLE patches (id INTEGER PRIMARY KEY, lr_img BLOB NOT NULL, hr_img BLOB NOT NULL)",
)


@dataclasses.dataclass(frozen=True)
class StoreConfig:
    """How the patches of a store are made.

    Args:
        degrade: the degradation that makes LR, such as "waifu2x-pytorch,level=1"; see `degrade.recipe`.
        scale: HR size divided by LR size.
        hr_patch_size: side of an HR patch in pixels; a multiple of `scale`.
        patches: number of patches to try in each image; with `grid`, the most to keep.
        min_bytes: drops patches whose LR has fewer bytes as PNG. 0 keeps all.
        grid: whether patches are adjacent instead of random.
        active_cropping: probability, 0..1, that a patch is the most detailed one of ten random places.
        longest: downscales images with a longer side, in pixels, to it first. 0 doesn't.
    """

    degrade: str
    scale: int = 2
    hr_patch_size: int = 256
    patches: int = 20
    min_bytes: int = 0
    grid: bool = False
    active_cropping: float = 0.0
    longest: int = 0

    def cut(self, name: str, image: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields the patches (lr, hr) of one image; they depend on its name and pixels alone."""
        rng = np.random.Generator(np.random.Philox(key=int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:16])))
        recipe = degrade.parse(self.degrade, self.scale)
        side = hr_side(recipe, self.hr_patch_size // self.scale)
        hr = degrade.limit_size(image, self.longest) if self.longest else image
        if min(hr.shape[:2]) < side:
            return
        if self.grid:
            places = degrade.grid(*hr.shape[:2], side, self.patches, rng)
        else:
            places = (degrade.active_crop(hr, side, 1, rng, self.active_cropping) for _ in range(self.patches))
        for top, left in places:
            lr, target = recipe.pair(hr[top : top + side, left : left + side], rng)
            if not self.min_bytes or degrade.has_detail(lr, self.min_bytes):
                yield lr, target


def make_store(
    indir: Path | str,
    path: Path | str,
    config: StoreConfig,
    valid: str | int | float | None = None,
    jobs: int | None = None,
    progress: bool = True,
    prune: bool = False,
) -> Report:
    """Makes or updates a patch store.

    Patches of images that haven't changed are kept, and those of images that are gone are removed, if these are at most
    a tenth.

    Args:
        indir: folder of images, searched recursively. If it has folders `train` and `valid`, they are the split.
        path: the SQLite file.
        config: how patches are made.
        valid: number or share of the validation images, as in `make_pairs`.
        jobs: number of processes. Default: one per core that this process may use.
        progress: whether to show a progress bar on stderr.
        prune: whether to remove the patches of images that are gone however many they are.

    Returns:
        A `Report`, which names the images that failed or gave no patch.

    Raises:
        InputError: if no image gives a patch, if the store was made with another config, if more than a tenth of its
            images are gone and `prune` isn't set, or if SQLite can't use it.
    """
    indir, path = Path(indir), Path(path)
    if config.hr_patch_size % config.scale:
        raise InputError(f"hr_patch_size {config.hr_patch_size} isn't a multiple of the scale, {config.scale}.")
    config = dataclasses.replace(config, degrade=degrade.canonical(config.degrade))
    degrade.parse(config.degrade, config.scale)
    found, left_out = find_split(indir)
    sources = {file.relative_to(indir).as_posix(): (split, file) for split, _, file in found}
    choose_split({name: (split, name) for name, (split, _) in sources.items()}, valid)  # rejects a wrong `valid`
    path.parent.mkdir(parents=True, exist_ok=True)
    with _sqlite_errors(path), contextlib.closing(_connect(path, "rwc")) as db:
        _prepare(db, path, config)
        recorded = {_name(name): rest for name, *rest in db.execute("SELECT name, bytes, mtime_ns FROM images")}
        gone = sorted(recorded.keys() - sources.keys())
        if not (prune or may_remove(len(gone), len(recorded))):
            raise InputError(
                f"{path}: {len(gone)} of its {len(recorded)} images are no longer in {indir}, such as {gone[0]}. If "
                "they are meant to be removed, set prune (--prune)."
            )
        todo = [name for name, (_, file) in sources.items() if not file.is_file() or recorded.get(name) != _facts(file)]
        if gone or todo:
            with _transaction(db):
                db.execute("INSERT OR REPLACE INTO about VALUES ('complete', 0)")
                for name in gone:
                    _remove(db, name)
                    db.execute("DELETE FROM images WHERE name = ?", (_key(name),))
        failed = []
        make = functools.partial(_make, config, indir)
        for name, (facts, patches, reason) in in_processes(make, todo, jobs, progress):
            if reason:
                failed.append((sources[name][1], reason))
            else:
                _add(db, name, facts, patches)
        _finish(db, path, {name: split for name, (split, _) in sources.items()}, valid)
        empty = [_name(name) for (name,) in db.execute("SELECT name FROM images WHERE count = 0 ORDER BY name")]
    least = f" of {config.min_bytes} bytes in LR" if config.min_bytes else ""
    reason = f"has no patch of {config.hr_patch_size} x {config.hr_patch_size}{least}"
    left_out += [(name, f"{indir / name}: {reason}") for name in empty]
    return Report(len(todo) - len(failed), len(sources) - len(todo), sorted(failed), left_out, len(gone))


def _prepare(db, path, config):
    """Creates the tables, or checks that they were made with the same config."""
    expected = dataclasses.asdict(config)
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'about'").fetchone():
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        with _transaction(db):
            for table in TABLES:
                db.execute(table)
            db.executemany("INSERT INTO about VALUES (?, ?)", [*expected.items(), ("complete", 0)])
    found = dict(db.execute("SELECT key, value FROM about"))
    other = [f"{key} {found.get(key)}, not {value}" for key, value in expected.items() if found.get(key) != value]
    if other:
        raise InputError(f"{path}: was made with {'; '.join(other)}. Choose another output file.")


def _make(config, indir, name):
    """(facts of the image, its patches as PNG, None), or (None, None, reason) if it can't be read."""
    try:
        facts = _facts(indir / name)  # before reading, so that a later change is noticed
        patches = config.cut(name, images.read(indir / name))
        return facts, [tuple(map(degrade.png, pair)) for pair in patches], None
    except InputError as error:
        return None, None, str(error)
    except OSError as error:  # for example, the image vanished
        return None, None, f"{indir / name}: {error}"


def _key(name):
    """How a file name is stored: as text, or as bytes if it isn't valid Unicode."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name)
    return name


def _name(key):
    return os.fsdecode(key) if isinstance(key, bytes) else key


def _facts(path):
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _add(db, name, facts, patches):
    with _transaction(db):
        _remove(db, name)
        (first,) = db.execute("SELECT ifnull(max(id), 0) + 1 FROM patches").fetchone()
        db.executemany("INSERT INTO patches VALUES (?, ?, ?)", [(first + i, *pair) for i, pair in enumerate(patches)])
        db.execute(
            "INSERT OR REPLACE INTO images VALUES (?, NULL, ?, ?, ?, ?)", (_key(name), *facts, first, len(patches))
        )


def _remove(db, name):
    """Removes the patches of an image."""
    for first, count in db.execute("SELECT first, count FROM images WHERE name = ?", (_key(name),)).fetchall():
        db.execute("DELETE FROM patches WHERE id >= ? AND id < ?", (first, first + count))


def _finish(db, path, splits, valid):
    """Splits the images that have patches, and marks the store as complete."""
    usable = [_name(name) for (name,) in db.execute("SELECT name FROM images WHERE count > 0")]
    if not usable:
        raise InputError(f"{path}: no image gave a patch. Try a smaller hr_patch_size or min_bytes.")
    chosen = choose_split({name: (splits[name], name) for name in usable}, valid)
    with _transaction(db):
        db.executemany(
            "UPDATE images SET split = ? WHERE name = ?", [(split, _key(name)) for split, name in chosen.values()]
        )
        db.execute("INSERT OR REPLACE INTO about VALUES ('complete', 1)")


class Stored:
    """The patches of one split of a store, as a source like those of `wdsr_tf/data/sources.py`.

    While it is open, nobody can write to the store.

    Args:
        path: the store.
        split: "train" or "valid".
        scale: HR size divided by LR size; must be the store's.
        lr_patch_size: larger patches are cropped to this side, in pixels.
        ids: images by their positions, from 1, in the sorted list of names of both splits. Default: those of `split`.

    Raises:
        InputError: if the store is incomplete, has another scale or smaller patches, or lacks these images.
    """

    def __init__(
        self, path: Path | str, split: str, scale: int, lr_patch_size: int = 48, ids: Sequence[int] | None = None
    ):
        self.lr_patch_size, self.scale = lr_patch_size, scale
        self.shapes = patch_shapes(lr_patch_size, scale)
        with _sqlite_errors(path):
            self._db, self._lock = _connect(path, "ro", check_same_thread=False), threading.Lock()
            weakref.finalize(self, self._db.close)
            self._db.execute("BEGIN")  # one lock for all reading, so that nobody changes rows in between
            about = dict(self._db.execute("SELECT key, value FROM about"))
            stored = self._db.execute("SELECT split, first, count FROM images ORDER BY name").fetchall()
        if not about["complete"]:
            raise InputError(f"{path}: the store is incomplete. Run the same conversion again to finish it.")
        if about["scale"] != scale:
            raise InputError(f"{path}: the store has patches for scale {about['scale']}, not {scale}.")
        size = about["hr_patch_size"] // scale
        if size < lr_patch_size:
            raise InputError(
                f"{path}: the store has LR patches of {size} x {size}, but lr_patch_size is {lr_patch_size}."
            )
        if ids is None:
            chosen = [image for image in stored if image[0] == split]
        elif max(ids) > len(stored) or min(ids) < 1:
            raise InputError(f"{path}: the store has images 1-{len(stored)}, not {min(ids)}-{max(ids)}.")
        else:
            chosen = [stored[i - 1] for i in ids]
        self.rows = [first + i for _, first, count in chosen for i in range(count)]
        if not self.rows:
            raise InputError(f"{path}: the chosen images have no patch.")
        self.positions = np.full((len(self.rows), 2), size - lr_patch_size + 1)

    def expect(self, choices) -> None:
        """Does nothing, because a patch needs few pages of one file."""

    def patch(self, row, top, left, flipped, turns, make_rng=None):
        with self._lock:
            found = self._db.execute("SELECT lr_img, hr_img FROM patches WHERE id = ?", (self.rows[row],)).fetchone()
        lr, hr = map(_decode, found)
        return augment(*crop(lr, hr, top, left, self.lr_patch_size, self.scale), flipped, turns)


def lr_side(path: Path | str) -> int:
    """Returns the side of a store's LR patches in pixels."""
    with _sqlite_errors(path), contextlib.closing(_connect(path, "ro")) as db:
        about = dict(db.execute("SELECT key, value FROM about"))
    return about["hr_patch_size"] // about["scale"]


def _connect(path, mode, **options):
    address = f"file:{urllib.parse.quote(os.fsencode(path))}?mode={mode}"
    return sqlite3.connect(address, uri=True, isolation_level=None, **options)


@contextlib.contextmanager
def _sqlite_errors(path):
    """Turns SQLite's errors into InputErrors that name the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise InputError(f"{path}: can't be used as a patch store: {error}") from error


@contextlib.contextmanager
def _transaction(db):
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _decode(png):
    return np.asarray(Image.open(io.BytesIO(png)))
