"""Every profile, from pictures to a bigger picture: trained for twenty steps, saved, loaded, benched and demoed."""

import csv
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.conftest import REPOSITORY
from wdsr_tf.commands.flags import read_flags

PROFILES = sorted(path.name for path in (REPOSITORY / "profiles").iterdir())
SMALL = ["--batch-size=2", "--lr-patch-size=24", "--validation-steps=4", "--save-models-after-epoch=3"]
SMALL += ["--min-bytes=0"]  # patches of 24 pixels never hold the 14 kB that two profiles ask for
BATCH_NORM = {"drrn-b1u9", "drrn-b1u25", "sr-resnet"}
HEAVY = {  # too wide for a CPU: a smaller network of the same kind
    "edsr": ["--num-filters=64", "--num-res-blocks=8"],
    "drrn-b1u25": ["--num-filters=32"],
    "drrn-b1u9": ["--num-filters=32"],
}
LOSES_MORE = {"cunet": ["--lr-patch-size=64"], "upcunet": ["--lr-patch-size=44"]}  # than 24 pixels, in training


def run(*command):
    done = subprocess.run([sys.executable, *command], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """The project's demo pictures as a data set named DEMO, at every scale: all of them train and validate."""
    source = tmp_path_factory.mktemp("pictures")
    for split in ("train", "valid"):
        (source / split).mkdir()
        for path in sorted((REPOSITORY / "demo").glob("*.png")):
            (source / split / f"{split}-{path.name}").write_bytes(path.read_bytes())
    root = tmp_path_factory.mktemp("DEMO_BIN")
    run("convert.py", "-i", source, "-o", root, "--name=DEMO", "--scale=2,3,4", "--lr-patch-size=24", "pairs")
    return root


def scale_of(profile):
    flags = read_flags(REPOSITORY / "profiles" / profile)
    return next((int(flag.partition("=")[2]) for flag in flags if flag.startswith("--scale=")), 2)


def noisy_pair(folder):
    """Flags that name a demo picture with JPEG noise as LR, and without as HR."""
    for name in ("lr", "hr"):
        (folder / name).mkdir()
    with Image.open(REPOSITORY / "demo" / "harbour.png") as picture:
        picture.convert("RGB").save(folder / "lr" / "harbour.jpg", quality=50)
        picture.save(folder / "hr" / "harbour.png")
    return [f"--lr-dir={folder / 'lr'}", f"--hr-dir={folder / 'hr'}"]


def losses(outdir, column):
    (history,) = outdir.glob("*/history.csv")
    with history.open() as rows:
        return [float(row[column]) for row in csv.DictReader(rows)]


def train(profile, pictures, outdir, *more):
    """Trains with the profile, made small enough for a CPU, and then with the flags `more`."""
    smaller = [*SMALL, *more, *HEAVY.get(profile, []), *LOSES_MORE.get(profile, [])]
    return run("train.py", f"--profile={profile}", f"--dataset={pictures}", f"--outdir={outdir}", *smaller)


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_trains_and_its_checkpoint_is_benched_and_demoed(profile, pictures, tmp_path):
    train(profile, pictures, tmp_path, "--epochs=4", "--steps-per-epoch=5", "--precision=float32", "--warmup-steps=0")
    # On the same validation patches each time, because five random ones differ by more than is learned from five. The
    # moving means of batch norm are far from those of the data after so few steps: there the training loss tells.
    first, *_, last = losses(tmp_path, "loss" if profile in BATCH_NORM else "val_loss")
    assert last < first
    pairs = [f"--dataset={pictures}"] if scale_of(profile) > 1 else noisy_pair(tmp_path)
    ranked = run("bench.py", *pairs, f"--indir={tmp_path / 'models'}", f"--outfile={tmp_path / 'bench.json'}")
    assert ranked.splitlines()[-1].startswith("Best PSNR = ")
    run("demo.py", "-i", "demo/harbour.png", "-o", tmp_path / "out", "-m", tmp_path / "models")
    with Image.open(tmp_path / "out" / "harbour-sr.png") as sr, Image.open(REPOSITORY / "demo" / "harbour.png") as lr:
        assert sr.size == tuple(scale_of(profile) * side for side in lr.size)


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_trains_in_half_precision_with_finite_losses(profile, pictures, tmp_path):
    # CPUs multiply float16 in software: small patches, one at a time. Starting costs far more than the steps.
    small = ["--batch-size=1", "--lr-patch-size=16", "--validation-steps=1", "--epochs=4", "--steps-per-epoch=5"]
    train(profile, pictures, tmp_path, *small, "--precision=mixed_float16")
    assert np.isfinite(losses(tmp_path, "loss")).all()
