"""What --check measures on good results and on damaged ones: python -m benchmarks.check FOLDER [FOLDER ...]"""

import io
import sys

import numpy as np
from PIL import Image

from benchmarks.measuring import chosen, print_header, print_row, protocol
from wdsr_tf import images
from wdsr_tf.commands.command import Command
from wdsr_tf.images.resize import imresize
from wdsr_tf.inference.check import compare
from wdsr_tf.inference.upscaler import Upscaler

SIDE = 256  # LR pixels: larger images are cropped to their center
FIGURES = ("tint", "cell", "shift", "PSNR of cells")


def define(flags):
    flags.integer("images", 200, "How many images of all folders to take.", minimum=1)
    flags.list("kinds", ",".join(KINDS), "Kinds of input to try.")


def run(flags, words):
    kinds = chosen(flags.kinds, KINDS, "kinds")
    paths = [path for word in words for path in images.find(word)]
    paths = [path for path in paths if "_HR" not in path.name][:: max(1, len(paths) // flags.images)]
    protocol(
        f"{len(paths)} images, their central {SIDE} x {SIDE} pixels, through the bundled models. For each kind of "
        "input: how many results --check complains of, and the largest tint, difference of a cell, and shift, and the "
        "least PSNR of cells, of all good results. Then each result is damaged: how many are found."
    )
    print()
    print_header("input", *FIGURES, "false alarms", *DAMAGES)
    for kind in kinds:
        checks, alarms, found = [], 0, dict.fromkeys(DAMAGES, 0)
        for path in paths:
            image, result = KINDS[kind](crop(images.read(path)))
            check = compare(image, result)
            checks.append(check)
            alarms += bool(check.faults)
            if check.faults:
                print(f"  {kind} {path}: {check.faults}", file=sys.stderr)
            for name, damage in DAMAGES.items():
                scale = max(1, result.rgb.shape[0] // image.rgb.shape[0])
                damaged = images.Picture(damage(result.rgb.copy(), scale), result.alpha)
                found[name] += bool(compare(image, damaged).faults)
        figures = (
            max(max(map(abs, check.tint)) for check in checks),
            max(check.local for check in checks),
            max(max(map(abs, check.shift)) for check in checks),
            min(check.psnr for check in checks),
        )
        counts = (f"{count} of {len(paths)}" for count in (alarms, *found.values()))
        print_row(kind, *(f"{figure:.2f}" for figure in figures), *counts)


def crop(rgb):
    top, left = (max(0, (length - SIDE) // 2) for length in rgb.shape[:2])
    return rgb[top : top + SIDE, left : left + SIDE]


def upscaled(rgb, scale, noise=None, alpha=None):
    """(image, result) of an array through the bundled models."""
    whole = rgb if alpha is None else np.dstack([rgb, alpha])
    sr = Upscaler(scale=scale, noise=noise, memory="200MiB", precision="float32").upscale(whole)
    sr = sr if alpha is None else (sr[..., :3], sr[..., 3])
    return images.Picture(rgb, alpha), images.Picture(*(sr if alpha is not None else (sr,)))


def compressed(rgb, quality):
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def grainy(rgb, sigma):
    noise = np.random.default_rng(0).normal(0, sigma, rgb.shape)
    return np.clip(np.rint(rgb + noise), 0, 255).astype("uint8")


def round_alpha(rgb):
    """A disk with a soft edge."""
    y, x = np.mgrid[-1 : 1 : rgb.shape[0] * 1j, -1 : 1 : rgb.shape[1] * 1j]
    return np.clip(1000 * (0.9 - np.hypot(y, x)), 0, 255).astype("uint8")


def shifted(sr, scale):
    """By one pixel of the image."""
    return np.roll(sr, scale, axis=1)


def tinted(sr, _):
    return np.dstack([images.to_uint8(sr[..., 0] + 5.0), sr[..., 1:]])


def black_tile(sr, _):
    middle = slice(len(sr) // 2, len(sr) * 3 // 4)
    sr[middle, middle] = 0
    return sr


KINDS = {
    "clean x2": lambda rgb: upscaled(rgb, 2),
    "clean x3": lambda rgb: upscaled(rgb, 3),
    "clean x4": lambda rgb: upscaled(rgb, 4),
    "clean x1.5": lambda rgb: upscaled(rgb, 1.5),
    "half the size": lambda rgb: upscaled(rgb, 0.5),
    "alpha x2": lambda rgb: upscaled(rgb, 2, alpha=round_alpha(rgb)),
    "gray x2": lambda rgb: upscaled(rgb[..., 1:2].repeat(3, axis=2), 2),
    "JPEG 75 x2 denoised": lambda rgb: upscaled(compressed(rgb, 75), 2, 1),
    "JPEG 10 x2 denoised": lambda rgb: upscaled(compressed(rgb, 10), 2, 1),
    "JPEG 50 x1 denoised": lambda rgb: upscaled(compressed(rgb, 50), 1, 1),
    "grain 15 x2 denoised": lambda rgb: upscaled(grainy(rgb, 15), 2, 1),
    "bicubic x2": lambda rgb: (images.Picture(rgb), images.Picture(imresize(rgb, 2))),
}
DAMAGES = {
    "black": lambda sr, _: np.zeros_like(sr),
    "red and blue exchanged": lambda sr, _: sr[..., ::-1],
    "red +5": tinted,
    "shifted by 1 LR pixel": shifted,
    "a black tile": black_tile,
}

COMMAND = Command("check", "Measures what --check finds.", define, run, words="FOLDER ...")

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.check"))
