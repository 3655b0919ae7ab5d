"""Recognizes copies of an image, even resized, compressed, flipped or rotated.

A perceptual hash has 64 bits: which of the 8 x 8 lowest frequencies of the image, shrunk to 32 x 32 gray pixels, are
above their median. Copies that were resized, compressed to low JPEG quality or brightened differ in a few bits;
different images of our datasets differ in 14 or more. Crops aren't recognized.
"""

import numpy as np
from PIL import Image

NEAR = 10  # bits: up to this distance it's the same image; tests/release/test_leaks.py measures both sides
SIDE, LOW = 32, 8


def perceptual_hash(rgb):
    """64 bits, as an integer, that hardly differ between images that look the same; `rgb` is H x W x 3, uint8."""
    gray = Image.fromarray(rgb).convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    low = _cosines() @ np.asarray(gray, "float64") @ _cosines().T
    bits = (low > np.median(low)).ravel()
    return int("".join("1" if bit else "0" for bit in bits), 2)


def _cosines():
    """The lowest rows of the matrix of the cosine transform."""
    return np.cos(np.pi / SIDE * np.outer(np.arange(LOW), np.arange(SIDE) + 0.5))


def distance(a, b):
    """The number of bits in which two hashes differ."""
    return (a ^ b).bit_count()


def orientations(rgb):
    """Yields the image in its eight flips and rotations."""
    for flipped in (rgb, rgb[:, ::-1]):
        for turns in range(4):
            yield np.ascontiguousarray(np.rot90(flipped, turns))


def nearest(rgb, hashes):
    """(bits, name) of the hash, of [(hash, name)], that is nearest to the image in any orientation."""
    own = [perceptual_hash(view) for view in orientations(rgb)]
    return min((distance(mine, theirs), name) for theirs, name in hashes for mine in own)


# The HR images of benchmarks that people train on by mistake: {perceptual hash: name}.
BENCHMARKS = {
    0xDF20607D5FA15887: "Set14 image 1",
    0xC9C91A74F0E74987: "Set14 image 2",
    0xF892E16331CDCFC0: "Set14 image 3",
    0xF52A4AF2B2ECCC12: "Set14 image 4",
    0x9AB14B34A4ADCE47: "Set14 image 5",
    0x8E726AE56D98A562: "Set14 image 6",
    0x91F06E16C2CBA6B9: "Set14 image 7",
    0xF885CB1C35706697: "Set14 image 8",
    0x99C6562D7533A296: "Set14 image 9",
    0xB2BC2DC62EE0C91E: "Set14 image 10",
    0xE97B64FC98960163: "Set14 image 11",
    0xA3BF7C10C711C8D9: "Set14 image 12",
    0xAA6610F31BCE1C9D: "Set14 image 13",
    0xF8A195C6836AEC3C: "Set14 image 14",
    0xFAEC2DB230E821CB: "Set5 image 1",
    0xB8C0C63ECD41F595: "Set5 image 2",
    0x86087B157CDE246F: "Set5 image 3",
    0x8C726BE46D98A56A: "Set5 image 4",
    0xD5D2780F139661B9: "Set5 image 5",
}
