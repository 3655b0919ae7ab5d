"""Sources of training patches: pairs of images, or HR images from which LR is made on the fly.

A source has
    shapes     of one pair of patches (LR, HR)
    positions  a row per image: the number of rows and columns at which a patch can begin
    patch(index, top, left, flipped, turns, make_rng)
               a pure function that returns uint8 (lr, hr); `make_rng()` is the patch's own random generator
    expect(choices)
               announces patches, each by the arguments of `patch` up to `turns`, before they are requested
`wdsr_tf/data/patches.py` has another source.
"""

import contextlib
import mmap
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from wdsr_tf.data import degrade, div2k
from wdsr_tf.data.augment import augment, crop
from wdsr_tf.data.variations import NONE, Variations, half_size
from wdsr_tf.errors import InputError

TRIES = 10  # patches to try for one with enough detail


class Pairs:
    """Aligned patches of LR and HR images.

    Args:
        pairs: as `div2k.pairs` returns them.
        scale: HR size divided by LR size.
        lr_patch_size: side of an LR patch in pixels.
        arrays: the images' `Arrays`. Default: loaded here.

    Raises:
        InputError: if an image is too small for a patch.
    """

    def __init__(
        self, pairs: Iterable[div2k.Pair], scale: int, lr_patch_size: int = 48, arrays: "Arrays | None" = None
    ):
        self.pairs, self.scale, self.lr_patch_size = list(pairs), scale, lr_patch_size
        self.shapes = patch_shapes(lr_patch_size, scale)
        self.arrays = Arrays(files(self.pairs)) if arrays is None else arrays
        sizes = [self.arrays[pair.lr].shape[:2] for pair in self.pairs]
        named = zip(self.pairs, sizes, strict=True)
        small = [f"{pair.name} ({h} x {w})" for pair, (h, w) in named if min(h, w) < lr_patch_size]
        if small:
            raise InputError(
                f"LR patches of {lr_patch_size} x {lr_patch_size} don't fit into these LR images: {', '.join(small)}. "
                "Leave them out, or use a smaller lr_patch_size."
            )
        self.positions = np.array(sizes) - lr_patch_size + 1

    def expect(self, choices):
        for index, top, *_ in choices:
            self.arrays.expect(self.pairs[index].lr, top, self.lr_patch_size)
            self.arrays.expect(self.pairs[index].hr, top * self.scale, self.lr_patch_size * self.scale)

    def patch(self, index, top, left, flipped, turns, make_rng=None):
        pair = self.pairs[index]
        lr, hr = crop(self.arrays[pair.lr], self.arrays[pair.hr], top, left, self.lr_patch_size, self.scale)
        return augment(
            lr.copy(), hr.copy(), flipped, turns
        )  # copies: reading a rotated view would touch a page per pixel


class HRImages:
    """Patches of HR images with LR made on the fly: cropped, rotated, varied, downscaled and compressed, in this order.

    Args:
        paths: `.npy` files.
        recipe: makes LR. If it has a margin, HR patches are cropped that much larger, and the margin is removed last.
        lr_patch_size: side of an LR patch in pixels.
        arrays: the images' `Arrays`. Default: loaded here.
        min_bytes: a patch whose LR has fewer bytes as PNG is replaced by another of the same image, at most nine times.
        active_cropping: probability, 0..1, that a patch is the most detailed one of ten random places.
        variations: what else may happen to HR before LR is made. Only images at least twice as large as a patch are
            halved; of those, active cropping judges the detail before.

    Attributes:
        left_out: the files whose images are too small for a patch.

    Raises:
        InputError: if all images are too small for a patch.
    """

    def __init__(
        self,
        paths: Iterable[Path],
        recipe: degrade.Recipe,
        lr_patch_size: int = 48,
        arrays: "Arrays | None" = None,
        min_bytes: int = 0,
        active_cropping: float = 0.0,
        variations: Variations = NONE,
    ):
        paths = list(paths)
        self.recipe, self.min_bytes, self.active_cropping = recipe, min_bytes, active_cropping
        self.variations = variations
        self.shapes = patch_shapes(lr_patch_size, recipe.scale)
        self.side = hr_side(recipe, lr_patch_size)
        self.arrays = Arrays(paths) if arrays is None else arrays
        sizes = {path: self.arrays[path].shape[:2] for path in paths}
        self.left_out = [path for path in paths if min(sizes[path]) < self.side]
        self.paths = [path for path in paths if min(sizes[path]) >= self.side]
        if not self.paths:
            raise InputError(
                f"None of {len(paths)} HR images has a patch of {self.side} x {self.side} pixels, which {recipe.name} "
                f"x{recipe.scale} needs. Use a smaller lr_patch_size."
            )
        self.positions = np.array([sizes[path] for path in self.paths]) - self.side + 1

    def expect(self, choices):
        if not self.active_cropping:  # it chooses another place
            for index, top, *_ in choices:
                self.arrays.expect(self.paths[index], top, self.side)

    def patch(self, index, top, left, flipped, turns, make_rng):
        hr, rng = self.arrays[self.paths[index]], make_rng()
        for attempt in range(TRIES):
            halved = self.variations.halves(rng) and min(hr.shape[:2]) >= 2 * self.side
            side = 2 * self.side if halved else self.side
            if attempt or halved or self.active_cropping:
                top, left = degrade.active_crop(hr, side, 1, rng, self.active_cropping)
            region = hr[top : top + side, left : left + side].copy()
            region = half_size(region, rng) if halved else region
            region = self.variations(augment(region, region, flipped, turns)[1], rng)
            lr, target = self.recipe.pair(region, rng)
            if not self.min_bytes or degrade.has_detail(lr, self.min_bytes):
                break
        return lr, target


def patch_shapes(lr_patch_size: int, scale: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Returns the shapes of a pair of patches (LR, HR)."""
    return (lr_patch_size, lr_patch_size, 3), (lr_patch_size * scale, lr_patch_size * scale, 3)


def hr_side(recipe: degrade.Recipe, lr_patch_size: int) -> int:
    """Returns the side of the HR region that `recipe` needs for an LR patch."""
    return recipe.scale * (lr_patch_size + 2 * recipe.margin)


def files(pairs: Iterable[div2k.Pair]) -> list[Path]:
    """Returns the files of all `pairs`."""
    return [path for pair in pairs for path in (pair.lr, pair.hr)]


class Arrays:
    """The arrays in `.npy` files, by path: `arrays[path]`.

    They are loaded if all fit in `memory_fraction` of the free memory (0 never does). Otherwise they are memory maps,
    and as many as the system allows are kept open.
    """

    def __init__(self, paths: Sequence[Path], memory_fraction: float = 0.5):
        paths = list(dict.fromkeys(paths))
        if not paths:
            raise InputError("There are no images to take patches from.")
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

    def expect(self, path: Path, first: int, rows: int) -> None:
        """Tells the system to read `rows` rows of a memory map from disk, from `first` on, and doesn't wait for them.

        Touching pages that aren't in memory costs the disk's latency for each; requested together, they come together.
        """
        if not self.in_memory:
            _read_ahead(self[path], first, rows)


def _open(path):
    """The memory map as a plain array, whose slices are cheaper than those of `np.memmap`."""
    return np.asarray(div2k.load(path))


def _read_ahead(array, first, rows):
    """Requests the pages of `rows` rows of what `_open` returned, if the system supports it."""
    mapped = array.base
    if isinstance(mapped, np.memmap) and hasattr(mmap, "MADV_WILLNEED"):
        start = mapped.offset % mmap.ALLOCATIONGRANULARITY + first * array.strides[0]
        page = start // mmap.PAGESIZE * mmap.PAGESIZE
        mapped.base.madvise(mmap.MADV_WILLNEED, page, start + rows * array.strides[0] - page)


def open_maps_allowed(desired: int) -> int:
    """Returns how many memory maps may stay open; raises this process's soft limit of open files if that helps.

    Each map needs a file descriptor, and the usual soft limit of 1,024 is less than the 1,600 images of DIV2K.
    """
    with contextlib.suppress(ImportError):  # Windows has no such limit
        import resource

        reserve = 256  # for everything else in the process
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY and soft < desired + reserve:
            target = desired + reserve if hard == resource.RLIM_INFINITY else min(desired + reserve, hard)
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
                soft = target
        if soft != resource.RLIM_INFINITY:
            desired = min(desired, max(0, soft - reserve))
    return min(desired, 60_000)  # Linux allows about 65,530 mappings per process


def free_memory(proc: Path = Path("/proc/meminfo"), group: Path = Path("/sys/fs/cgroup")) -> int:
    """Returns the bytes that this machine, or this process's container, has left; 0 if that's unknown."""
    free = 0
    with contextlib.suppress(OSError, ValueError, AttributeError):
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, ValueError, KeyError):
        lines = dict(line.split(":") for line in proc.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    with contextlib.suppress(OSError, ValueError):  # ValueError: the limit is "max"
        free = min(free, int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    return free
