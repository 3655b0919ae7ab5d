"""Finds training images that are also benchmark images, even resized, compressed, flipped or rotated.

An image is recognized by the SHA-256 of its file and by a perceptual hash of 64 bits: which of the 8 x 8 lowest
frequencies of the image, shrunk to 32 x 32 gray pixels, are above their median. Copies that were resized, compressed to
low JPEG quality or brightened differ in a few bits; different images of our datasets differ in 14 or more. Crops aren't
recognized.
"""

import csv
import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image

from wdsr_tf import images
from wdsr_tf.files import atomic, sha256

NEAR = 10  # bits: up to this distance it's the same image; tests/release/test_leaks.py measures both sides
SIDE, LOW = 32, 8


@dataclasses.dataclass(frozen=True)
class TrainingImage:
    """An image that a model was trained on, or that its checkpoint was chosen by.

    Args:
        split: "train" or "valid".
        name: its folder and name.
        author, license: as the source states them, or empty.
        sha256: of its file.
        hash: its `perceptual_hash`, in hexadecimal.
    """

    split: str
    name: str
    author: str
    license: str
    sha256: str
    hash: str


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


def find_leaks(training_images, paths):
    """Returns [(path, name of training image, bits)] for those of `paths` that are training images; 0 bits: equal."""
    by_sha256 = {each.sha256: each.name for each in training_images}
    hashes = [(int(each.hash, 16), each.name) for each in training_images]
    found = []
    for path in paths:
        if equal := by_sha256.get(sha256(path)):
            found.append((path, equal, 0))
            continue
        bits, name = nearest(images.read(path), hashes)
        if bits <= NEAR:
            found.append((path, name, bits))
    return found


def nearest(rgb, hashes):
    """(bits, name) of the hash, of [(hash, name)], that is nearest to the image in any orientation."""
    own = [perceptual_hash(view) for view in orientations(rgb)]
    return min((distance(mine, theirs), name) for theirs, name in hashes for mine in own)


def write(path, training_images):
    """Writes the list as CSV."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in dataclasses.fields(TrainingImage)])
        writer.writerows(dataclasses.astuple(each) for each in training_images)


def read(path):
    """Reads a list that `write` wrote."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        return [TrainingImage(**row) for row in csv.DictReader(file)]
