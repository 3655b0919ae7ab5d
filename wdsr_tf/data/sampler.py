"""An endless sequence of training batches in which batch k is a pure function of (seed, k).

There is no state to save: a run that resumes at step k asks for batch k and sees what it would have seen. The random
numbers are Philox's raw output, counted by k, so that they depend on no version of NumPy's distributions.
"""

import contextlib
import functools
import itertools
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from wdsr_tf.data import div2k
from wdsr_tf.data.augment import augment, crop
from wdsr_tf.errors import InputError

CHOICES, ORDER = 0, 1  # the streams of random numbers that one seed gives


class Sampler:
    """Aligned random patches of `pairs`, as `div2k.pairs` has checked them.

    Every pass over the pictures takes one patch of each, in an order of its own; a batch may end one pass and begin
    the next. (The ancestor put pictures 16j to 16j+15 into one batch in every pass and shuffled the batches, so that a
    picture always met the same fifteen others: gradients of such batches are less independent, and nothing is gained.)
    Patches lie uniformly over all positions; LR and HR are mirrored with probability 0.5 and then turned by 0 to 3
    quarters together. Pictures are loaded whole if all fit in `memory_fraction` of the free memory (0: never), else
    they are memory maps, kept open. Pictures smaller than the patch raise InputError.
    """

    def __init__(self, pairs, scale, batch_size=16, lr_patch_size=48, seed=0, augment=True, memory_fraction=0.5):
        self.pairs, self.scale, self.batch_size, self.lr_patch_size = list(pairs), scale, batch_size, lr_patch_size
        self.seed, self.augment = seed, augment
        if not self.pairs:
            raise InputError("there is no picture to take patches from")
        kept = open_maps_allowed(2 * len(self.pairs)) // 2
        self._arrays, sizes, total = [], [], 0
        for pair in self.pairs:
            lr, hr = arrays = _open(pair)
            sizes.append(lr.shape[:2])
            total += lr.nbytes + hr.nbytes
            if len(self._arrays) < kept:
                self._arrays.append(arrays)
        self._positions = np.array(sizes) - lr_patch_size + 1  # of a patch in each picture: down, across
        named = zip(self.pairs, sizes, strict=True)
        small = [f"{pair.name} ({h} x {w})" for pair, (h, w) in named if min(h, w) < lr_patch_size]
        if small:
            raise InputError(
                f"an LR patch of {lr_patch_size} x {lr_patch_size} needs pictures at least as large; smaller in LR: "
                f"{', '.join(small)}. Leave them out, or take a smaller --lr-patch-size"
            )
        self.in_memory = total <= memory_fraction * free_memory()
        if self.in_memory:
            self._arrays = [tuple(map(np.array, _open(pair))) for pair in self.pairs]

    @property
    def shapes(self):
        """The shapes of one batch: LR, HR."""
        lr, hr = self.lr_patch_size, self.lr_patch_size * self.scale
        return (self.batch_size, lr, lr, 3), (self.batch_size, hr, hr, 3)

    def batch(self, k):
        """Batch `k` as uint8 (lr, hr)."""
        lr, hr = self.batches(k, 1)
        return lr[0], hr[0]

    def batches(self, k, count):
        """Batches `k` to `k + count - 1`, stacked along a new first axis."""
        lr, hr = (np.empty((count, *shape), "uint8") for shape in self.shapes)
        for j in range(count):
            for i, choice in enumerate(self.choices(k + j)):
                _copy(self.patch(*choice), (lr[j, i], hr[j, i]))
        return lr, hr

    def first_lr(self, count):
        """All LR patches of the first `count` batches as one batch."""
        lr, _ = self.batches(0, count)
        return lr.reshape(-1, *lr.shape[2:])

    def choices(self, k):
        """What batch `k` is made of: (picture, top, left, flipped, turns) for each patch."""
        n = len(self.pairs)
        numbers = range(k * self.batch_size, (k + 1) * self.batch_size)
        pictures = [int(order(self.seed, number // n, n)[number % n]) for number in numbers]
        raw = philox(self.seed, CHOICES, k).random_raw(4 * self.batch_size).reshape(-1, 4)
        uniform = (raw >> np.uint64(11)) * 2.0**-53  # in [0, 1)
        ranges = np.empty((self.batch_size, 4))
        ranges[:, :2], ranges[:, 2:] = self._positions[pictures], (2, 4) if self.augment else (1, 1)
        return [(p, *chosen) for p, chosen in zip(pictures, (uniform * ranges).astype(int).tolist(), strict=True)]

    def patch(self, picture, top, left, flipped, turns):
        """One pair of patches."""
        lr, hr = self._arrays[picture] if picture < len(self._arrays) else _open(self.pairs[picture])
        lr, hr = crop(lr, hr, top, left, self.lr_patch_size, self.scale)
        return augment(lr.copy(), hr.copy(), flipped, turns)  # copies: a turned walk would touch a page per pixel


def read_ahead(sampler, start=0, ahead=4):
    """Yields the sampler's batches from number `start` on, endlessly, while a thread makes the next ones."""
    with ThreadPoolExecutor(1) as thread:
        coming = deque(thread.submit(sampler.batch, k) for k in range(start, start + ahead))
        for k in itertools.count(start + ahead):
            yield coming.popleft().result()
            coming.append(thread.submit(sampler.batch, k))


def philox(seed, stream, number):
    """Philox at the beginning of part `number` of one `stream` of `seed`; parts are 2**192 numbers apart."""
    return np.random.Philox(key=np.array([seed % 2**64, stream], "uint64"), counter=[0, 0, 0, number])


@functools.lru_cache(maxsize=8)
def order(seed, epoch, count):
    """The order of `count` pictures in pass `epoch`."""
    return np.argsort(philox(seed, ORDER, epoch).random_raw(count), kind="stable")


def _copy(patches, outs):
    """Copies by channel: a turned patch copied at once has an inner loop 3 long and takes 2.5 times as long."""
    for patch, out in zip(patches, outs, strict=True):
        for channel in range(3):
            out[..., channel] = patch[..., channel]


def _open(pair):
    """The pair's memory maps as plain arrays, of which slices are cheaper than those of `np.memmap`."""
    return tuple(np.asarray(div2k.load(path)) for path in (pair.lr, pair.hr))


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
