"""Training patches per second compared with a PyTorch DataLoader: python -m benchmarks.pipeline

The DataLoader has two workers, each of which loads both whole arrays for every patch, as EDSR-PyTorch does.
PyTorch isn't a dependency of the project: pip install torch
"""

import random
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import measuring
from wdsr_tf.commands.command import Command
from wdsr_tf.errors import InputError

WARMUP = 16  # batches before the clock starts in each turn, so that what was read ahead in between doesn't count
PEER = "PyTorch DataLoader, whole arrays"


def define(flags):
    flags.integer("images", 24, "Images to make for this run.", minimum=1)
    flags.integer("width", 2040, "Width of an HR image in pixels.", minimum=2)
    flags.integer("height", 1356, "Height of an HR image in pixels.", minimum=2)
    flags.integer("scale", 2, "Upscaling factor.", minimum=1)
    flags.integer("batch_size", 16, "Patches per batch.", minimum=1)
    flags.integer("lr_patch_size", 48, "Side of a patch in LR pixels.", minimum=1)
    flags.integer("workers", 2, "Workers of the DataLoader.", minimum=1)
    flags.integer("rounds", 9, "Rounds; each loader has a turn in each.", minimum=1)
    flags.number("seconds", 2.0, "Seconds per turn.", minimum=0.1)


def run(flags, _words):
    from benchmarks.drawn import draw_pairs

    with tempfile.TemporaryDirectory() as folder:
        pairs = draw_pairs(Path(folder), flags.images, flags.height, flags.width, flags.scale)
        loaders = {PEER: peer(pairs, flags)}  # first: its workers fork before TensorFlow starts threads
        loaders |= ours(pairs, flags)
        measuring.protocol(protocol(flags))
        seconds = {name: [] for name in loaders}
        for _ in range(flags.rounds):
            for name, loader in loaders.items():
                seconds[name].append(seconds_per_batch(loader, flags.seconds) / flags.batch_size)
        measuring.print_rates(seconds, PEER, 1, "patches")


def ours(pairs, flags):
    """{name: endless iterator of batches} of our tf.data pipeline, with memory maps and in memory."""
    from wdsr_tf.data.pipeline import training_dataset
    from wdsr_tf.data.sampler import Sampler
    from wdsr_tf.data.sources import Arrays, Pairs, files

    loaders = {}
    for name, memory_fraction in (("tf.data, memory maps", 0.0), ("tf.data, in memory", 1.0)):
        arrays = Arrays(files(pairs), memory_fraction)
        if arrays.in_memory != bool(memory_fraction):
            raise InputError("The images don't fit into the free memory. Use fewer --images.")
        source = Pairs(pairs, flags.scale, flags.lr_patch_size, arrays)
        loaders[name] = iter(training_dataset(Sampler(source, flags.batch_size)))
    return loaders


def peer(pairs, flags):
    """An endless iterator of the DataLoader's batches; they stay uint8, which spares it a conversion."""
    import numpy as np

    from benchmarks.pytorch import torch

    size, scale = flags.lr_patch_size, flags.scale

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
    return iter(torch.utils.data.DataLoader(dataset, flags.batch_size, sampler=endless, num_workers=flags.workers))


def seconds_per_batch(loader, at_least):
    """The mean over batches for `at_least` seconds, after the warm-up."""
    for _ in range(WARMUP):
        next(loader)
    batches, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < at_least:
        next(loader)
        batches += 1
    return passed / batches


def protocol(flags):
    hr_patch_size = flags.lr_patch_size * flags.scale
    return (
        f"{flags.images} images of {flags.width} x {flags.height} and their LR x{flags.scale}, uint8 .npy, page cache "
        f"warm; patches of {hr_patch_size} x {hr_patch_size} HR and {flags.lr_patch_size} x {flags.lr_patch_size} LR, "
        f"flipped and rotated, batches of {flags.batch_size}; DataLoader with {flags.workers} workers. {flags.rounds} "
        f"rounds, each loader in turn for {flags.seconds} s after {WARMUP} batches of warm-up."
    )


COMMAND = Command("pipeline", "Compares training patches per second with a PyTorch DataLoader.", define, run)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.pipeline"))
