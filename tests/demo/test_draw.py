import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from wdsr_tf import images

SCRIPT = REPOSITORY / "demo" / "draw.py"


@pytest.fixture(scope="module")
def draw():
    spec = importlib.util.spec_from_file_location("draw", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda *words: module.COMMAND.main(list(map(str, words)), "demo/draw.py")


def test_the_script_draws_the_demo_images_which_are_small(tmp_path):
    run = subprocess.run([sys.executable, SCRIPT, "-o", tmp_path], cwd=tmp_path, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr
    for name in ("harbour.png", "poster.png"):
        drawn, kept = images.read(tmp_path / name), images.read(REPOSITORY / "demo" / name)
        assert drawn.shape == kept.shape == (200, 320, 3)
        # Other builds of the font renderer and of the resampling round a little differently.
        assert np.abs(drawn.astype(int) - kept).mean() < 1
        assert (REPOSITORY / "demo" / name).stat().st_size < 150_000


def test_scenes_are_varied_textured_and_the_same_for_the_same_seed(draw, tmp_path, capsys):
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert draw("--count", 3, "--size=96", "--seed", seed, "-o", tmp_path / folder) == 0
        assert "3 images written" in capsys.readouterr().out
    scenes = {folder: [images.read(path) for path in images.find(tmp_path / folder)] for folder in "abc"}
    np.testing.assert_array_equal(scenes["a"], scenes["b"])
    assert np.shape(scenes["a"]) == (3, 96, 96, 3)
    every = scenes["a"] + scenes["c"]
    assert all(np.abs(x.astype(int) - y).mean() > 5 for i, x in enumerate(every) for y in every[:i])
    assert all(np.abs(np.diff(x.astype(int), axis=1)).mean() > 2 for x in every)  # there is something to sharpen


@pytest.mark.parametrize("words", [["--size=8"], ["--count=-1"], ["a"]])
def test_what_cannot_be_drawn_is_refused(draw, tmp_path, capsys, words):
    assert draw(*words, "-o", tmp_path) == 1
    assert capsys.readouterr().err.startswith("demo/draw.py: ")
    assert not list(tmp_path.iterdir())
