"""How much grain is found in photographs, with and without noise: python -m benchmarks.grain FOLDER [FOLDER ...]"""

import sys

import numpy as np

from benchmarks.measuring import print_header, print_row, protocol
from wdsr_tf import images
from wdsr_tf.commands.command import Command
from wdsr_tf.images.grain import GRAINY, grain
from wdsr_tf.images.resize import imresize
from wdsr_tf.inference.upscaler import Upscaler

SIGMAS = (0, 3, 5, 8, 10, 15, 25)
CROP, SMALL = 600, 160  # pixels a side of the center that is looked at, and of the part that is upscaled


def define(flags):
    flags.integer("upscaled", 5, "How many images are also upscaled, with and without --noise 1.", minimum=0)


def run(flags, words):
    paths = [path for word in words for path in images.find(word)]
    protocol(
        f"{len(paths)} images, their central {CROP} x {CROP} pixels with Gaussian noise added. Grainy: from {GRAINY:g} "
        f"on. The last two columns: noise in the results for {flags.upscaled} of the images, upscaled by 2 with the "
        "bundled models and reduced again, as the root mean square difference from the clean image."
    )
    print()
    print_header("noise added", "lowest", "10 %", "median", "90 %", "highest", "grainy", "by default", "--noise 1")
    crops = [center(images.read(path), CROP) for path in paths]
    for sigma in SIGMAS:
        found = [grain(images.Picture(noisy(rgb, sigma))) for rgb in crops]
        figures = np.quantile(found, [0, 0.1, 0.5, 0.9, 1])
        left = [rest(crops[:: max(1, len(crops) // flags.upscaled)], sigma, noise) for noise in (None, 1)]
        count = sum(each >= GRAINY for each in found)
        print_row(sigma, *(f"{figure:.1f}" for figure in figures), f"{count} of {len(found)}", *left)


def center(rgb, side):
    top, left = (max(0, (length - side) // 2) for length in rgb.shape[:2])
    return rgb[top : top + side, left : left + side]


def noisy(rgb, sigma):
    return images.to_uint8(rgb + np.random.default_rng(0).normal(0, sigma, rgb.shape)) if sigma else rgb


def rest(crops, sigma, noise):
    """What is left of the noise."""
    upscaler, differences = Upscaler(scale=2, noise=noise, precision="float32"), []
    for clean in (center(rgb, SMALL) for rgb in crops):
        result = upscaler.upscale(noisy(clean, sigma))
        differences.append(((imresize(result.astype(float), 0.5) - clean) ** 2).mean())
    return f"{np.mean(differences) ** 0.5:.1f}"


COMMAND = Command("grain", "Measures the estimate of grain.", define, run, words="FOLDER ...")

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.grain"))
