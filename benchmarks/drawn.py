"""Images for benchmarks, drawn so that PNG compresses them about as well as photographs."""

import numpy as np

from wdsr_tf.data.div2k import Pair


def draw(count, height, width):
    """Yields `count` uint8 images with smooth shades, edges and a little grain; always the same ones."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] / max(height, width)
    for _ in range(count):
        image = np.zeros((height, width, 3))
        for channel in range(3):
            a, b, c = random.uniform(1, 30, 3)
            image[..., channel] = 128 + 60 * np.sin(a * x + b * y) + 40 * np.sign(np.sin(c * x * y + a))
        image += random.normal(0, 3, image.shape)
        yield np.clip(image, 0, 255).astype("uint8")


def draw_pairs(folder, count, height, width, scale):
    """Writes `count` drawn HR images of about `height` x `width` and their LR as .npy files; returns the `Pair`s."""
    return write_pairs(folder, draw(count, height // scale * scale, width // scale * scale), scale)


def write_pairs(folder, images, scale):
    """Writes HR `images` and every `scale`-th pixel of them as .npy files; returns the `Pair`s."""
    pairs = []
    for i, hr in enumerate(images):
        pair = Pair(f"{i:04d}", folder / f"{i:04d}x{scale}.npy", folder / f"{i:04d}.npy")
        np.save(pair.lr, hr[::scale, ::scale])
        np.save(pair.hr, hr)
        pairs.append(pair)
    return pairs
