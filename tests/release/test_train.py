"""The command that trains a bundled model, from images to a card, with a network too small to be useful."""

import numpy as np
import pytest

from release import publish
from release.train import COMMAND
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


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current folder, and a bundled model named tiny-x2."""
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/bundled-tiny-x2").write_text(PROFILE)
    monkeypatch.setattr(publish, "PROFILES", tmp_path / "profiles")
    monkeypatch.setattr(publish, "COMPUTED", tmp_path / "computed.json")
    monkeypatch.setitem(publish.MODELS, "tiny-x2", publish.Bundled("tiny", "For a test.", {"Set5": 0.0, "Set14": 0.0}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_one_command_makes_a_model_from_images_and_continues_when_interrupted(folder, capsys):
    rough = np.random.default_rng(0).integers(0, 256, (5, 12, 14, 3), dtype="uint8")
    hr = np.kron(rough, np.ones((1, 16, 16, 1), "uint8"))
    names = ["ours/a.png", "ours/leaked.png", "valid/b.png", "benchmark/Set5/c.png", "benchmark/Set14/d.png"]
    for name, image in zip(names, hr, strict=True):
        images.write(folder / name, image)
    images.write(folder / "benchmark/Set5/leaked.png", hr[1][::2, ::2])
    command = ["tiny-x2", "-i", "ours", "--valid", "valid", "--benchmarks", "benchmark", "--weights", "weights"]
    command += ["-o", "build"]
    assert COMMAND.main(command) == 0
    said = capsys.readouterr().out
    assert "Left out:" in said and "leaked.png" in said and "Set14: " in said
    model = checkpoint.load(folder / "weights/tiny-x2.keras")
    assert "1 images of ours" in model.facts["training_data"] and model.facts["seconds"] > 0
    assert COMMAND.main(command) == 0
    assert "has finished its" in capsys.readouterr().out and len(list(folder.glob("build/tiny-x2/2*"))) == 1


@pytest.mark.parametrize(
    "words, message",
    [
        (["wdsr-a-8"], "Did you mean"),
        ([], "Name one model"),
        (["tiny-x2"], "training images with -i"),
        (["tiny-x2", "--run", "."], "--run takes --dataset"),
        (["tiny-x2", "--run", ".", "--dataset", "."], "no run"),
    ],
)
def test_the_message_says_what_is_missing(folder, capsys, words, message):
    assert COMMAND.main([*words, "--benchmarks", "."]) == 1
    assert message in capsys.readouterr().err


def test_the_benchmarks_are_required(folder, capsys):
    assert COMMAND.main(["tiny-x2"]) == 1
    assert "--benchmarks" in capsys.readouterr().err
