"""Training patches per second beside a PyTorch DataLoader: python -m benchmarks.pipeline

The peer is written here: two workers, each of which loads both whole arrays for every patch, as EDSR-PyTorch does.
It needs PyTorch, which this project does not: pip install torch
"""

import os
import random
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import app, flags

from benchmarks import timing
from benchmarks.pictures import draw
from wdsr_tf.commands import flags as cli
from wdsr_tf.data.div2k import Pair
from wdsr_tf.errors import InputError

FLAGS = flags.FLAGS

flags.DEFINE_integer("pictures", 24, "Pictures that are made for this run.", lower_bound=1)
flags.DEFINE_integer("width", 2040, "Width of an HR picture.", lower_bound=2)
flags.DEFINE_integer("height", 1356, "Height of an HR picture.", lower_bound=2)
flags.DEFINE_integer("scale", 2, "Factor between LR and HR.", lower_bound=1)
flags.DEFINE_integer("batch_size", 16, "Patches per batch.", lower_bound=1)
flags.DEFINE_integer("lr_patch_size", 48, "Side of a patch, in LR pixels.", lower_bound=1)
flags.DEFINE_integer("workers", 2, "Workers of the DataLoader.", lower_bound=1)
flags.DEFINE_integer("rounds", 9, "Rounds; in each every loader has its turn.", lower_bound=1)
flags.DEFINE_float("seconds", 2.0, "Of each turn.", lower_bound=0.1)

WARM_UP = 16  # batches before the clock starts in each turn: what was read ahead while others had theirs is gone
PEER = "PyTorch DataLoader, whole arrays"


def main(argv):
    try:
        import torch
    except ImportError as error:
        raise InputError("the peer of this benchmark needs PyTorch: pip install torch") from error

    with tempfile.TemporaryDirectory() as folder:
        pairs = make_pictures(Path(folder))
        loaders = {PEER: peer(torch, pairs)}  # first: its workers fork before TensorFlow starts threads
        loaders |= ours(pairs)
        timing.protocol(protocol())
        seconds = {name: [] for name in loaders}
        for _ in range(FLAGS.rounds):
            for name, loader in loaders.items():
                seconds[name].append(seconds_per_patch(loader))
        timing.print_table(seconds, PEER, 1, "patches")


def make_pictures(folder):
    """Pairs of drawn pictures as uint8 `.npy`; what they show makes no difference to speed."""
    pairs, scale = [], FLAGS.scale
    for i, hr in enumerate(draw(FLAGS.pictures, FLAGS.height // scale * scale, FLAGS.width // scale * scale)):
        pair = Pair(f"{i:04d}", folder / f"{i:04d}x{scale}.npy", folder / f"{i:04d}.npy")
        np.save(pair.lr, hr[::scale, ::scale])
        np.save(pair.hr, hr)
        pairs.append(pair)
    return pairs


def ours(pairs):
    """Our `tf.data` pipeline, with memory maps and in memory, as endless iterators of batches."""
    from wdsr_tf.data.pipeline import training_dataset
    from wdsr_tf.data.sampler import Sampler
    from wdsr_tf.data.sources import Arrays, Pairs, files

    loaders = {}
    for name, memory_fraction in (("tf.data, memory maps", 0.0), ("tf.data, in memory", 1.0)):
        arrays = Arrays(files(pairs), memory_fraction)
        if arrays.in_memory != bool(memory_fraction):
            raise InputError("the pictures do not fit into the free memory: take fewer --pictures")
        source = Pairs(pairs, FLAGS.scale, FLAGS.lr_patch_size, arrays)
        loaders[name] = iter(training_dataset(Sampler(source, FLAGS.batch_size)))
    return loaders


def peer(torch, pairs):
    """An endless iterator of the DataLoader's batches; they stay uint8, which spares it a conversion."""
    size, scale = FLAGS.lr_patch_size, FLAGS.scale

    class Patches(torch.utils.data.Dataset):
        def __len__(self):
            return len(pairs)

        def __getitem__(self, i):
            lr, hr = np.load(pairs[i].lr), np.load(pairs[i].hr)
            top, left = random.randint(0, lr.shape[0] - size), random.randint(0, lr.shape[1] - size)
            lr = lr[top : top + size, left : left + size]
            hr = hr[top * scale : (top + size) * scale, left * scale : (left + size) * scale]
            flip, turns = random.random() < 0.5, random.randrange(4)
            patches = (np.rot90(x[:, ::-1] if flip else x, turns) for x in (lr, hr))
            return tuple(torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1))) for x in patches)

    dataset = Patches()
    endless = torch.utils.data.RandomSampler(dataset, replacement=True, num_samples=10**9)
    return iter(torch.utils.data.DataLoader(dataset, FLAGS.batch_size, sampler=endless, num_workers=FLAGS.workers))


def seconds_per_patch(loader):
    for _ in range(WARM_UP):
        next(loader)
    batches, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < FLAGS.seconds:
        next(loader)
        batches += 1
    return passed / (batches * FLAGS.batch_size)


def protocol():
    hr_patch_size = FLAGS.lr_patch_size * FLAGS.scale
    return (
        f"{os.cpu_count()} CPU cores, load average {os.getloadavg()[0]:.1f} before the first round. {FLAGS.pictures} "
        f"pictures of {FLAGS.width} x {FLAGS.height} and their LR x{FLAGS.scale}, uint8 .npy, page cache warm; patches "
        f"of {hr_patch_size} x {hr_patch_size} HR and {FLAGS.lr_patch_size} x {FLAGS.lr_patch_size} LR, flipped and "
        f"rotated, batches of {FLAGS.batch_size}; DataLoader with {FLAGS.workers} workers. {FLAGS.rounds} rounds; in "
        f"each, every loader in turn for {FLAGS.seconds} s behind {WARM_UP} batches of warm-up."
    )


if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
