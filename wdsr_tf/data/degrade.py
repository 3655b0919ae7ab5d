"""Recipes that make LR from HR on the fly, as the projects do that train without LR images; and how they choose crops.

    make_lr = recipe("waifu2x-art", scale=2, level=1)     or, from text, parse("waifu2x-art,level=1", scale=2)
    lr = make_lr(hr, rng)                                 uint8 H x W x 3 and a numpy.random.Generator -> uint8

A patch is cropped, flipped and turned first, then downscaled, then compressed. Everything here is a pure function of an
image and a generator.
"""

import ast
import dataclasses
import functools
import inspect
import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from wdsr_tf.errors import InputError, suggestion
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


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A way to make LR: `lr = recipe(hr, rng)`.

    Args:
        name: of the recipe.
        scale: HR size divided by LR size; 1 for denoisers.
        margin: LR pixels that HR must show on each side beyond the LR that is returned.
        make: the function of (hr, rng).
    """

    name: str
    scale: int
    margin: int
    make: Callable

    def __call__(self, hr: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        least = self.scale * (2 * self.margin + 1)
        if any(side % self.scale or side < least for side in hr.shape[:2]):
            raise InputError(
                f"{self.name} x{self.scale} needs HR patches whose sides are multiples of {self.scale} and at least "
                f"{least} pixels, not {hr.shape[0]} x {hr.shape[1]}."
            )
        return self.make(hr, rng)


def recipe(name: str, scale: int, **options) -> Recipe:
    """Returns the recipe of that name.

    waifu2x-pytorch     yu45020/Waifu2x: one of `filters`, then JPEG with noise `level` 0 (none), 1 (quality 75-95) or
                        2 (50-75)
    waifu2x-pytorch-v1  its first version: bicubic, then JPEG with quality 100 - 10 * `level`
    bicubic-jpeg        bicubic, then JPEG with a quality drawn from `low` to `high`, like images from the web
    waifu2x-art         nagadomi/waifu2x for drawings: one of `filters`, blurred or sharpened by up to `blur`, then with
                        probability `nr_rate` JPEG up to three times, with noise `level` 0 to 3; None only downscales
    waifu2x-photo       the same for photographs

    `filters` are names joined by +, and may repeat: "box+box+sinc". waifu2x compresses full images, so its recipes need
    a `margin` to hide borders and to let JPEG blocks begin anywhere; 0 does without. `seed-000` and `seed-001` are
    aliases of the first two names.

    Args:
        name: of the recipe.
        scale: HR size divided by LR size.
        **options: of the recipe, by the names above.

    Raises:
        InputError: for an unknown name, option or value.
    """
    name = ALIASES.get(name, name)
    if name not in RECIPES:
        near = suggestion(name, [*RECIPES, *ALIASES])
        raise InputError(f"Unknown degradation {name!r}. {near}Choose from {', '.join(RECIPES)}.")
    build = RECIPES[name]
    known = [p.name for p in inspect.signature(build).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            near = suggestion(option, known)
            raise InputError(f"{name} has no option {option!r}. {near}Choose from {', '.join(known)}.")
    make, margin = build(scale, **options)
    return Recipe(name, scale, margin, make)


def parse(text: str, scale: int) -> Recipe:
    """Returns the recipe for a text such as `"waifu2x-art,level=1,filters=box+sinc"`; raises InputError as `recipe`."""
    name, *options = text.split(",")
    given = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise InputError(
                f"{text!r}: options of a degradation are written NAME=VALUE, such as level=1; not {option!r}."
            )
        try:
            given[key] = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):  # all that its documentation lists
            given[key] = value
    return recipe(name, scale, **given)


def canonical(text: str) -> str:
    """Returns `text`, as `parse` reads it, without an alias."""
    name, *options = text.split(",")
    return ",".join([ALIASES.get(name, name), *options])


def waifu2x_pytorch(scale, *, level=1, filters="bilinear+bicubic+lanczos"):
    loss = _choice("waifu2x-pytorch", "level", level, {0: None, 1: (5, 25), 2: (25, 50)})
    names = _filters("waifu2x-pytorch", filters, PILLOW_FILTERS)

    def make(hr, rng):
        lr = downscale(hr, scale, names[rng.integers(len(names))])
        return lr if loss is None else jpeg(lr, 100 - round(rng.uniform(*loss)))

    return make, 0


def waifu2x_pytorch_v1(scale, *, level=1):
    quality = _choice("waifu2x-pytorch-v1", "level", level, {0: 100, 1: 90, 2: 80})
    return lambda hr, rng: jpeg(downscale(hr, scale, "bicubic"), quality), 0


def bicubic_jpeg(scale, *, low=50, high=95):
    if not (type(low) is type(high) is int and 1 <= low <= high <= 100):
        raise InputError(f"bicubic-jpeg needs whole numbers 1 <= low <= high <= 100, not low={low!r}, high={high!r}.")
    return lambda hr, rng: jpeg(downscale(hr, scale, "bicubic"), int(rng.integers(low, high + 1))), 0


def waifu2x(style, scale, *, level=None, filters="box+lanczos+sinc", blur=0.05, nr_rate=None, margin=UNTRUSTED + BLOCK):
    name = f"waifu2x-{style}"
    _check_range(name, "blur", blur, 0, 0.5)  # at half its width, the box still covers a pixel
    _check_range(name, "nr_rate", 0 if nr_rate is None else nr_rate, 0, 1)
    if type(margin) is not int or margin < 0:
        raise InputError(f"{name}: margin must be a whole number of LR pixels, not {margin!r}.")
    if level is not None:
        rate = _choice(name, "level", level, dict(enumerate(NR_RATES[style])))
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


RECIPES = {
    "waifu2x-pytorch": waifu2x_pytorch,
    "waifu2x-pytorch-v1": waifu2x_pytorch_v1,
    "bicubic-jpeg": bicubic_jpeg,
    "waifu2x-art": functools.partial(waifu2x, "art"),
    "waifu2x-photo": functools.partial(waifu2x, "photo"),
}
ALIASES = {"seed-000": "waifu2x-pytorch", "seed-001": "waifu2x-pytorch-v1"}


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


def jpeg(image: np.ndarray, quality: int, subsampling: str = "4:2:0") -> np.ndarray:
    """Compresses a uint8 image as JPEG in memory and decodes it; "4:4:4" keeps chroma at full resolution."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file).convert("RGB"))


def png(image: np.ndarray) -> bytes:
    """Returns a uint8 image as the bytes of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def has_detail(lr: np.ndarray, min_bytes: int = 14_000) -> bool:
    """Whether `lr` has at least `min_bytes` as a PNG file, which a patch of flat color hasn't (yu45020/Waifu2x).

    The default suits 128 x 128 pixels and drops about a fifth of the patches of drawings.
    """
    return len(png(lr)) >= min_bytes


def limit_size(image: np.ndarray, longest: int = 2048) -> np.ndarray:
    """Downscales `image` with Lanczos' filter if a side has more than `longest` pixels."""
    if max(image.shape[:2]) <= longest:
        return image
    limited = Image.fromarray(image)
    limited.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return np.asarray(limited)


def grid(
    height: int, width: int, size: int, maximum: int | None = None, rng: np.random.Generator | None = None
) -> list[tuple[int, int]]:
    """Returns (top, left) of adjacent `size` x `size` patches, column by column, without what is left at the edges.

    If there are more than `maximum`, that many are drawn without repetition (first version of yu45020/Waifu2x).
    """
    places = [(top, left) for left in range(0, width - size + 1, size) for top in range(0, height - size + 1, size)]
    if maximum is None or len(places) <= maximum:
        return places
    return [places[i] for i in rng.choice(len(places), maximum, replace=False)]


def active_crop(
    hr: np.ndarray, size: int, step: int, rng: np.random.Generator, rate: float = 0.5, tries: int = 10
) -> tuple[int, int]:
    """Returns (top, left) of a random `size` x `size` crop, at multiples of `step`, as waifu2x chooses it.

    With probability `rate` it is the one of `tries` crops that loses most when it's downscaled and upscaled by 2.
    """

    def place():
        return tuple(int(step * rng.integers((length - size) // step + 1)) for length in hr.shape[:2])

    if rng.uniform() >= rate:
        return place()
    return max((place() for _ in range(tries)), key=lambda at: _detail(hr, *at, size))


def _detail(hr, top, left, size):
    """Squared difference between the crop and its version at half the resolution, in HR's blocks of 2 x 2."""
    even = (slice(top - top % 2, top + size + 1), slice(left - left % 2, left + size + 1))
    region = hr[even].astype("float32")
    region = region[: len(region) // 2 * 2, : region.shape[1] // 2 * 2]
    height, width, colors = region.shape
    blocks = region.reshape(height // 2, 2, width // 2, 2, colors)
    lost = np.square(blocks - blocks.mean(axis=(1, 3), keepdims=True)).reshape(region.shape)
    return lost[top % 2 :, left % 2 :][:size, :size].sum()


def _filters(recipe_name, text, known):
    names = str(text).split("+")
    for name in names:
        _choice(recipe_name, "filter", name, known)
    return names


def _choice(recipe_name, option, given, known):
    if type(given) not in (str, int) or given not in known:
        near = suggestion(given, [name for name in known if isinstance(name, str)])
        raise InputError(f"{recipe_name} has no {option} {given!r}. {near}Choose from {', '.join(map(str, known))}.")
    return known[given]


def _check_range(recipe_name, option, given, low, high):
    if type(given) not in (int, float) or not low <= given <= high:
        raise InputError(f"{recipe_name}: {option} must be a number from {low} to {high}, not {given!r}.")
