"""BSRGAN's degradation (Zhang et al., ICCV 2021, https://arxiv.org/abs/2103.14006): seven steps in a random order.

    HR -> two blurs, two resizes, Gaussian noise, JPEG, in any order that keeps the resizes' -> JPEG -> LR

Reference: cszn/BSRGAN, `utils_blindsr.degradation_bsrgan`. Its noise of camera sensors needs a model that was never
released, and is left out.
"""

import numpy as np

from wdsr_tf.data.degrade import compression, kernels, operations
from wdsr_tf.data.degrade.options import check_margin
from wdsr_tf.images.resize import imresize

MODES = ("bilinear", "bicubic", "coverage")  # OpenCV's linear, cubic and area
STEPS = ("blur", "blur", "shrink", "fit", "noise", "jpeg")
LOWEST = 1e-3  # of a standard deviation or variance: at 0, a Gaussian isn't defined


def degrade(image: np.ndarray, scale: int, rng: np.random.Generator) -> np.ndarray:
    """Degrades float32 [3, height, width] in 0..1, whose sides are multiples of `scale`; returns LR likewise."""
    size = tuple(side // scale for side in image.shape[1:])
    if scale == 4 and rng.uniform() < 0.25:
        image, scale = _halved(image, rng), 2
    for step in ordered(rng):
        if step == "blur":
            image = _convolved(image, draw_kernel(scale, rng))
        elif step == "shrink":
            image = np.clip(_shrunk(image, scale, rng), 0, 1)
        elif step == "fit":
            image = np.clip(operations.resize(image, size, str(rng.choice(MODES))), 0, 1)
        elif step == "noise":
            image = add_noise(image, int(rng.integers(2, 26)) / 255, rng)
        elif rng.uniform() < 0.9:
            image = _compressed(image, rng)
    return _compressed(image, rng)


def ordered(rng: np.random.Generator) -> list[str]:
    """Returns the steps in a random order in which "fit" comes after "shrink"."""
    steps = [STEPS[i] for i in rng.permutation(len(STEPS))]
    shrink, fit = steps.index("shrink"), steps.index("fit")
    if fit < shrink:
        steps[shrink], steps[fit] = steps[fit], steps[shrink]
    return steps


def draw_kernel(scale: int, rng: np.random.Generator) -> np.ndarray:
    """Draws a blur kernel of 7 x 7 to 25 x 25 pixels."""
    size = int(rng.choice(range(7, 26, 2)))
    if rng.uniform() < 0.5:
        along, across = np.maximum(rng.uniform(0, 4 + scale, 2), LOWEST)
        return kernels.from_variances(size, along, across, rng.uniform(0, np.pi))
    return kernels.fspecial(size, max(rng.uniform(0, 2 + 0.2 * scale), LOWEST))


def add_noise(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Adds normal noise to an image in 0..1: of its own in each channel, the same in all, or correlated."""
    chance, size = rng.uniform(), image.shape[1:]
    if chance < 0.8:
        noise = np.float32(sigma) * rng.standard_normal((3 if chance < 0.4 else 1, *size), "float32")
    else:
        basis = np.linalg.svd(rng.uniform(size=(3, 3)))[0]
        covariance = np.abs((25 / 255) ** 2 * basis.T @ np.diag(rng.uniform(size=3)) @ basis)
        noise = rng.multivariate_normal(np.zeros(3), covariance, size, check_valid="ignore").transpose(2, 0, 1)
    return np.clip(image + noise, 0, 1).astype("float32")


def recipe(scale, *, margin=8):
    check_margin("bsrgan", margin)

    def make(hr, rng):
        lr = degrade(operations.planes(hr), scale, rng)
        return operations.pixels(lr)[margin : lr.shape[1] - margin, margin : lr.shape[2] - margin]

    return make, margin


def _halved(image, rng):
    size = tuple(side // 2 for side in image.shape[1:])
    if rng.uniform() < 0.5:
        return np.clip(operations.resize(image, size, str(rng.choice(MODES))), 0, 1)
    half = imresize(image.transpose(1, 2, 0).astype("float64"), size=size)
    return np.clip(half, 0, 1).astype("float32").transpose(2, 0, 1)


def _shrunk(image, scale, rng):
    if rng.uniform() < 0.75:
        factor = rng.uniform(1, 2 * scale)
        size = tuple(max(1, int(side / factor)) for side in image.shape[1:])
        return operations.resize(image, size, str(rng.choice(MODES)))
    kernel = kernels.shifted(kernels.fspecial(25, rng.uniform(0.1, 0.6 * scale)), scale)
    return _convolved(image, kernel)[:, ::scale, ::scale]


def _convolved(image, kernel):
    return operations.blur(image, kernel[::-1, ::-1])


def _compressed(image, rng):
    return operations.planes(compression.jpeg(operations.pixels(image), int(rng.integers(30, 96))))


RECIPES = {"bsrgan": recipe}
