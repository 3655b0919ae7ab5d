"""What is wrong with a folder of training images: sizes, duplicates, benchmark images, upscaled or compressed ones."""

import dataclasses
import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from wdsr_tf import images
from wdsr_tf.data import div2k
from wdsr_tf.errors import InputError
from wdsr_tf.files import sha256
from wdsr_tf.images.fingerprint import BENCHMARKS, NEAR, nearest
from wdsr_tf.inference.jpeg import jpeg_quality

SAMPLE = 200  # images whose content is checked, spread over the folder
SMALL = 96  # HR pixels: the side of a default training patch at x2
LOW_QUALITY = 75  # of a JPEG file
# Measured on 26 photographs and benchmark images, cut to 768 pixels. No original is below -26 dB; 7 in 10 of those that
# bicubic upscaled by 2, 3, or 4 are below -28, and so are 3 of 91 photographs as they are. No original's blocks are
# above 1.84; half of those at JPEG quality 30 are above 1.97.
UPSCALED = -28.0  # dB: power of the highest frequencies over that of low ones
BLOCKS = 2.0  # differences across the borders of 8 x 8 blocks over those inside
FAINT = 0.1  # levels: below this, a difference isn't seen
SIDE = 512


@dataclasses.dataclass(frozen=True)
class Health:
    """What was found in a folder.

    Args:
        count, smallest, largest: of the images; sizes are (height, width).
        checked: how many images were checked for what they show.
        broken: {name: why it can't be read}.
        small: names of images smaller than a patch.
        duplicates: groups of names whose files are equal.
        benchmarks: {name: the benchmark image that it shows}.
        upscaled, compressed: names of images that seem to be.
    """

    count: int
    smallest: tuple[int, int]
    largest: tuple[int, int]
    checked: int
    broken: dict[str, str]
    small: list[str]
    duplicates: list[list[str]]
    benchmarks: dict[str, str]
    upscaled: list[str]
    compressed: list[str]


def check(folder: str | os.PathLike, progress: Callable | None = None) -> Health:
    """Checks the HR images in `folder` and its subfolders; images in folders for LR are left out.

    Args:
        folder: any folder of images, or a dataset that convert.py wrote.
        progress: wraps the iterable of images, such as tqdm.

    Raises:
        InputError: there is no such folder, or no image in it.
    """
    folder = Path(folder)
    paths = sorted(_hr_images(folder))
    if not paths:
        raise InputError(f"{folder} has no images in a format that is read here.")
    chosen = {paths[i] for i in np.linspace(0, len(paths) - 1, min(SAMPLE, len(paths))).round().astype(int)}
    sizes, equal, found = {}, defaultdict(list), {"broken": {}, "benchmarks": {}, "upscaled": [], "compressed": []}
    for path in progress(paths) if progress else paths:
        name = path.relative_to(folder).as_posix()
        try:
            equal[path.stat().st_size, sha256(path)].append(name)
            rgb = _rgb(path)
        except (InputError, OSError) as error:
            found["broken"][name] = str(error)
            continue
        sizes[name] = rgb.shape[:2]
        if path in chosen:
            _content(name, path, rgb, found)
    ordered = sorted(sizes.values(), key=lambda size: size[0] * size[1]) or [(0, 0)]
    small = [name for name, size in sizes.items() if min(size) < SMALL]
    duplicates = [names for names in equal.values() if len(names) > 1]
    return Health(len(paths), ordered[0], ordered[-1], len(chosen), small=small, duplicates=duplicates, **found)


def _hr_images(folder):
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and "LR" not in name.split("_")]
        for name in names:
            suffix = Path(name).suffix.lower()
            if (suffix in images.FORMATS or suffix == ".npy") and not name.startswith("."):
                yield Path(root, name)


def _rgb(path):
    rgb = np.asarray(div2k.load(path))
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise InputError(f"{path}: an array of {rgb.dtype} {rgb.shape}, not an image")
    return rgb


def _content(name, path, rgb, found):
    bits, benchmark = nearest(np.ascontiguousarray(rgb), BENCHMARKS.items())
    if bits <= NEAR:
        found["benchmarks"][name] = benchmark
    gray = np.asarray(Image.fromarray(_middle(rgb)).convert("L"), "float64")
    if detail(gray) < UPSCALED:
        found["upscaled"].append(name)
    quality = jpeg_quality(path)
    if (quality is not None and quality < LOW_QUALITY) or blocks(gray) > BLOCKS:
        found["compressed"].append(name)


def _middle(rgb):
    """The center, cut at a multiple of 8 pixels so that blocks keep their place."""
    top, left = ((max(0, length - SIDE) // 2) // 8 * 8 for length in rgb.shape[:2])
    return np.ascontiguousarray(rgb[top : top + SIDE, left : left + SIDE])


def detail(gray: np.ndarray) -> float:
    """Returns the power of the highest frequencies relative to low ones, in dB; upscaled images have little."""
    side = min(gray.shape)
    if side < 32:
        return 0.0
    window = np.hanning(side)
    cut = gray[:side, :side]
    power = np.abs(np.fft.fft2((cut - cut.mean()) * window[:, None] * window)) ** 2
    frequency = np.abs(np.fft.fftfreq(side)) * 2  # 1 is the highest
    radius = np.maximum(frequency[:, None], frequency)
    high, low = (power[(radius >= bottom) & (radius < top)].mean() for bottom, top in ((0.6, 0.95), (0.1, 0.25)))
    return float(10 * np.log10((high + 1e-9) / (low + 1e-9)))


def blocks(gray: np.ndarray) -> float:
    """Returns how much stronger differences are across the borders of 8 x 8 blocks than inside; 1 without JPEG."""
    ratios = [1.0]
    for axis in (0, 1):
        steps = np.abs(np.diff(gray, axis=axis)).mean(axis=1 - axis)
        if len(steps) >= 16:
            inside = np.median([steps[k::8].mean() for k in range(7)])
            ratios.append((steps[7::8].mean() + FAINT) / (inside + FAINT))
    return float(max(ratios))
