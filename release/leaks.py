"""Finds training images that are also benchmark images, even resized, compressed, flipped or rotated.

An image is recognized by the SHA-256 of its file and by its perceptual hash; see `wdsr_tf/images/fingerprint.py`.
"""

import csv
import dataclasses
from pathlib import Path

from wdsr_tf import images
from wdsr_tf.files import atomic, sha256
from wdsr_tf.images.fingerprint import NEAR, nearest


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
