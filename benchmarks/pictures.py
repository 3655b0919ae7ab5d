"""Pictures for benchmarks, drawn so that PNG saves about as much on them as on photographs."""

import numpy as np


def draw(count, height, width):
    """Yields `count` uint8 pictures with smooth shades, edges and a little grain, always the same ones."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] / max(height, width)
    for _ in range(count):
        picture = np.zeros((height, width, 3))
        for channel in range(3):
            a, b, c = random.uniform(1, 30, 3)
            picture[..., channel] = 128 + 60 * np.sin(a * x + b * y) + 40 * np.sign(np.sin(c * x * y + a))
        picture += random.normal(0, 3, picture.shape)
        yield np.clip(picture, 0, 255).astype("uint8")
