"""What a step of each adversarial profile costs, beside the profile that it starts from.

python -m benchmarks.adversarial --batch-size 1
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import measuring
from wdsr_tf.commands.command import Command
from wdsr_tf.errors import InputError
from wdsr_tf.system.quiet import load_keras

STARTS = {"srgan": "sr-resnet", "esrgan": "rrdbnet", "realesrgan": "realesrnet", "bsrgan": "bsrnet"}
SCALE = 4
SIDE = 96 * SCALE  # HR pixels of a drawn image, a little more than any of these profiles needs
PATCH = re.compile(r"--(lr-patch-size|batch-size|degrade)=")
STEP = re.compile(r"A step of (\d+) patches takes ([\d.]+) s")
MEMORY = re.compile(r"uses ([\d.]+) GiB")


def define(flags):
    flags.list("profiles", list(STARTS), "Adversarial profiles to measure.")
    flags.integer("batch_size", 0, "Patches per step; 0 for each profile's own.", minimum=0)
    flags.string("precision", None, "Precision of all profiles, as train.py takes it.")
    flags.string("vgg_weights", None, "VGG-19's weights. Default: random numbers, which take the same time.")


def run(flags, _words):
    measuring.chosen(flags.profiles, STARTS, "profile")
    batch = f"batches of {flags.batch_size}" if flags.batch_size else "the profile's own batch"
    vgg = "the given weights" if flags.vgg_weights else "random weights"
    measuring.protocol(
        f"train.py --dry-run in a fresh process each: x{SCALE}, the patches of the adversarial profile, {batch}, "
        f"{flags.precision or 'the default precision'}, VGG-19 with {vgg}; seconds are the shortest of three steps "
        "after the first, memory is the peak of the process."
    )
    print()
    measuring.print_header(
        "profile", "LR patch", "batch", "s per step", "memory", "starts from", "s per step", "memory"
    )
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        datasets = make_datasets(folder)
        vgg = flags.vgg_weights or make_vgg(folder / "vgg.pth")
        for profile in flags.profiles:
            patch = patch_flags(profile)
            common = [*patch, f"--scale={SCALE}", f"--outdir={folder / 'output'}"]
            common += [f"--dataset={datasets['degrade' if any('--degrade' in flag for flag in patch) else 'pairs']}"]
            common += [f"--batch-size={flags.batch_size}"] if flags.batch_size else []
            common += [f"--precision={flags.precision}"] if flags.precision else []
            size, *figures = dry_run(profile, [*common, f"--vgg-weights={vgg}"])
            side = next(flag.partition("=")[2] for flag in patch if "lr-patch-size" in flag)
            start = STARTS[profile]
            measuring.print_row(profile, f"{side} x {side}", size, *figures, start, *dry_run(start, common)[1:])


def patch_flags(profile):
    """The flags of a profile that decide about its patches."""
    from wdsr_tf.commands.flags import read_flags
    from wdsr_tf.commands.train import COMMAND

    return [flag for flag in read_flags(COMMAND.profiles / profile) if PATCH.match(flag)]


def dry_run(profile, flags):
    """(patches, seconds of a step, memory) as `train.py --dry-run` prints them."""
    command = [sys.executable, "-m", "wdsr_tf", "train", f"--profile={profile}", "--dry-run", *flags]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    step, memory = STEP.search(ended.stdout), MEMORY.search(ended.stdout)
    if ended.returncode or not step:
        raise InputError(f"{profile} failed: {ended.stderr.strip().splitlines()[-1:] or ended.stdout.strip()}")
    return step[1], step[2], f"{memory[1]} GiB" if memory else "unknown"


def make_datasets(folder):
    """Images of noise: `pairs` has LR images, and `degrade` is a folder of HR images."""
    from PIL import Image

    from wdsr_tf.data import make_pairs

    random, hr = np.random.default_rng(0), folder / "hr"
    for split in ("train", "valid"):
        (hr / split).mkdir(parents=True)
        for i in range(4):
            pixels = random.integers(0, 256, (SIDE, SIDE, 3), dtype="uint8")
            Image.fromarray(pixels).save(hr / split / f"{split}-{i}.png")
    make_pairs(hr, folder / "pairs", [SCALE], name="NOISE", lr_patch_size=32, jobs=1, progress=False)
    return {"pairs": folder / "pairs", "degrade": hr}


def make_vgg(path):
    """Writes a file in torchvision's layout with random numbers."""
    load_keras()
    from wdsr_tf.importers.formats import pytorch_writer
    from wdsr_tf.losses import vgg

    random, arrays = np.random.default_rng(0), {}
    for i, (name, shape) in enumerate(zip(vgg.CONVOLUTIONS, vgg.SHAPES, strict=True)):
        layer = f"features.{2 * i + int(name[0]) - 1}"  # ReLUs and, after each block, a pooling layer have a number too
        kernel = np.sqrt(2 / np.prod(shape[:3])) * random.standard_normal(shape)
        arrays[f"{layer}.weight"] = kernel.astype("float32").transpose(3, 2, 0, 1)
        arrays[f"{layer}.bias"] = np.zeros(shape[-1], "float32")
    pytorch_writer.write(path, arrays)
    return path


COMMAND = Command("adversarial", "Measures what a step of each adversarial profile costs.", define, run)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.adversarial"))
