"""Fits NIQE's prior to photographs: python -m release.niqe_prior ../shared/images/photos/train

Writes `prior.npz` (mean and covariance of 36 features) and `prior-photographs.csv` (what they were measured on, with
authors and licenses) beside `wdsr_tf/evaluation/niqe.py`. The photographs should be sharp, of many subjects, and free
of visible compression.
"""

import csv
import sys

import numpy as np

from release.training_images import author_and_license
from wdsr_tf import images
from wdsr_tf.commands.command import Command, complain, say
from wdsr_tf.errors import InputError
from wdsr_tf.evaluation import niqe
from wdsr_tf.files import atomic, sha256

COLUMNS = ("file", "author", "license", "sha256")
CREDITS = niqe.PRIOR.with_name("prior-photographs.csv")


def run(flags, words):
    if len(words) != 1:
        raise InputError("Name one folder of photographs.")
    photographs = sorted(images.find(words[0]))
    mean, covariance = niqe.fit(read(photographs))
    with atomic(niqe.PRIOR) as temporary:
        np.savez(temporary, mean=mean, covariance=covariance)
    with atomic(CREDITS) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for path in photographs:
            writer.writerow((path.name, *author_and_license(path), sha256(path)))
    say(f"{niqe.PRIOR}: the statistics of {len(photographs)} photographs, which {CREDITS} lists")


def read(photographs):
    """Yields the pixels of each photograph, and tells which one."""
    for number, path in enumerate(photographs, start=1):
        complain(f"{number} of {len(photographs)}: {path.name}")
        yield images.read(path)


COMMAND = Command("niqe_prior", "Fits NIQE's prior to a folder of photographs.", lambda flags: None, run, "FOLDER")

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m release.niqe_prior"))
