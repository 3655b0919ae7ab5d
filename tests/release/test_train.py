"""The command that trains what ships, from pictures to a card, on a network too small to be of use."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from wdsr_tf import checkpoint, images

PROFILE = """--model=wdsr-a
--num-filters=4
--num-res-blocks=1
--scale=2
--epochs=2
--steps-per-epoch=3
--batch-size=2
--lr-patch-size=8
--validation-steps=1
--ema=0.5
"""
TINY = """
from pathlib import Path
from absl import app
from release import publish
from release import train as ship
from wdsr_tf.commands import flags as cli
publish.NETWORKS["tiny-x2"] = publish.Shipped("tiny", "For a test.", {"Set5": 0, "Set14": 0})
publish.PROFILES = Path("profiles").absolute()
publish.COMPUTED = Path("computed.json")
app.run(cli.guarded(ship.main), flags_parser=cli.parse)
"""


def ship(folder, *words):
    return subprocess.run(
        [sys.executable, "-c", TINY, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_one_command_makes_a_network_from_pictures_and_goes_on_where_it_was_stopped(tmp_path):
    rough = np.random.default_rng(0).integers(0, 256, (5, 12, 14, 3), dtype="uint8")
    hr = np.kron(rough, np.ones((1, 16, 16, 1), "uint8"))
    names = ["ours/a.png", "ours/taken.png", "valid/b.png", "benchmark/Set5/c.png", "benchmark/Set14/d.png"]
    for name, picture in zip(names, hr, strict=True):
        images.write(tmp_path / name, picture)
    images.write(tmp_path / "benchmark/Set5/taken.png", hr[1][::2, ::2])
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/bundled-tiny-x2").write_text(PROFILE)
    command = ["tiny-x2", "-i", "ours", "--valid", "valid", "--benchmarks", "benchmark", "--weights", "weights"]
    command += ["-o", "build"]
    made = ship(tmp_path, *command)
    assert made.returncode == 0, made.stderr
    assert "left out:" in made.stdout and "taken.png" in made.stdout and "Set14: " in made.stdout
    model = checkpoint.load(tmp_path / "weights/tiny-x2.keras")
    assert "1 pictures of ours" in model.facts["training_data"] and model.facts["seconds"] > 0
    again = ship(tmp_path, *command)
    assert again.returncode == 0, again.stderr
    assert "resumes" in again.stdout and len(list(tmp_path.glob("build/tiny-x2/2*"))) == 1


@pytest.mark.parametrize(
    "words, message",
    [
        (["wdsr-a-8"], "did you mean"),
        ([], "one network is named"),
        (["tiny-x2"], "-i names the pictures"),
        (["tiny-x2", "--run", "."], "--run goes with --dataset"),
        (["tiny-x2", "--run", ".", "--dataset", "."], "there is no run"),
    ],
)
def test_what_is_missing_is_said(tmp_path, words, message):
    said = ship(tmp_path, *words, "--benchmarks", ".")
    assert said.returncode == 1 and message in said.stderr
