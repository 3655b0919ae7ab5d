"""Training patches per second from pictures that are on disk alone: python -m benchmarks.larger_than_memory

The hardest case of a data set larger than memory: before each turn every file is dropped from the page cache, and a
turn takes one patch of each picture, so that nothing is read from memory. A cache that holds a part of the set spares
that part of the waiting.
"""

import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from absl import app, flags

from benchmarks import timing
from wdsr_tf.commands import flags as cli
from wdsr_tf.data.div2k import Pair
from wdsr_tf.data.sampler import Sampler, read_ahead
from wdsr_tf.data.sources import Arrays, Pairs, files
from wdsr_tf.errors import InputError

FLAGS = flags.FLAGS

flags.DEFINE_string("folder", None, "Where the pictures are made, on the disk to measure; default: a temporary folder.")
flags.DEFINE_integer("pictures", 512, "Pictures that are made for this run, and removed behind it.", lower_bound=1)
flags.DEFINE_integer("width", 2040, "Width of an HR picture.", lower_bound=2)
flags.DEFINE_integer("height", 1356, "Height of an HR picture.", lower_bound=2)
flags.DEFINE_integer("scale", 2, "Factor between LR and HR.", lower_bound=1)
flags.DEFINE_integer("batch_size", 16, "Patches per batch.", lower_bound=1)
flags.DEFINE_integer("lr_patch_size", 48, "Side of a patch, in LR pixels.", lower_bound=1)
flags.DEFINE_integer("rounds", 5, "Rounds; in each every way has its turn.", lower_bound=1)

BASE = "tf.data, page by page"


class PageByPage(Arrays):
    """Memory maps whose pages are read from disk when they are touched, which is what maps do by themselves."""

    def expect(self, path, first, rows):
        pass


def main(_):
    if not hasattr(os, "posix_fadvise"):
        raise InputError("this system has no posix_fadvise, with which files are dropped from the page cache")
    with tempfile.TemporaryDirectory(dir=FLAGS.folder) as folder:
        pairs = make_pictures(Path(folder))
        timing.protocol(protocol(pairs))
        ways = {
            BASE: (PageByPage, from_tf_data),
            "tf.data, read ahead": (Arrays, from_tf_data),
            "Python, page by page": (PageByPage, read_ahead),
            "Python, read ahead": (Arrays, read_ahead),
        }
        count = -(-FLAGS.pictures // FLAGS.batch_size)  # one pass
        sizes = FLAGS.scale, FLAGS.lr_patch_size, FLAGS.batch_size
        seconds = {name: [] for name in ways}
        for turn in range(FLAGS.rounds):
            for name, (arrays, stream) in ways.items():
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:  # ends with all its maps
                    task = process.submit(seconds_of_a_turn, pairs, arrays, stream, *sizes, turn * count, count)
                    seconds[name].append(task.result())
        timing.print_table(seconds, BASE, count * FLAGS.batch_size, "patches")


def make_pictures(folder):
    """Pairs of uint8 `.npy` of noise; what they show makes no difference to a disk that does not compress."""
    random, pairs = np.random.default_rng(0), []
    lr_size = FLAGS.height // FLAGS.scale, FLAGS.width // FLAGS.scale
    for i in range(FLAGS.pictures):
        pairs.append(Pair(f"{i:04d}", folder / f"{i:04d}x{FLAGS.scale}.npy", folder / f"{i:04d}.npy"))
        for path, (height, width) in ((pairs[i].lr, lr_size), (pairs[i].hr, [n * FLAGS.scale for n in lr_size])):
            np.save(path, np.frombuffer(random.bytes(height * width * 3), "uint8").reshape(height, width, 3))
    os.sync()  # the page cache gives up no page that has yet to be written
    return pairs


def seconds_of_a_turn(pairs, arrays, stream, scale, lr_patch_size, batch_size, start, count):
    """Of the `count` batches from number `start` on, with every file on disk alone; for a process of its own."""
    sampler = Sampler(Pairs(pairs, scale, lr_patch_size, arrays(files(pairs), 0)), batch_size)
    batches = stream(sampler, start)  # begins to read when it is asked for the first batch
    drop(files(pairs))
    before = time.perf_counter()
    for _ in range(count):
        next(batches)
    return time.perf_counter() - before


def from_tf_data(sampler, start):
    from wdsr_tf.data.pipeline import training_dataset

    return iter(training_dataset(sampler, start))


def drop(paths):
    """Takes files out of the page cache."""
    for path in paths:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def sequential(paths):
    """Bytes per second in which whole files come from the disk."""
    drop(paths)
    before = time.perf_counter()
    return sum(len(path.read_bytes()) for path in paths) / (time.perf_counter() - before)


def protocol(pairs):
    total = sum(path.stat().st_size for path in files(pairs))
    hr_patch_size = FLAGS.lr_patch_size * FLAGS.scale
    return (
        f"{os.cpu_count()} CPU cores, load average {os.getloadavg()[0]:.1f} before the first round; the disk gives "
        f"{sequential(files(pairs[:40])) / 1e6:,.0f} MB/s of whole files. {FLAGS.pictures} pictures of {FLAGS.width} x "
        f"{FLAGS.height} and their LR x{FLAGS.scale}, uint8 .npy, {total / 1e9:.1f} GB, all dropped from the page "
        "cache (posix_fadvise, DONTNEED) before each turn; a turn is one pass, a patch of each picture: "
        f"{hr_patch_size} x {hr_patch_size} HR and {FLAGS.lr_patch_size} x {FLAGS.lr_patch_size} LR, flipped and "
        f"rotated, batches of {FLAGS.batch_size}. {FLAGS.rounds} rounds; in each, every way in turn."
    )


if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
