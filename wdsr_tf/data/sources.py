"""Where training patches come from: pairs of pictures, or HR pictures of which LR is made on the fly.

A source has `shapes`, those of one pair of patches (LR, HR); `positions`, a row per picture: in how many places down
and across a patch can begin; `patch(picture, top, left, flipped, turns, make_rng)`, a pure function that returns uint8
(lr, hr), where `make_rng()` is the patch's own random generator; and `expect(choices)`, which is told of patches, each
by what `patch` takes up to `turns`, before they are asked for. `wdsr_tf/data/patches.py` has another source.
"""

import contextlib
import mmap
import os
from pathlib import Path

import numpy as np

from wdsr_tf.data import degrade, div2k
from wdsr_tf.data.augment import augment, crop
from wdsr_tf.errors import InputError

TRIES = 10  # patches that are looked at for one with enough detail


class Pairs:
    """Aligned patches of `pairs`, as `div2k.pairs` has checked them; pictures too small for one raise InputError."""

    def __init__(self, pairs, scale, lr_patch_size=48, arrays=None):
        self.pairs, self.scale, self.lr_patch_size = list(pairs), scale, lr_patch_size
        self.shapes = patch_shapes(lr_patch_size, scale)
        self.arrays = Arrays(files(self.pairs)) if arrays is None else arrays
        sizes = [self.arrays[pair.lr].shape[:2] for pair in self.pairs]
        named = zip(self.pairs, sizes, strict=True)
        small = [f"{pair.name} ({h} x {w})" for pair, (h, w) in named if min(h, w) < lr_patch_size]
        if small:
            raise InputError(
                f"an LR patch of {lr_patch_size} x {lr_patch_size} needs pictures at least as large; smaller in LR: "
                f"{', '.join(small)}. Leave them out, or take a smaller --lr-patch-size"
            )
        self.positions = np.array(sizes) - lr_patch_size + 1

    def expect(self, choices):
        for picture, top, *_ in choices:
            self.arrays.expect(self.pairs[picture].lr, top, self.lr_patch_size)
            self.arrays.expect(self.pairs[picture].hr, top * self.scale, self.lr_patch_size * self.scale)

    def patch(self, picture, top, left, flipped, turns, make_rng=None):
        pair = self.pairs[picture]
        lr, hr = crop(self.arrays[pair.lr], self.arrays[pair.hr], top, left, self.lr_patch_size, self.scale)
        return augment(lr.copy(), hr.copy(), flipped, turns)  # copies: a turned walk would touch a page per pixel


class Pictures:
    """Patches of HR pictures, with LR by a recipe of `degrade`: cropped, turned, shrunk, encoded, in this order.

    Where the recipe has a margin, HR patches are cut that much larger and the margin is cut off behind it. With
    `active_cropping` a patch lies, with that probability, where of ten places most detail is. With `min_bytes`, a patch
    whose LR has fewer bytes as PNG gives way to another of the same picture, at most nine times.

    Attributes:
        left_out: the `.npy` files whose pictures are too small for a patch.
    """

    def __init__(self, paths, recipe, lr_patch_size=48, arrays=None, min_bytes=0, active_cropping=0.0):
        paths = list(paths)
        self.recipe, self.min_bytes, self.active_cropping = recipe, min_bytes, active_cropping
        self.shapes = patch_shapes(lr_patch_size, recipe.scale)
        self.side = hr_side(recipe, lr_patch_size)
        self.arrays = Arrays(paths) if arrays is None else arrays
        sizes = {path: self.arrays[path].shape[:2] for path in paths}
        self.left_out = [path for path in paths if min(sizes[path]) < self.side]
        self.paths = [path for path in paths if min(sizes[path]) >= self.side]
        if not self.paths:
            raise InputError(
                f"none of {len(paths)} HR pictures holds a patch of {self.side} x {self.side} pixels, as {recipe.name} "
                f"x{recipe.scale} needs it; take a smaller --lr-patch-size"
            )
        self.positions = np.array([sizes[path] for path in self.paths]) - self.side + 1

    def expect(self, choices):
        if not self.active_cropping:  # which looks for a place of its own
            for picture, top, *_ in choices:
                self.arrays.expect(self.paths[picture], top, self.side)

    def patch(self, picture, top, left, flipped, turns, make_rng):
        hr, rng = self.arrays[self.paths[picture]], make_rng()
        for attempt in range(TRIES):
            if attempt or self.active_cropping:
                top, left = degrade.active_crop(hr, self.side, 1, rng, self.active_cropping)
            region = hr[top : top + self.side, left : left + self.side].copy()
            lr, region = degraded(augment(region, region, flipped, turns)[1], self.recipe, rng)
            if not self.min_bytes or degrade.has_detail(lr, self.min_bytes):
                break
        return lr, region


def patch_shapes(lr_patch_size, scale):
    """The shapes of a pair of patches: LR, HR."""
    return (lr_patch_size, lr_patch_size, 3), (lr_patch_size * scale, lr_patch_size * scale, 3)


def hr_side(recipe, lr_patch_size):
    """How much of HR `recipe` needs to see for an LR patch."""
    return recipe.scale * (lr_patch_size + 2 * recipe.margin)


def degraded(region, recipe, rng):
    """(lr, hr): what `recipe` makes of `region`, and the part of `region` that it shows."""
    cut = recipe.margin * recipe.scale
    return recipe(region, rng), region[cut : region.shape[0] - cut, cut : region.shape[1] - cut]


def files(pairs):
    """The files of all `pairs`."""
    return [path for pair in pairs for path in (pair.lr, pair.hr)]


class Arrays:
    """The arrays in `.npy` files, by path: `arrays[path]`.

    They are loaded whole if all fit in `memory_fraction` of the free memory (0: never), else they are memory maps, of
    which as many are kept open as the system allows.
    """

    def __init__(self, paths, memory_fraction=0.5):
        paths = list(dict.fromkeys(paths))
        if not paths:
            raise InputError("there is no picture to take patches from")
        kept = open_maps_allowed(len(paths))
        self._kept, total = {}, 0
        for path in paths:
            array = _open(path)
            total += array.nbytes
            if len(self._kept) < kept:
                self._kept[path] = array
        self.in_memory = total <= memory_fraction * free_memory()
        if self.in_memory:
            self._kept = {path: np.array(_open(path)) for path in paths}

    def __getitem__(self, path):
        array = self._kept.get(path)
        return _open(path) if array is None else array

    def expect(self, path, first, rows):
        """Has the system read these rows of a memory map from disk, without waiting for them.

        A page that is touched before it is there costs the disk's latency, one after the other; pages that are asked
        for together come together.
        """
        if not self.in_memory:
            _read_ahead(self[path], first, rows)


def _open(path):
    """The memory map as a plain array, of which slices are cheaper than those of `np.memmap`."""
    return np.asarray(div2k.load(path))


def _read_ahead(array, first, rows):
    """Asks for the pages of `rows` rows from `first` on of what `_open` returned, where the system can be asked."""
    mapped = array.base
    if isinstance(mapped, np.memmap) and hasattr(mmap, "MADV_WILLNEED"):
        start = mapped.offset % mmap.ALLOCATIONGRANULARITY + first * array.strides[0]
        page = start // mmap.PAGESIZE * mmap.PAGESIZE
        mapped.base.madvise(mmap.MADV_WILLNEED, page, start + rows * array.strides[0] - page)


def open_maps_allowed(wanted):
    """How many memory maps may stay open; raises this process's soft limit of open files where that helps.

    Each map holds a file descriptor, and the usual soft limit of 1,024 is less than the 1,600 pictures of DIV2K.
    """
    with contextlib.suppress(ImportError):  # Windows has no such limit
        import resource

        reserve = 256  # for everything else in the process
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY and soft < wanted + reserve:
            target = wanted + reserve if hard == resource.RLIM_INFINITY else min(wanted + reserve, hard)
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
                soft = target
        if soft != resource.RLIM_INFINITY:
            wanted = min(wanted, max(0, soft - reserve))
    return min(wanted, 60_000)  # Linux allows a process some 65,530 mappings


def free_memory(proc=Path("/proc/meminfo"), group=Path("/sys/fs/cgroup")):
    """Bytes that this machine, or the container around this process, has left; 0 where nothing tells."""
    free = 0
    with contextlib.suppress(OSError, ValueError, AttributeError):
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, ValueError, KeyError):
        lines = dict(line.split(":") for line in proc.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    with contextlib.suppress(OSError, ValueError):  # ValueError: the limit is "max"
        free = min(free, int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    return free
