"""How the projects that make LR on the fly choose patches: by detail, and without what's flat."""

import io

import numpy as np
from PIL import Image


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
