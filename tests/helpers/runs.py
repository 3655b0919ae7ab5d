"""Small trainings: a dataset of drawn patterns, flags that make a step cheap, and what a run leaves."""

import dataclasses
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
VALIDATION = "--validation-steps=1"
SHORT = [*(flag for flag in TINY if flag != VALIDATION), "--batch-size=4", "--epochs=2", "--seed=1"]


def write_dataset(root):
    """Writes a dataset named TOY: four training images and two validation images, at x2 and x3."""
    random = np.random.default_rng(0)
    for split, ids in (("train", range(1, 5)), ("valid", range(5, 7))):
        for i in ids:
            hr = np.kron(random.integers(0, 256, (12, 14, 3), dtype="uint8"), np.ones((6, 6, 1), "uint8"))
            arrays = {f"TOY_{split}_HR/{i:04d}.npy": hr}
            arrays |= {f"TOY_{split}_LR_bicubic/X{s}/{i:04d}x{s}.npy": hr[::s, ::s] for s in (2, 3)}
            for name, array in arrays.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                np.save(root / name, array)
    return root


def words(dataset, outdir, *more):
    """The arguments of the train command."""
    return [f"--dataset={dataset}", f"--outdir={outdir}", *more]


@dataclasses.dataclass(frozen=True)
class Done:
    """A command that has ended: its exit code, and what it printed."""

    code: int
    out: str
    err: str


def done(command, argv, capsys):
    """Runs `command` in this process."""
    capsys.readouterr()
    code = command.main([str(word) for word in argv], f"{command.name}.py")
    return Done(code, *capsys.readouterr())


def run_of(outdir):
    """The folder of the only run in `outdir`."""
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


def assert_alike(one, other, tmp_path):
    """The last states of two runs are equal except for the order of additions.

    Sums of float32 in another order differ by some 1e-7 of their terms. Gradients are sums of terms that cancel, and
    Adam divides them by their own size: 1e-4 of the largest number of a tensor leaves room for both.
    """
    ours, theirs = (numbers(run_of(outdir) / "state.keras", tmp_path) for outdir in (one, other))
    assert ours.keys() == theirs.keys()
    for name in ours:
        largest = np.abs(theirs[name]).max(initial=1e-6)
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-4 * largest, err_msg=name)
