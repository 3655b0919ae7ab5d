"""Training patches per second from images that aren't in memory: python -m benchmarks.larger_than_memory"""

import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks import measuring
from benchmarks.drawn import write_pairs
from wdsr_tf.commands.command import Command
from wdsr_tf.data.sampler import Sampler, read_ahead
from wdsr_tf.data.sources import Arrays, Pairs, files
from wdsr_tf.errors import InputError

BASE = "tf.data, page by page"


def define(flags):
    flags.string("folder", None, "Folder on the disk to measure. Default: a temporary folder.")
    flags.integer("images", 512, "Images to make for this run.", minimum=1)
    flags.integer("width", 2040, "Width of an HR image in pixels.", minimum=2)
    flags.integer("height", 1356, "Height of an HR image in pixels.", minimum=2)
    flags.integer("scale", 2, "Upscaling factor.", minimum=1)
    flags.integer("batch_size", 16, "Patches per batch.", minimum=1)
    flags.integer("lr_patch_size", 48, "Side of a patch in LR pixels.", minimum=1)
    flags.integer("rounds", 5, "Rounds; each way of reading has a turn in each.", minimum=1)


class PageByPage(Arrays):
    """Memory maps whose pages are read from disk when they are touched, as maps do by default."""

    def expect(self, path, first, rows):
        pass


def run(flags, _words):
    if not hasattr(os, "posix_fadvise"):
        raise InputError("This system has no posix_fadvise, which drops files from the page cache.")
    with tempfile.TemporaryDirectory(dir=flags.folder) as folder:
        pairs = write_pairs(Path(folder), noise(flags), flags.scale)
        os.sync()  # pages that haven't been written can't be dropped
        measuring.protocol(protocol(pairs, flags))
        ways = {
            BASE: (PageByPage, from_tf_data),
            "tf.data, read ahead": (Arrays, from_tf_data),
            "Python, page by page": (PageByPage, read_ahead),
            "Python, read ahead": (Arrays, read_ahead),
        }
        count = -(-flags.images // flags.batch_size)  # one pass
        sizes = flags.scale, flags.lr_patch_size, flags.batch_size
        seconds = {name: [] for name in ways}
        for turn in range(flags.rounds):
            for name, (arrays, stream) in ways.items():
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:  # ends with all its maps
                    task = process.submit(seconds_of_a_turn, pairs, arrays, stream, *sizes, turn * count, count)
                    seconds[name].append(task.result())
        measuring.print_rates(seconds, BASE, count * flags.batch_size, "patches")


def noise(flags):
    """Yields HR images; what they show makes no difference to a disk that doesn't compress."""
    random = np.random.default_rng(0)
    height, width = (length // flags.scale * flags.scale for length in (flags.height, flags.width))
    for _ in range(flags.images):
        yield np.frombuffer(random.bytes(height * width * 3), "uint8").reshape(height, width, 3)


def seconds_of_a_turn(pairs, arrays, stream, scale, lr_patch_size, batch_size, start, count):
    """Seconds for `count` batches from number `start` on, with no file in the page cache; for a process of its own."""
    sampler = Sampler(Pairs(pairs, scale, lr_patch_size, arrays(files(pairs), 0)), batch_size)
    batches = stream(sampler, start)  # starts reading when the first batch is requested
    drop(files(pairs))
    before = time.perf_counter()
    for _ in range(count):
        next(batches)
    return time.perf_counter() - before


def from_tf_data(sampler, start):
    from wdsr_tf.data.pipeline import training_dataset

    return iter(training_dataset(sampler, start))


def drop(paths):
    """Drops files from the page cache."""
    for path in paths:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def sequential(paths):
    """Bytes per second at which the disk delivers whole files."""
    drop(paths)
    before = time.perf_counter()
    return sum(len(path.read_bytes()) for path in paths) / (time.perf_counter() - before)


def protocol(pairs, flags):
    total = sum(path.stat().st_size for path in files(pairs))
    hr_patch_size = flags.lr_patch_size * flags.scale
    return (
        f"The disk delivers {sequential(files(pairs[:40])) / 1e6:,.0f} MB/s of whole files. {flags.images} images of "
        f"{flags.width} x {flags.height} and their LR x{flags.scale}, uint8 .npy, {total / 1e9:.1f} GB, all dropped "
        "from the page cache (posix_fadvise, DONTNEED) before each turn; a turn takes one patch of each image: "
        f"{hr_patch_size} x {hr_patch_size} HR and {flags.lr_patch_size} x {flags.lr_patch_size} LR, flipped and "
        f"rotated, batches of {flags.batch_size}. {flags.rounds} rounds, each way in turn."
    )


COMMAND = Command(
    "larger_than_memory",
    "Measures training patches per second from images that aren't in memory.",
    define,
    run,
    description=(
        "The hardest case of a dataset larger than memory: before each turn every file is dropped from the page cache, "
        "and a turn takes one patch of each image, so nothing comes from memory."
    ),
)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.larger_than_memory"))
