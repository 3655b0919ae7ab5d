"""Recipes of the waifu2x projects, and plain JPEG: downscaled by one of several filters, then compressed."""

import functools

import numpy as np
from PIL import Image

from wdsr_tf.data.degrade.compression import jpeg
from wdsr_tf.data.degrade.options import check_range, choice
from wdsr_tf.errors import InputError
from wdsr_tf.images.resize import cubic

UNTRUSTED = 8  # LR pixels at each border that waifu2x cuts off
BLOCK = 16  # side in pixels of a JPEG block with subsampled chroma
PILLOW_FILTERS = {name: Image.Resampling[name.upper()] for name in ("bilinear", "bicubic", "lanczos", "box")}
MAGICK_FILTERS = {  # GraphicsMagick's: half width and kernel
    "box": (0.5, np.ones_like),
    "catrom": (2, cubic),
    "lanczos": (3, lambda x: np.sinc(x) * np.sinc(x / 3)),
    "sinc": (4, lambda x: np.sinc(x) * (0.42 + 0.5 * np.cos(np.pi * x / 4) + 0.08 * np.cos(np.pi * x / 2))),
}
NR_RATES = {"art": (0.65, 0.65, 0.65, 1.0), "photo": (0.3, 0.3, 0.6, 1.0)}  # waifu2x's releases, by noise level


def waifu2x_pytorch(scale, *, level=1, filters="bilinear+bicubic+lanczos"):
    loss = choice("waifu2x-pytorch", "level", level, {0: None, 1: (5, 25), 2: (25, 50)})
    names = _filters("waifu2x-pytorch", filters, PILLOW_FILTERS)

    def make(hr, rng):
        lr = downscale(hr, scale, names[rng.integers(len(names))])
        return lr if loss is None else jpeg(lr, 100 - round(rng.uniform(*loss)))

    return make, 0


def waifu2x_pytorch_v1(scale, *, level=1):
    quality = choice("waifu2x-pytorch-v1", "level", level, {0: 100, 1: 90, 2: 80})
    return lambda hr, rng: jpeg(downscale(hr, scale, "bicubic"), quality), 0


def bicubic_jpeg(scale, *, low=50, high=95):
    if not (type(low) is type(high) is int and 1 <= low <= high <= 100):
        raise InputError(f"bicubic-jpeg needs whole numbers 1 <= low <= high <= 100, not low={low!r}, high={high!r}.")
    return lambda hr, rng: jpeg(downscale(hr, scale, "bicubic"), int(rng.integers(low, high + 1))), 0


def waifu2x(style, scale, *, level=None, filters="box+lanczos+sinc", blur=0.05, nr_rate=None, margin=UNTRUSTED + BLOCK):
    name = f"waifu2x-{style}"
    check_range(name, "blur", blur, 0, 0.5)  # at half its width, the box still covers a pixel
    check_range(name, "nr_rate", 0 if nr_rate is None else nr_rate, 0, 1)
    if type(margin) is not int or margin < 0:
        raise InputError(f"{name}: margin must be a whole number of LR pixels, not {margin!r}.")
    if level is not None:
        rate = choice(name, "level", level, dict(enumerate(NR_RATES[style])))
        nr_rate = rate if nr_rate is None else nr_rate
    names = _filters(name, filters, MAGICK_FILTERS)
    shifts = max(1, min(BLOCK, margin - UNTRUSTED))  # where the grid of blocks may begin, in the part that is cut off

    def make(hr, rng):
        lr = hr
        if scale > 1:
            lr = downscale_blurred(hr, scale, names[rng.integers(len(names))], rng.uniform(1 - blur, 1 + blur))
        if level is not None and rng.uniform() < nr_rate:
            top, left = rng.integers(shifts, size=2)
            noisy = lr[top:, left:]
            for quality in waifu2x_qualities(style, level, rng):
                noisy = jpeg(noisy, quality, "4:2:0" if rng.uniform() < 0.5 else "4:4:4")
            lr = lr.copy()
            lr[top:, left:] = noisy
        return lr[margin : lr.shape[0] - margin, margin : lr.shape[1] - margin]

    return make, margin


def waifu2x_qualities(style: str, level: int, rng: np.random.Generator) -> list[int]:
    """Draws the qualities of waifu2x's successive JPEG compressions; levels 2 and 3 differ in `nr_rate` alone."""

    def between(low, high):
        return int(rng.integers(low, high + 1))

    if level == 0:
        return [between(85, 95)]
    if style == "photo":
        return [between(37, 70)]
    if level == 1:
        return [between(65, 85)]
    chance = rng.uniform()
    if chance > 0.4:
        return [between(27, 70)]
    if chance > 0.1:
        first = between(37, 70)
        return [first, first - between(5, 10)]
    first = between(52, 70)
    return [first, first - between(5, 15), first - between(15, 25)]


def downscale(image: np.ndarray, scale: int, filter: str) -> np.ndarray:
    """Downscales a uint8 image by `scale` with one of Pillow's antialiased filters."""
    height, width = (length // scale for length in image.shape[:2])
    return np.asarray(Image.fromarray(image).resize((width, height), PILLOW_FILTERS[filter]))


def downscale_blurred(image: np.ndarray, scale: int, filter: str, blur: float = 1.0) -> np.ndarray:
    """Downscales a uint8 image by `scale` as GraphicsMagick does, with the kernel of `filter` stretched by `blur`."""
    half_width, kernel = MAGICK_FILTERS[filter]
    radius = int(np.ceil(half_width * scale * blur))
    x = (np.arange(-radius, scale + radius) + 0.5 - scale / 2) / (scale * blur)
    weights = np.where(np.abs(x) <= half_width, kernel(x), 0).astype("float32")
    small = image.astype("float32")
    for _ in range(2):  # rows, then columns
        small = _weighted(small, weights, scale, radius).swapaxes(0, 1)
    return np.rint(np.clip(small, 0, 255)).astype("uint8")


def _weighted(image, weights, scale, radius):
    """Weighted means of rows, one for each `scale` of them; there is no weight beyond the image."""
    length = len(image) // scale * scale
    inside = np.pad(np.ones((len(image), 1, 1), "float32"), [(radius, radius), (0, 0), (0, 0)])
    image = np.pad(image, [(radius, radius), (0, 0), (0, 0)])
    total, norm = (sum(w * x[k : k + length : scale] for k, w in enumerate(weights) if w) for x in (image, inside))
    return total / norm


def _filters(recipe_name, text, known):
    names = str(text).split("+")
    for name in names:
        choice(recipe_name, "filter", name, known)
    return names


RECIPES = {
    "waifu2x-pytorch": waifu2x_pytorch,
    "waifu2x-pytorch-v1": waifu2x_pytorch_v1,
    "bicubic-jpeg": bicubic_jpeg,
    "waifu2x-art": functools.partial(waifu2x, "art"),
    "waifu2x-photo": functools.partial(waifu2x, "photo"),
}
