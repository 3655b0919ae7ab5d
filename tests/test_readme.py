"""The commands and the script of the README."""

import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
MISSION = """\
python convert.py -i ~/Pictures -o ./MINE pairs --scale 2 --name MINE --valid 0.05
python train.py --dataset ./MINE --profile wdsr-a-8 --scale 2 --epochs 10 --steps-per-epoch 200
python bench.py --dataset ./MINE -i output/models
python demo.py -i ~/Pictures/holiday -o out -m output/models
"""


def photos(folder, count=8):
    """Writes smooth color images that differ, one of them cat.jpg."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(count):
        image = Image.fromarray(random.integers(0, 256, (12, 16, 3), "uint8")).resize((144, 112), Image.BICUBIC)
        image.save(folder / ("cat.jpg" if i == 0 else f"{i}.jpg"), quality=95)


def test_the_script_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    (script,) = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    assert len([line for line in script.splitlines() if line.strip()]) <= 15
    photos(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    exec(compile(script, "README.md", "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out
    assert "bicubic" in printed and "epoch-002" in printed
    with Image.open(tmp_path / "cat-x2.png") as large:
        assert large.size == (288, 224)


@pytest.mark.slow  # four starts of Python, three of them with TensorFlow
def test_the_four_commands_of_the_readme_lead_from_photographs_to_upscaled_ones(tmp_path):
    assert MISSION in README
    photos(tmp_path / "Pictures", count=24)
    (tmp_path / "Pictures" / "holiday").mkdir()
    (tmp_path / "Pictures" / "cat.jpg").rename(tmp_path / "Pictures" / "holiday" / "cat.jpg")
    smaller = ["--epochs=1", "--steps-per-epoch=2", "--batch-size=2", "--validation-steps=1", "--num-res-blocks=1"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    for line in MISSION.splitlines():
        _, program, *words = shlex.split(line.replace("~", str(tmp_path)))
        words += smaller if program == "train.py" else []
        done = subprocess.run(
            [sys.executable, REPOSITORY / program, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert [path.name for path in (tmp_path / "out").rglob("*.png")] == ["cat-sr.png"]
