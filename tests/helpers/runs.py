"""Small trainings: a data set of drawn patterns, flags that make a step cheap, and what a run leaves."""

import zipfile
from pathlib import Path

import h5py
import numpy as np

TINY = [
    "--model=wdsr-a",
    "--num-filters=4",
    "--num-res-blocks=1",
    "--weightnorm",
    "--steps-per-epoch=4",
    "--validation-steps=1",
    "--batch-size=2",
    "--lr-patch-size=12",
    "--precision=float32",
]


def write_dataset(root):
    """A set named TOY: four training pictures and two for validation, at x2 and x3."""
    random = np.random.default_rng(0)
    for split, ids in (("train", range(1, 5)), ("valid", range(5, 7))):
        for i in ids:
            hr = np.kron(random.integers(0, 256, (12, 14, 3), dtype="uint8"), np.ones((6, 6, 1), "uint8"))
            pictures = {f"TOY_{split}_HR/{i:04d}.npy": hr}
            pictures |= {f"TOY_{split}_LR_bicubic/X{s}/{i:04d}x{s}.npy": hr[::s, ::s] for s in (2, 3)}
            for name, picture in pictures.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                np.save(root / name, picture)
    return root


def words(dataset, outdir, *more):
    """What is typed behind train.py."""
    return [f"--dataset={dataset}", f"--outdir={outdir}", *more]


def run_of(outdir):
    """The folder of the only run under `outdir`."""
    (run,) = Path(outdir).glob("[0-9]*-[0-9]*")
    return run


def numbers(state, tmp_path):
    """Every array in a checkpoint, optimizer included, by its path in the file."""
    with zipfile.ZipFile(state) as archive:
        archive.extract("model.weights.h5", tmp_path)
    arrays = {}
    with h5py.File(tmp_path / "model.weights.h5") as file:
        file.visititems(lambda name, item: arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return arrays
