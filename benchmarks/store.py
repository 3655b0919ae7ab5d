"""Training patches per second, and size on disk, of an SQLite store compared with .npy files.

python -m benchmarks.store --images 24
"""

import sys
import tempfile
import time
from pathlib import Path

from benchmarks import measuring
from wdsr_tf.commands.command import Command

WARMUP = 10  # batches before the clock starts in each turn, so that what was read ahead in between doesn't count
BASE = "store"


def define(flags):
    flags.string("indir", None, "Folder of images to use instead of drawn ones.")
    flags.integer("images", 24, "Images to make for this run.", minimum=2)
    flags.integer("size", 1200, "Side of such an image in pixels.", minimum=300)
    flags.integer("patches", 20, "Patches per image in the store.", minimum=1)
    flags.integer("hr_patch_size", 256, "Side of a patch in HR pixels; x2.", minimum=2)
    flags.integer("batch_size", 16, "Patches per batch.", minimum=1)
    flags.integer("batches", 10, "Batches of each way per round.", minimum=1)
    flags.integer("rounds", 9, "Rounds; each way of reading has a turn in each.", minimum=1)
    flags.string("degrade", "waifu2x-pytorch,level=1", "Recipe that makes LR.")


def run(flags, _words):
    from benchmarks.drawn import draw
    from wdsr_tf import images

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        indir = Path(flags.indir or root / "images")
        if not flags.indir:
            for i, image in enumerate(draw(flags.images, flags.size, flags.size)):
                images.write(indir / f"{i:03d}.png", image)
        streams, sizes = prepare(indir, root, flags)
        side = flags.hr_patch_size
        measuring.protocol(
            f"{len(images.find(indir))} images, x2, {flags.degrade}; patches of {side} x {side} HR, flipped, rotated, "
            f"batches of {flags.batch_size} through tf.data, page cache warm; {flags.rounds} rounds, each way in turn "
            f"for {flags.batches} batches after {WARMUP} of warm-up. The store has {flags.patches} patches per image."
        )
        seconds = {name: [] for name in streams}
        for _ in range(flags.rounds):
            for name, stream in streams.items():
                seconds[name].append(seconds_of_a_turn(stream, flags.batches))
        print()
        measuring.print_rates(seconds, BASE, flags.batches * flags.batch_size, "patches")
        print()
        measuring.print_header("on disk", "MB")
        for name, size in sizes.items():
            measuring.print_row(name, f"{size / 1e6:,.1f}")


def seconds_of_a_turn(stream, batches):
    for _ in range(WARMUP):
        next(stream)
    start = time.perf_counter()
    for _ in range(batches):
        next(stream)
    return time.perf_counter() - start


def prepare(indir, root, flags):
    """({name: endless iterator of batches}, {name: bytes on disk})."""
    from wdsr_tf import images
    from wdsr_tf.data import StoreConfig, degrade, div2k, make_pairs, make_store
    from wdsr_tf.data.patches import Stored
    from wdsr_tf.data.pipeline import training_dataset
    from wdsr_tf.data.sampler import Sampler
    from wdsr_tf.data.sources import Arrays, HRImages, Pairs, files

    size = flags.hr_patch_size // 2
    make_pairs(indir, root / "npy", [2], name="SET", lr_patch_size=size)
    make_store(indir, root / "store.sqlite", StoreConfig(flags.degrade, 2, flags.hr_patch_size, flags.patches))
    pairs, hr = div2k.pairs(root / "npy", "train", 2), div2k.hr_images(root / "npy", "train")
    recipe = degrade.parse(flags.degrade, 2)
    sources = {
        BASE: Stored(root / "store.sqlite", "train", 2, size),
        "pairs, memory maps": Pairs(pairs, 2, size, Arrays(files(pairs), 0)),
        "pairs, in memory": Pairs(pairs, 2, size, Arrays(files(pairs), 1)),
        "HR, LR made on the fly": HRImages(hr, recipe, size, Arrays(hr, 0)),
        "the same, 14 kB or more": HRImages(hr, recipe, size, Arrays(hr, 0), min_bytes=14_000),
    }
    streams = {name: iter(training_dataset(Sampler(source, flags.batch_size))) for name, source in sources.items()}
    arrays = list((root / "npy").rglob("*.npy"))
    sizes = {
        "images": total(images.find(indir)),
        "store": total([root / "store.sqlite"]),
        ".npy, HR and LR": total(arrays),
        ".npy, HR alone": total(path for path in arrays if path.parent.name.endswith("_HR")),
    }
    return streams, sizes


def total(paths):
    """Bytes of all files."""
    return sum(path.stat().st_size for path in paths)


COMMAND = Command("store", "Compares an SQLite store with .npy files: patches per second and size.", define, run)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.store"))
