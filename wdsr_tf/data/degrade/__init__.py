"""Recipes that make LR from HR on the fly, as the projects do that train without LR images; and how they choose crops.

    make_lr = recipe("waifu2x-art", scale=2, level=1)     or, from text, parse("waifu2x-art,level=1", scale=2)
    lr = make_lr(hr, rng)                                 uint8 H x W x 3 and a numpy.random.Generator -> uint8

A patch is cropped, flipped and turned first, then downscaled, then compressed. Everything here is a pure function of an
image and a generator.
"""

import ast
import dataclasses
import inspect
from collections.abc import Callable

import numpy as np

from wdsr_tf.data.degrade import bsrgan, real_esrgan, waifu2x
from wdsr_tf.data.degrade.compression import jpeg
from wdsr_tf.data.degrade.crops import active_crop, grid, has_detail, limit_size, png
from wdsr_tf.errors import InputError, suggestion

__all__ = [
    "Recipe", "active_crop", "canonical", "grid", "has_detail", "jpeg", "limit_size", "parse", "png", "recipe",
]  # fmt: skip
RECIPES = waifu2x.RECIPES | real_esrgan.RECIPES | bsrgan.RECIPES
ALIASES = {"seed-000": "waifu2x-pytorch", "seed-001": "waifu2x-pytorch-v1"}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A way to make LR: `lr = recipe(hr, rng)`.

    Args:
        name: of the recipe.
        scale: HR size divided by LR size; 1 for denoisers.
        margin: LR pixels that HR must show on each side beyond the LR that is returned.
        make: the function of (hr, rng).
        prepare: is applied to HR before anything else; networks learn to make what it returns.
    """

    name: str
    scale: int
    margin: int
    make: Callable
    prepare: Callable = np.asarray

    def __call__(self, hr: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return self.pair(hr, rng)[0]

    def pair(self, hr: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Returns LR, and the part of the prepared HR that it shows."""
        least = self.scale * (2 * self.margin + 1)
        if any(side % self.scale or side < least for side in hr.shape[:2]):
            raise InputError(
                f"{self.name} x{self.scale} needs HR patches whose sides are multiples of {self.scale} and at least "
                f"{least} pixels, not {hr.shape[0]} x {hr.shape[1]}."
            )
        hr, cut = self.prepare(hr), self.margin * self.scale
        return self.make(hr, rng), hr[cut : hr.shape[0] - cut, cut : hr.shape[1] - cut]


def recipe(name: str, scale: int, **options) -> Recipe:
    """Returns the recipe of that name.

    waifu2x-pytorch     yu45020/Waifu2x: one of `filters`, then JPEG with noise `level` 0 (none), 1 (quality 75-95) or
                        2 (50-75)
    waifu2x-pytorch-v1  its first version: bicubic, then JPEG with quality 100 - 10 * `level`
    bicubic-jpeg        bicubic, then JPEG with a quality drawn from `low` to `high`, like images from the web
    waifu2x-art         nagadomi/waifu2x for drawings: one of `filters`, blurred or sharpened by up to `blur`, then with
                        probability `nr_rate` JPEG up to three times, with noise `level` 0 to 3; None only downscales
    waifu2x-photo       the same for photographs
    real-esrgan         Real-ESRGAN: blur, resize, noise and JPEG, twice. The network learns to make sharpened HR, or HR
                        itself without `sharpen`; `jpeg` "diff" is the reference's compression, "pillow" a real one
    light               the same with the ranges that traiNNer-redux and neosr use for good photographs
    bsrgan              BSRGAN: blurs, resizes, noise and JPEG in random order

    `filters` are names joined by +, and may repeat: "box+box+sinc". Borders of a patch would be blurred and compressed
    unlike those of a full image, so most recipes need a `margin`, in LR pixels; 0 does without. `seed-000` and
    `seed-001` are aliases of the first two names.

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
    make, margin, *prepare = build(scale, **options)
    return Recipe(name, scale, margin, make, *prepare)


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
