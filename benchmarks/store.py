"""Patches per second from a store in SQLite beside the `.npy` cache, and what they take on disk.

python -m benchmarks.store --pictures 24
"""

import os
import tempfile
import time
from pathlib import Path

from absl import app, flags

from benchmarks import timing
from benchmarks.pictures import draw
from wdsr_tf import images
from wdsr_tf.commands import flags as cli

FLAGS = flags.FLAGS
flags.DEFINE_string("indir", None, "Folder of pictures to measure with instead.")
flags.DEFINE_integer("pictures", 24, "Pictures that are made for this run.", lower_bound=2)
flags.DEFINE_integer("size", 1200, "Side of such a picture.", lower_bound=300)
flags.DEFINE_integer("patches", 20, "Patches in the store, of each picture.", lower_bound=1)
flags.DEFINE_integer("hr_patch_size", 256, "Side of a patch, in HR pixels; x2.", lower_bound=2)
flags.DEFINE_integer("batch_size", 16, "Patches per batch.", lower_bound=1)
flags.DEFINE_integer("batches", 10, "Batches of each way per round.", lower_bound=1)
flags.DEFINE_integer("rounds", 9, "Rounds; in each every way has its turn.", lower_bound=1)

WARM_UP = 10  # batches before the clock starts in each turn: what was read ahead while others had theirs is gone
BASE = "store"
DEGRADE = "seed-000,level=1"


def main(_):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        pictures = Path(FLAGS.indir or root / "pictures")
        if not FLAGS.indir:
            for i, picture in enumerate(draw(FLAGS.pictures, FLAGS.size, FLAGS.size)):
                images.write(pictures / f"{i:03d}.png", picture)
        streams, sizes = prepare(pictures, root)
        count = len(images.find(pictures))
        timing.protocol(
            f"{os.cpu_count()} CPU cores, load average {os.getloadavg()[0]:.1f}. {count} pictures, "
            f"x2, {DEGRADE}; patches of {FLAGS.hr_patch_size} x {FLAGS.hr_patch_size} HR, flipped and rotated, batches "
            f"of {FLAGS.batch_size} through tf.data, page cache warm; {FLAGS.rounds} rounds, in each every way in turn "
            f"for {FLAGS.batches} batches behind {WARM_UP} of warm-up. The store has {FLAGS.patches} patches of a "
            "picture."
        )
        seconds = {name: [] for name in streams}
        for _ in range(FLAGS.rounds):
            for name, stream in streams.items():
                seconds[name].append(seconds_of_a_turn(stream))
        print()
        timing.print_table(seconds, BASE, FLAGS.batches * FLAGS.batch_size, "patches")
        print("\n| on disk | MB |\n| --- | --- |")
        for name, size in sizes.items():
            print(f"| {name} | {size / 1e6:,.1f} |")


def seconds_of_a_turn(stream):
    for _ in range(WARM_UP):
        next(stream)
    start = time.perf_counter()
    for _ in range(FLAGS.batches):
        next(stream)
    return time.perf_counter() - start


def prepare(pictures, root):
    """({name: endless iterator of batches}, {name: bytes on disk})."""
    from wdsr_tf.data import degrade, div2k
    from wdsr_tf.data.pairs import make_pairs
    from wdsr_tf.data.patches import StoreConfig, Stored, make_store
    from wdsr_tf.data.pipeline import training_dataset
    from wdsr_tf.data.sampler import Sampler
    from wdsr_tf.data.sources import Arrays, HRImages, Pairs, files

    size = FLAGS.hr_patch_size // 2
    make_pairs(pictures, root / "npy", [2], name="SET", lr_patch_size=size)
    make_store(pictures, root / "store.sqlite", StoreConfig(DEGRADE, 2, FLAGS.hr_patch_size, FLAGS.patches))
    pairs, hr = div2k.pairs(root / "npy", "train", 2), div2k.hr_images(root / "npy", "train")
    sources = {
        BASE: Stored(root / "store.sqlite", "train", 2, size),
        "pairs, memory maps": Pairs(pairs, 2, size, Arrays(files(pairs), 0)),
        "pairs, in memory": Pairs(pairs, 2, size, Arrays(files(pairs), 1)),
        "HR, LR made on the fly": HRImages(hr, degrade.parse(DEGRADE, 2), size, Arrays(hr, 0)),
        "the same, 14 kB or more": HRImages(hr, degrade.parse(DEGRADE, 2), size, Arrays(hr, 0), min_bytes=14_000),
    }
    streams = {name: iter(training_dataset(Sampler(source, FLAGS.batch_size))) for name, source in sources.items()}
    arrays = list((root / "npy").rglob("*.npy"))
    sizes = {
        "pictures": total(images.find(pictures)),
        "store": total([root / "store.sqlite"]),
        ".npy, HR and LR": total(arrays),
        ".npy, HR alone": total(path for path in arrays if path.parent.name.endswith("_HR")),
    }
    return streams, sizes


def total(paths):
    """Bytes of all files."""
    return sum(path.stat().st_size for path in paths)


if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
