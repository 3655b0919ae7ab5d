"""How LR is made from HR on the fly, as the projects do it that train without LR pictures; and how they choose crops.

    make_lr = recipe("waifu2x-art", scale=2, level=1)     or, from a flag, parse("waifu2x-art,level=1", scale=2)
    lr = make_lr(hr, rng)                                 uint8 H x W x 3 and a numpy.random.Generator -> uint8

A picture is cropped (and flipped and turned), then shrunk, then encoded, in this order. Everything here is a pure
function of a picture and a generator.
"""

import ast
import dataclasses
import functools
import inspect
import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from wdsr_tf.errors import InputError

UNTRUSTED = 8  # LR pixels at a border, which waifu2x cuts off
BLOCK = 16  # pixels of a JPEG block whose chroma is subsampled
PILLOW_FILTERS = {name: Image.Resampling[name.upper()] for name in ("bilinear", "bicubic", "lanczos", "box")}
MAGICK_FILTERS = {  # GraphicsMagick's: half width and kernel
    "box": (0.5, np.ones_like),
    "catrom": (2, lambda x: _keys(np.abs(x))),
    "lanczos": (3, lambda x: np.sinc(x) * np.sinc(x / 3)),
    "sinc": (4, lambda x: np.sinc(x) * (0.42 + 0.5 * np.cos(np.pi * x / 4) + 0.08 * np.cos(np.pi * x / 2))),
}
NR_RATES = {"art": (0.65, 0.65, 0.65, 1.0), "photo": (0.3, 0.3, 0.6, 1.0)}  # waifu2x's releases, by noise level


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A way to make LR: `lr = recipe(hr, rng)`.

    Attributes:
        name: of the recipe.
        scale: how many times as large HR is; 1 for denoisers.
        margin: LR pixels that HR has to show on each side beyond the LR that comes back.
        make: the function of (hr, rng).
    """

    name: str
    scale: int
    margin: int
    make: Callable

    def __call__(self, hr, rng):
        least = self.scale * (2 * self.margin + 1)
        if any(side % self.scale or side < least for side in hr.shape[:2]):
            raise InputError(
                f"{self.name} x{self.scale} takes HR patches whose sides are multiples of {self.scale} and at least "
                f"{least} pixels, not {hr.shape[0]} x {hr.shape[1]}"
            )
        return self.make(hr, rng)


def recipe(name, scale, **options):
    """The `Recipe` of that name; an unknown name, option, filter or level raises InputError.

    seed-000       yu45020/Waifu2x: one of `filters`, then JPEG of `level` 0 (none), 1 (quality 75-95) or 2 (50-75)
    seed-001       its first version: bicubic, then JPEG of quality 100 - 10 * `level`
    bicubic-jpeg   bicubic, then JPEG of a quality from `low` to `high`, all equally likely: pictures from the web
    waifu2x-art    nagadomi/waifu2x for drawings: one of `filters`, blurred or sharpened by up to `blur`, then with
                   probability `nr_rate` up to three times JPEG of noise `level` 0 to 3; None: shrunk only
    waifu2x-photo  the same for photographs

    `filters` are names joined by +, and may repeat: "box+box+sinc". waifu2x encodes whole pictures: so that borders
    do not show, and JPEG's blocks begin anywhere, its recipes need a `margin`; 0 does without.
    """
    build = _known("recipe", name, RECIPES)
    options_known = [p.name for p in inspect.signature(build).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for option in options:
        _known(f"option of {name}", option, dict.fromkeys(options_known))
    make, margin = build(scale, **options)
    return Recipe(name, scale, margin, make)


def parse(text, scale):
    """`"waifu2x-art,level=1,filters=box+sinc"` -> that `Recipe`."""
    name, *options = text.split(",")
    given = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise InputError(f"{text!r}: behind the recipe's name come options as name=value, not {option!r}")
        try:
            given[key] = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):  # as its documentation has it
            given[key] = value
    return recipe(name, scale, **given)


def seed_000(scale, *, level=1, filters="bilinear+bicubic+lanczos"):
    loss = _known("noise level of seed-000", level, {0: None, 1: (5, 25), 2: (25, 50)})
    names = _filters(filters, PILLOW_FILTERS)

    def make(hr, rng):
        lr = shrink(hr, scale, names[rng.integers(len(names))])
        return lr if loss is None else jpeg(lr, 100 - round(rng.uniform(*loss)))

    return make, 0


def seed_001(scale, *, level=1):
    quality = _known("noise level of seed-001", level, {0: 100, 1: 90, 2: 80})
    return lambda hr, rng: jpeg(shrink(hr, scale, "bicubic"), quality), 0


def bicubic_jpeg(scale, *, low=50, high=95):
    if not (type(low) is type(high) is int and 1 <= low <= high <= 100):
        raise InputError(f"bicubic-jpeg takes whole qualities 1 <= low <= high <= 100, not {low!r} and {high!r}")
    return lambda hr, rng: jpeg(shrink(hr, scale, "bicubic"), int(rng.integers(low, high + 1))), 0


def waifu2x(style, scale, *, level=None, filters="box+lanczos+sinc", blur=0.05, nr_rate=None, margin=UNTRUSTED + BLOCK):
    _within(f"waifu2x-{style}", "blur", blur, 0, 0.5)  # at half its width the box still holds a pixel
    _within(f"waifu2x-{style}", "nr_rate", 0 if nr_rate is None else nr_rate, 0, 1)
    if type(margin) is not int or margin < 0:
        raise InputError(f"waifu2x-{style} takes a whole number of LR pixels for margin, not {margin!r}")
    if level is not None:
        rate = _known(f"noise level of waifu2x-{style}", level, dict(enumerate(NR_RATES[style])))
        nr_rate = rate if nr_rate is None else nr_rate
    names = _filters(filters, MAGICK_FILTERS)
    shifts = max(1, min(BLOCK, margin - UNTRUSTED))  # where the grid of blocks may begin, in the part that is cut off

    def make(hr, rng):
        lr = hr
        if scale > 1:
            lr = shrink_blurred(hr, scale, names[rng.integers(len(names))], rng.uniform(1 - blur, 1 + blur))
        if level is not None and rng.uniform() < nr_rate:
            top, left = rng.integers(shifts, size=2)
            noisy = lr[top:, left:]
            for quality in waifu2x_qualities(style, level, rng):
                noisy = jpeg(noisy, quality, "4:2:0" if rng.uniform() < 0.5 else "4:4:4")
            lr = lr.copy()
            lr[top:, left:] = noisy
        return lr[margin : lr.shape[0] - margin, margin : lr.shape[1] - margin]

    return make, margin


def waifu2x_qualities(style, level, rng):
    """The qualities with which waifu2x encodes a picture one after the other; levels 2 and 3 differ in `nr_rate`."""

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
    "seed-000": seed_000,
    "seed-001": seed_001,
    "bicubic-jpeg": bicubic_jpeg,
    "waifu2x-art": functools.partial(waifu2x, "art"),
    "waifu2x-photo": functools.partial(waifu2x, "photo"),
}


def shrink(image, scale, filter):
    """`image` divided by `scale` with one of Pillow's antialiased filters."""
    height, width = (length // scale for length in image.shape[:2])
    return np.asarray(Image.fromarray(image).resize((width, height), PILLOW_FILTERS[filter]))


def shrink_blurred(image, scale, filter, blur=1.0):
    """`image` divided by `scale` as GraphicsMagick does it, with the kernel of `filter` stretched by `blur`."""
    half_width, kernel = MAGICK_FILTERS[filter]
    receptive_field = int(np.ceil(half_width * scale * blur))
    x = (np.arange(-receptive_field, scale + receptive_field) + 0.5 - scale / 2) / (scale * blur)
    weights = np.where(np.abs(x) <= half_width, kernel(x), 0).astype("float32")
    small = _weighted(
        _weighted(image.astype("float32"), weights, scale, receptive_field).swapaxes(0, 1),
        weights,
        scale,
        receptive_field,
    )
    return np.rint(np.clip(small.swapaxes(0, 1), 0, 255)).astype("uint8")


def _weighted(image, weights, scale, receptive_field):
    """Weighted means of rows, one for each `scale` of them; beyond the picture nothing has weight."""
    length = len(image) // scale * scale
    inside = np.pad(np.ones((len(image), 1, 1), "float32"), [(receptive_field, receptive_field), (0, 0), (0, 0)])
    image = np.pad(image, [(receptive_field, receptive_field), (0, 0), (0, 0)])
    total, norm = (sum(w * x[k : k + length : scale] for k, w in enumerate(weights) if w) for x in (image, inside))
    return total / norm


def _keys(x):
    """Keys' cubic with a = -0.5, which is Catmull and Rom's, for x in 0..2."""
    return np.where(x < 1, 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2)


def jpeg(image, quality, subsampling="4:2:0"):
    """`image` as it comes back from a JPEG file; "4:4:4" keeps chroma in full resolution."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file).convert("RGB"))


def has_detail(lr, min_bytes=14_000):
    """Whether `lr` as a PNG file has at least `min_bytes`, which a patch of one flat color has not (seed 000).

    The default is for 128 x 128 pixels, of which it leaves out about a fifth where pictures are drawn.
    """
    file = io.BytesIO()
    Image.fromarray(lr).save(file, "PNG")
    return file.tell() >= min_bytes


def limit_size(image, longest=2048):
    """`image`, shrunk with Lanczos' filter if a side is longer than `longest`."""
    if max(image.shape[:2]) <= longest:
        return image
    picture = Image.fromarray(image)
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def grid(height, width, size, maximum=None, rng=None):
    """(top, left) of all `size` x `size` patches that do not overlap, column by column; what remains is left out.

    Of more than `maximum` patches, so many are drawn without repetition (seed 001).
    """
    places = [(top, left) for left in range(0, width - size + 1, size) for top in range(0, height - size + 1, size)]
    if maximum is None or len(places) <= maximum:
        return places
    return [places[i] for i in rng.choice(len(places), maximum, replace=False)]


def active_crop(hr, size, step, rng, rate=0.5, tries=10):
    """(top, left) of a random `size` x `size` crop, at multiples of `step` (waifu2x).

    With probability `rate` it is, of `tries` crops, the one that loses most when it is halved and doubled again.
    """

    def place():
        return tuple(int(step * rng.integers((length - size) // step + 1)) for length in hr.shape[:2])

    if rng.uniform() >= rate:
        return place()
    return max((place() for _ in range(tries)), key=lambda at: _detail(hr, *at, size))


def _detail(hr, top, left, size):
    """Squared difference between the crop and what is left of it at half the resolution, in blocks of 2 x 2 of HR."""
    even = (slice(top - top % 2, top + size + 1), slice(left - left % 2, left + size + 1))
    region = hr[even].astype("float32")
    region = region[: len(region) // 2 * 2, : region.shape[1] // 2 * 2]
    height, width, colors = region.shape
    blocks = region.reshape(height // 2, 2, width // 2, 2, colors)
    lost = np.square(blocks - blocks.mean(axis=(1, 3), keepdims=True)).reshape(region.shape)
    return lost[top % 2 :, left % 2 :][:size, :size].sum()


def _filters(text, known):
    names = str(text).split("+")
    for name in names:
        _known("filter", name, known)
    return names


def _known(what, given, known):
    if type(given) not in (str, int) or given not in known:
        raise InputError(f"there is no {what} {given!r}; known are {', '.join(map(str, known))}")
    return known[given]


def _within(name, option, given, low, high):
    if type(given) not in (int, float) or not low <= given <= high:
        raise InputError(f"{name} takes a number from {low} to {high} for {option}, not {given!r}")
