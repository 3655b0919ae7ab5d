"""waifu2x's variations of HR, before LR is made from it: pure functions of an image and a generator.

nagadomi/waifu2x, `lib/data_augmentation.lua` and `pairwise_transform_utils.lua`. Images are uint8, H x W x 3.
"""

import dataclasses

import numpy as np

from wdsr_tf.data.augment import augment
from wdsr_tf.data.degrade.waifu2x import downscale_blurred

HALVING = ("box", "lanczos", "sinc")  # waifu2x's default filters
COLOR = 0.1  # by how much a principal component of the colors grows or shrinks at most


@dataclasses.dataclass(frozen=True)
class Variations:
    """Probabilities, 0..1, of each variation of an HR patch; a probability of 0 draws no random number.

    Args:
        half_size: of taking it from the image at half its size, where lines are thinner.
        color_noise: of changing its colors along their principal components, all by one factor each.
        overlay: of blending it with a flipped or rotated copy of itself.
        unsharp_mask: of sharpening it.
    """

    half_size: float = 0.0
    color_noise: float = 0.0
    overlay: float = 0.0
    unsharp_mask: float = 0.0

    def halves(self, rng: np.random.Generator) -> bool:
        """Draws whether a patch comes from the image at half its size."""
        return _happens(self.half_size, rng)

    def __call__(self, hr: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Applies the other variations, in waifu2x's order, to a square patch."""
        for probability, vary in (
            (self.color_noise, color_noise),
            (self.overlay, overlay),
            (self.unsharp_mask, unsharp_mask),
        ):
            if _happens(probability, rng):
                hr = vary(hr, rng)
        return hr


NONE = Variations()


def half_size(hr: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Halves an image with one of waifu2x's filters."""
    return downscale_blurred(hr, 2, HALVING[rng.integers(len(HALVING))])


def color_noise(hr: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Multiplies the principal components of the colors by random factors; black stays black."""
    pixels = hr.reshape(-1, 3).astype("float64")
    _, axes = np.linalg.eigh(np.cov(pixels, rowvar=False))
    factors = rng.uniform(1 / (1 + COLOR), 1 + COLOR, 3)
    return _bytes(pixels @ (axes * factors) @ axes.T).reshape(hr.shape)


def overlay(hr: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blends a square patch with itself, flipped and rotated, in a random proportion."""
    share, flipped, turns = rng.uniform(), rng.integers(2), rng.integers(4)
    copy, _ = augment(hr, hr, bool(flipped), int(turns))
    return _bytes(share * copy + (1 - share) * hr)


def unsharp_mask(hr: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sharpens as GraphicsMagick does with random settings: differences below a threshold are left alone."""
    sigma, amount, threshold = rng.uniform(0.5, 1.5), rng.uniform(0.1, 0.9), rng.uniform(0, 0.05)
    hr = hr.astype("float32")
    detail = hr - _blurred(hr, sigma)
    return _bytes(np.where(2 * np.abs(detail) < 255 * threshold, hr, hr + np.float32(amount) * detail))


def _blurred(image, sigma):
    """The image through a Gaussian filter; its edges are repeated outside."""
    radius = int(np.ceil(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype("float32")
    for _ in range(2):  # rows, then columns
        wide = np.pad(image, [(radius, radius), (0, 0), (0, 0)], "edge")
        image = sum(w * wide[k : k + len(image)] for k, w in enumerate(weights)).swapaxes(0, 1)
    return image


def _happens(probability, rng):
    return bool(probability) and rng.uniform() < probability


def _bytes(image):
    return np.clip(np.rint(image), 0, 255).astype("uint8")
