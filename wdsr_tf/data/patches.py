"""A patch store: very many pairs of LR and HR patches as PNG in one SQLite file (the idea is yu45020/Waifu2x's).

    about      key, value                the StoreConfig, and whether the store is complete
    images     name, split, bytes, mtime_ns, first, count
                                         an image and the rows of its patches: `first` to `first + count - 1`
    patches    id, lr_img, hr_img        PNG

Stores are handed on, so `store_file` opens them, and what they say of themselves is checked before it's used.
An image and its patches are written in one transaction, so an interrupted run is resumed after its last image.
"""

import contextlib
import dataclasses
import functools
import hashlib
import io
import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from wdsr_tf import images
from wdsr_tf.data import degrade, store_file
from wdsr_tf.data.augment import augment, crop
from wdsr_tf.data.cache import Report, may_remove
from wdsr_tf.data.div2k import SPLITS
from wdsr_tf.data.pairs import choose_split, find_split
from wdsr_tf.data.pool import in_processes
from wdsr_tf.data.sources import hr_side, patch_shapes
from wdsr_tf.errors import InputError, line

LARGEST = 2**62  # number that a store has
SMALLEST = 128  # bytes of a pair of patches: an empty PNG has 67


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
    with store_file.explained(path), contextlib.closing(store_file.connect(path, "rwc")) as db:
        _prepare(db, path, config)
        recorded = {_name(image.key): [image.bytes, image.mtime_ns] for image in _images(db, path)}
        gone = sorted(recorded.keys() - sources.keys())
        if not (prune or may_remove(len(gone), len(recorded))):
            raise InputError(
                f"{path}: {len(gone)} of its {len(recorded)} images are no longer in {indir}, such as {gone[0]}. If "
                "they are meant to be removed, set prune (--prune)."
            )
        todo = [name for name, (_, file) in sources.items() if not file.is_file() or recorded.get(name) != _facts(file)]
        if gone or todo:
            with store_file.transaction(db):
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
                _add(db, path, name, facts, patches)
        _finish(db, path, {name: split for name, (split, _) in sources.items()}, valid)
        empty = [_name(name) for (name,) in db.execute("SELECT name FROM images WHERE count = 0 ORDER BY name")]
    least = f" of {config.min_bytes} bytes in LR" if config.min_bytes else ""
    reason = f"has no patch of {config.hr_patch_size} x {config.hr_patch_size}{least}"
    left_out += [(name, f"{indir / name}: {reason}") for name in empty]
    return Report(len(todo) - len(failed), len(sources) - len(todo), sorted(failed), left_out, len(gone))


def _prepare(db, path, config):
    """Records the config in a new store, or checks that the store was made with the same one."""
    expected = dataclasses.asdict(config)
    found = _about(db, path)
    if not found:
        with store_file.transaction(db):
            db.executemany("INSERT INTO about VALUES (?, ?)", [*expected.items(), ("complete", 0)])
        return
    other = [f"{key} {line(found.get(key))}, not {value}" for key, value in expected.items() if found.get(key) != value]
    if other:
        raise InputError(f"{path}: was made with {'; '.join(other)}. Choose another output file.")


def _about(db, path):
    """{key: value} of the table `about`; empty in a new store."""
    known = {field.name for field in dataclasses.fields(StoreConfig)} | {"complete"}
    rows = db.execute("SELECT key, value FROM about LIMIT 100").fetchall()
    is_odd = any(isinstance(value, bytes) for _, value in rows)
    if rows and (is_odd or len(rows) > len(known) or {key for key, _ in rows} != known):
        raise InputError(f"{path}: isn't a patch store of this version, or is damaged. Choose another file.")
    return dict(rows)


def _images(db, path):
    """The `_Image`s of a store, by name. Raises InputError if it can't hold what they say."""
    left = Path(path).stat().st_size
    found = []
    for row in db.execute("SELECT name, split, bytes, mtime_ns, first, count FROM images"):
        image = _Image(*row)
        if not image.is_plausible():
            left = -1
        else:
            left -= len(image.key) + SMALLEST * image.count
            found.append(image)
        if left < 0:
            raise InputError(f"{path}: is damaged: its list of images can't be right. Choose another file.")
    return sorted(found, key=lambda image: _order(image.key))


class _Image(NamedTuple):
    """A row of the table `images`."""

    key: str | bytes
    split: str | None
    bytes: int
    mtime_ns: int
    first: int
    count: int

    def is_plausible(self):
        numbers = all(type(number) is int and 0 <= number < LARGEST for number in self[2:])
        return numbers and isinstance(self.key, str | bytes) and self.split in (None, *SPLITS)


def _order(key):
    """Sorts keys as SQLite does: text before bytes, and each by its bytes."""
    return isinstance(key, bytes), os.fsencode(_name(key))


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


def _add(db, path, name, facts, patches):
    with store_file.transaction(db):
        _remove(db, name)
        (first,) = db.execute("SELECT ifnull(max(id), 0) + 1 FROM patches").fetchone()
        if not 0 < first < LARGEST:
            raise InputError(f"{path}: is damaged: its patches have impossible numbers. Choose another file.")
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
    with store_file.transaction(db):
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
        self.path, self.lr_patch_size, self.scale = path, lr_patch_size, scale
        self.shapes = patch_shapes(lr_patch_size, scale)
        with store_file.explained(path):
            self._db, self._lock = store_file.connect(path, "ro", check_same_thread=False), threading.Lock()
        weakref.finalize(self, self._db.close)
        try:
            self._choose(split, ids)
        except BaseException:
            self._db.close()  # at once, so that others can write again
            raise

    def _choose(self, split, ids):
        """Finds the rows of the chosen images after checking what the store says of itself."""
        path, scale, lr_patch_size = self.path, self.scale, self.lr_patch_size
        with store_file.explained(path):
            self._db.execute("BEGIN")  # one lock for all reading, so that nobody changes rows in between
            about, stored = _about(self._db, path), _images(self._db, path)
            self._db.set_progress_handler(None, 0)
        stored_scale, size = _scale_and_side(about, path)
        if not about["complete"]:
            raise InputError(f"{path}: the store is incomplete. Run the same conversion again to finish it.")
        if stored_scale != scale:
            raise InputError(f"{path}: the store has patches for scale {stored_scale}, not {scale}.")
        self._size = size
        if size < lr_patch_size:
            raise InputError(
                f"{path}: the store has LR patches of {size} x {size}, but lr_patch_size is {lr_patch_size}."
            )
        if ids is None:
            chosen = [image for image in stored if image.split == split]
        elif max(ids) > len(stored) or min(ids) < 1:
            raise InputError(f"{path}: the store has images 1-{len(stored)}, not {min(ids)}-{max(ids)}.")
        else:
            chosen = [stored[i - 1] for i in ids]
        self.rows = [first + i for *_, first, count in chosen for i in range(count)]
        if not self.rows:
            raise InputError(f"{path}: the chosen images have no patch.")
        self.positions = np.full((len(self.rows), 2), size - lr_patch_size + 1)

    def expect(self, choices) -> None:
        """Does nothing, because a patch needs few pages of one file."""

    def patch(self, row, top, left, flipped, turns, make_rng=None):
        with self._lock, store_file.explained(self.path):
            found = self._db.execute("SELECT lr_img, hr_img FROM patches WHERE id = ?", (self.rows[row],)).fetchone()
        try:
            lr, hr = _decode(found[0], self._size), _decode(found[1], self._size * self.scale)
        except Exception as error:  # Pillow raises all kinds of exceptions on a broken PNG
            raise InputError(f"{self.path}: its patch {self.rows[row]} is missing or damaged.") from error
        return augment(*crop(lr, hr, top, left, self.lr_patch_size, self.scale), flipped, turns)


def lr_side(path: Path | str) -> int:
    """Returns the side of a store's LR patches in pixels."""
    with store_file.explained(path), contextlib.closing(store_file.connect(path, "ro")) as db:
        return _scale_and_side(_about(db, path), path)[1]


def _scale_and_side(about, path):
    """The scale of a store, and the side of its LR patches."""
    scale, hr_side = sizes = about.get("scale"), about.get("hr_patch_size")
    if not all(type(size) is int and 0 < size < 2**31 for size in sizes):
        raise InputError(f"{path}: is damaged: its patches have no size. Choose another file.")
    return scale, hr_side // scale


def _decode(png, side):
    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        if image.size != (side, side) or image.mode != "RGB":
            raise ValueError
        return np.asarray(image)
