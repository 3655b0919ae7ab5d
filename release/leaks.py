"""Whether pictures to train on are among those that networks are measured on: also resized, compressed, turned.

A picture is known by the sha256 of its file and by a perceptual hash of 64 bits: which of the 8 x 8 lowest frequencies
of the picture, shrunk to 32 x 32 gray pixels, are above their median. Copies that were resized, compressed to JPEG of
low quality or made brighter differ in a few bits; different pictures of the sets at hand in 14 and more of them. Parts
of pictures are not found.
"""

import csv
import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image

from wdsr_tf import images
from wdsr_tf.files import atomic, sha256

NEAR = 10  # bits: fewer or as many are the same picture; tests/release/test_leaks.py measures what lies on either side
SIDE, LOW = 32, 8


@dataclasses.dataclass(frozen=True)
class Seen:
    """A picture that a network was trained on, or its checkpoint chosen by.

    Attributes:
        split: train or valid.
        name: its folder and name.
        author, license: as the source states them, or nothing.
        sha256: of its file.
        hash: `perceptual_hash`, in hexadecimal.
    """

    split: str
    name: str
    author: str
    license: str
    sha256: str
    hash: str


def perceptual_hash(rgb):
    """64 bits, as a number, that are nearly the same for what looks the same; `rgb` is H x W x 3, uint8."""
    gray = Image.fromarray(rgb).convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    low = _cosines() @ np.asarray(gray, "float64") @ _cosines().T
    bits = (low > np.median(low)).ravel()
    return int("".join("1" if bit else "0" for bit in bits), 2)


def _cosines():
    """The lowest rows of the cosine transform's matrix."""
    return np.cos(np.pi / SIDE * np.outer(np.arange(LOW), np.arange(SIDE) + 0.5))


def distance(a, b):
    """In how many bits two hashes differ."""
    return (a ^ b).bit_count()


def positions(rgb):
    """The picture in its eight flips and turns."""
    for flipped in (rgb, rgb[:, ::-1]):
        for turns in range(4):
            yield np.ascontiguousarray(np.rot90(flipped, turns))


def leaks(seen, paths):
    """[(path, name of the seen picture, bits)] of the pictures at `paths` that are among the `Seen`; bits 0: equal."""
    by_sha256 = {each.sha256: each.name for each in seen}
    hashes = [(int(each.hash, 16), each.name) for each in seen]
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
    """(bits, name) of the nearest of `hashes`, [(hash, name)], to the picture in any of its positions."""
    own = [perceptual_hash(view) for view in positions(rgb)]
    return min((distance(mine, theirs), name) for theirs, name in hashes for mine in own)


def write(path, seen):
    """Writes the list as CSV."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in dataclasses.fields(Seen)])
        writer.writerows(dataclasses.astuple(each) for each in seen)


def read(path):
    """The list that `write` wrote."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        return [Seen(**row) for row in csv.DictReader(file)]
