"""Real-ESRGAN's second-order degradation (Wang et al., ICCVW 2021, https://arxiv.org/abs/2107.10833).

    HR -> sharpen -> [blur -> resize -> noise -> JPEG] -> [blur -> resize -> noise] -> resize to LR, sinc, JPEG -> LR

All choices are drawn first, as a `Plan`; `degrade` then follows it. The reference draws some choices once for a batch,
and mixes batches in a pool to make up for it; here, each patch has its own draws. Reference: xinntao/Real-ESRGAN,
`realesrgan_dataset.py` and `realesrgan_model.py`.
"""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from wdsr_tf.data.degrade import compression, kernels, operations
from wdsr_tf.data.degrade.options import check_margin, check_switch, choice

MODES = ("area", "bilinear", "bicubic")
MARGIN = 12  # LR pixels: the last filter reaches 10 of them from the border
SHAPES = {  # of blur kernels: probability
    "iso": 0.45,
    "aniso": 0.25,
    "generalized_iso": 0.12,
    "generalized_aniso": 0.03,
    "plateau_iso": 0.12,
    "plateau_aniso": 0.03,
}


@dataclasses.dataclass(frozen=True)
class Ranges:
    """What one order draws from; pairs are (lowest, highest), and probabilities are of 0..1.

    Args:
        blur: probability of a blur.
        sizes: of kernels, in pixels.
        sinc: probability that a blur is a sinc filter.
        sigma: standard deviation of a blur, in pixels.
        resize: probabilities of upscaling and downscaling; otherwise the size is kept.
        up: factor.
        down: factor.
        noise: probability of noise.
        gaussian: probability that noise is Gaussian, and not Poisson.
        noise_sigma: standard deviation of Gaussian noise, in levels of 255.
        poisson: scale of Poisson noise.
        gray: probability that the noise is the same in all channels.
        quality: of JPEG.
    """

    blur: float = 1.0
    sizes: tuple[int, ...] = tuple(range(7, 22, 2))
    sinc: float = 0.1
    sigma: tuple[float, float] = (0.2, 3)
    resize: tuple[float, float] = (0.2, 0.7)
    up: tuple[float, float] = (1, 1.5)
    down: tuple[float, float] = (0.15, 1)
    noise: float = 1.0
    gaussian: float = 0.5
    noise_sigma: tuple[float, float] = (1, 30)
    poisson: tuple[float, float] = (0.05, 3)
    gray: float = 0.4
    quality: tuple[float, float] = (30, 95)


@dataclasses.dataclass(frozen=True)
class Strength:
    """The ranges of both orders, and the probabilities of the last sinc filter and of JPEG as the last step."""

    first: Ranges
    second: Ranges
    final_sinc: float = 0.8
    jpeg_last: float = 0.5


REAL = Strength(
    Ranges(),
    Ranges(
        0.8, sigma=(0.2, 1.5), resize=(0.3, 0.4), up=(1, 1.2), down=(0.3, 1), noise_sigma=(1, 25), poisson=(0.05, 2.5)
    ),
)
# For good photographs. Resizing and JPEG as in traiNNer-redux's template, noise and the share of blurs as in neosr's.
_GENTLE = Ranges(
    0.4,
    tuple(range(5, 18, 2)),
    0,
    (0.2, 2),
    (0.2, 0.7),
    (1, 1.5),
    (0.4, 1),
    0.4,
    0.5,
    (0, 2),
    (0.05, 0.25),
    0.1,
    (75, 95),
)
LIGHT = Strength(
    _GENTLE,
    dataclasses.replace(_GENTLE, sigma=(0.2, 1), resize=(0.3, 0.4), up=(1, 1.2), down=(0.6, 1), poisson=(0.05, 0.1)),
    final_sinc=0,
)


@dataclasses.dataclass(frozen=True)
class Order:
    """The choices of one order: the kernel or None, the factor and mode of the resize, a function that adds noise, and
    the quality of JPEG."""

    kernel: np.ndarray | None
    factor: float
    mode: str
    noise: Callable[[np.ndarray], np.ndarray]
    quality: float


@dataclasses.dataclass(frozen=True)
class Plan:
    """All choices for one patch: both orders, mode and kernel of the last resize, and whether JPEG comes last."""

    first: Order
    second: Order
    mode: str
    kernel: np.ndarray | None
    jpeg_last: bool


def draw(strength: Strength, rng: np.random.Generator) -> Plan:
    """Draws the choices for one patch."""
    first, second = (_draw_order(ranges, rng) for ranges in (strength.first, strength.second))
    kernel = None
    if rng.uniform() < strength.final_sinc:
        kernel = kernels.padded(kernels.sinc(int(rng.choice(strength.first.sizes)), rng.uniform(np.pi / 3, np.pi)))
    return Plan(first, second, str(rng.choice(MODES)), kernel, rng.uniform() < strength.jpeg_last)


def degrade(image: np.ndarray, scale: int, plan: Plan, compress: Callable) -> np.ndarray:
    """Degrades an HR image by a plan.

    Args:
        image: float32 [3, height, width] in 0..1, whose sides are multiples of `scale`.
        scale: HR size divided by LR size.
        plan: all choices.
        compress: a function of (image in 0..1, quality) that returns the image after JPEG compression.

    Returns:
        float32 [3, height / scale, width / scale] in 0..1, at multiples of 1/255.
    """
    size = tuple(side // scale for side in image.shape[1:])
    x = _blurred(image, plan.first.kernel)
    x = plan.first.noise(operations.rescale(x, plan.first.factor, plan.first.mode))
    x = compress(np.clip(x, 0, 1), plan.first.quality)
    x = _blurred(x, plan.second.kernel)
    smaller = tuple(max(1, int(side / scale * plan.second.factor)) for side in image.shape[1:])
    x = plan.second.noise(operations.resize(x, smaller, plan.second.mode))
    if plan.jpeg_last:
        x = _blurred(operations.resize(x, size, plan.mode), plan.kernel)
        x = compress(np.clip(x, 0, 1), plan.second.quality)
    else:
        x = compress(np.clip(x, 0, 1), plan.second.quality)
        x = _blurred(operations.resize(x, size, plan.mode), plan.kernel)
    return np.clip(np.rint(x * 255), 0, 255) / np.float32(255)


def recipe(strength, name, scale, *, sharpen=True, jpeg="pillow", margin=MARGIN):
    check_switch(name, "sharpen", sharpen)
    check_margin(name, margin)
    compress = choice(name, "jpeg", jpeg, {"pillow": _pillow, "diff": compression.diff_jpeg})

    def make(hr, rng):
        lr = degrade(operations.planes(hr), scale, draw(strength, rng), compress)
        return operations.pixels(lr)[margin : lr.shape[1] - margin, margin : lr.shape[2] - margin]

    return (make, margin, sharpened) if sharpen else (make, margin)


def sharpened(hr: np.ndarray) -> np.ndarray:
    """Returns uint8 HR as Real-ESRGAN's networks learn to make it: sharpened, before anything else."""
    return operations.pixels(operations.sharpen(operations.planes(hr)))


def _pillow(image, quality):
    return operations.planes(compression.jpeg(operations.pixels(image), round(quality)))


def _blurred(image, kernel):
    return image if kernel is None else operations.blur(image, kernel)


def _draw_order(ranges, rng):
    kernel = _draw_kernel(ranges, rng) if rng.uniform() < ranges.blur else None
    chance, factor = rng.uniform(), 1.0
    if chance < ranges.resize[0]:
        factor = rng.uniform(*ranges.up)
    elif chance < sum(ranges.resize):
        factor = rng.uniform(*ranges.down)
    return Order(kernel, factor, str(rng.choice(MODES)), _draw_noise(ranges, rng), rng.uniform(*ranges.quality))


def _draw_kernel(ranges, rng):
    size = int(rng.choice(ranges.sizes))
    if rng.uniform() < ranges.sinc:
        return kernels.padded(kernels.sinc(size, rng.uniform(np.pi / (3 if size < 13 else 5), np.pi)))
    shape = str(rng.choice(list(SHAPES), p=list(SHAPES.values())))
    widths = [rng.uniform(*ranges.sigma)]
    if shape.endswith("aniso"):
        widths += [rng.uniform(*ranges.sigma), rng.uniform(-np.pi, np.pi)]
    if shape.startswith("generalized"):
        beta = rng.uniform(0.5, 1) if rng.uniform() < 0.5 else rng.uniform(1, 4)
        return kernels.padded(kernels.generalized_gaussian(size, beta, *widths))
    if shape.startswith("plateau"):
        beta = 1 if rng.uniform() < 0.5 else rng.uniform(1, 2)
        return kernels.padded(kernels.plateau(size, beta, *widths))
    return kernels.padded(kernels.gaussian(size, *widths))


def _draw_noise(ranges, rng):
    """A function that adds noise to an image; its kind is drawn now, its values when it's called."""
    if rng.uniform() >= ranges.noise:
        return lambda image: image
    add, strengths = operations.add_poisson_noise, ranges.poisson
    if rng.uniform() < ranges.gaussian:
        add, strengths = operations.add_gaussian_noise, ranges.noise_sigma
    return functools.partial(_noisy, add, rng.uniform(*strengths), rng.uniform() < ranges.gray, rng)


def _noisy(add, strength, gray, rng, image):
    return add(image, strength, gray, rng)


RECIPES = {
    "real-esrgan": functools.partial(recipe, REAL, "real-esrgan"),
    "light": functools.partial(recipe, LIGHT, "light"),
}
