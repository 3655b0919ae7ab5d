"""Remakes docs/photo.png, bicubic beside the bundled network, from docs/lighthouse.png: python demo/photo.py

lighthouse.png is a crop of William Bout's photograph of a lighthouse (CC0 1.0). It is halved by bicubic, and doubled
again twice: on the left by bicubic, on the right by wdsr-a-8-x2.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from any folder, uninstalled

from wdsr_tf import images, upscale
from wdsr_tf.images.resize import imresize

DOCS = Path(__file__).resolve().parent.parent / "docs"
GAP = 8  # pixels of white between the halves


def main():
    original = images.read(DOCS / "lighthouse.png")
    halved = imresize(original, 0.5)
    bicubic, network = imresize(halved, 2), upscale(halved, scale=2)
    gap = np.full((len(original), GAP, 3), 255, "uint8")
    images.write(DOCS / "photo.png", np.concatenate([bicubic, gap, network], axis=1))
    for name, result in (("bicubic", bicubic), ("wdsr-a-8-x2", network)):
        error = np.mean((result.astype("float64") - original) ** 2)
        print(f"{name}: {10 * np.log10(255**2 / error):.2f} dB in RGB, no border left out")


if __name__ == "__main__":
    main()
