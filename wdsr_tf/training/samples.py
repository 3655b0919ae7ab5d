"""Training patches as images to look at: LR, upscaled without interpolation, beside HR."""

from pathlib import Path

import numpy as np
from PIL import Image

from wdsr_tf.files import atomic

GAP = 4  # white pixels between LR and HR


def write(folder: Path, batches, count: int) -> None:
    """Writes the first `count` patches that a sampler gives to a training as PNG files `001.png`, `002.png`, ..."""
    folder.mkdir(exist_ok=True)
    patches = (pair for k in range(count) for pair in zip(*batches.batch(k), strict=True))
    for number, (lr, hr) in zip(range(1, count + 1), patches, strict=False):
        with atomic(folder / f"{number:03}.png") as temporary:
            Image.fromarray(beside(lr, hr)).save(temporary, "PNG")


def beside(lr: np.ndarray, hr: np.ndarray) -> np.ndarray:
    """Returns uint8 LR and HR in one image, LR with its pixels enlarged to HR's size."""
    scale = hr.shape[0] // lr.shape[0]
    gap = np.full((hr.shape[0], GAP, 3), 255, "uint8")
    return np.concatenate([lr.repeat(scale, 0).repeat(scale, 1), gap, hr], axis=1)
