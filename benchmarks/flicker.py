"""How much a scene that stands still flickers once it's upscaled: python -m benchmarks.flicker

Frame by frame, a network sees other noise each time. Printed is the standard deviation over time of a pixel of the
result, averaged over all pixels, in levels of 255; beside the noise's own in the frames and after bicubic.
"""

from pathlib import Path

import numpy as np

from wdsr_tf import images, weights
from wdsr_tf.images.resize import imresize
from wdsr_tf.inference.upscaler import Upscaler

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "lighthouse.png"
SIDE, FRAMES = 96, 12
NOISES = (1, 2, 5)  # standard deviations, in levels
MODELS = ("wdsr-a-8-x2", "wdsr-b-4-x2", "wdsr-a-8-q-x2", "wdsr-a-8-x3", "wdsr-a-8-x4")


def flicker(frames):
    """The standard deviation over time, averaged."""
    return float(np.std(np.stack(frames), axis=0, ddof=1).mean())


def noisy(still, noise):
    """Frames of a scene with noise of its own in each."""
    random = np.random.default_rng(0)
    return [np.clip(still + random.normal(0, noise, still.shape), 0, 255).astype("float32") for _ in range(FRAMES)]


def row(name, make):
    """A row of the table: `make(frame)` for each noise, by the noise that is in the frames."""
    still = images.read(PICTURE)[:SIDE, :SIDE].astype("float32")
    cells = []
    for noise in NOISES:
        frames = noisy(still, noise)
        cells.append(f"{flicker([make(frame) for frame in frames]):.2f}")
    return f"| {name} | {' | '.join(cells)} |"


def main():
    print("python -m benchmarks.flicker\n")
    print(f"| noise, sigma | {' | '.join(map(str, NOISES))} |\n| --- |{' --- |' * len(NOISES)}")
    print(row("frames", lambda frame: frame))
    for scale in (2, 3, 4):
        print(row(f"bicubic x{scale}", lambda frame, scale=scale: imresize(frame / 255, scale) * 255))
    for name in MODELS:
        upscaler = Upscaler(weights.FOLDER / f"{name}.onnx", precision="float32")
        print(row(name, lambda frame, upscaler=upscaler: upscaler.upscale(frame / 255) * 255))


if __name__ == "__main__":
    main()
