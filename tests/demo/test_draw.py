import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from wdsr_tf import images


def draw(*words, cwd):
    command = [sys.executable, str(REPOSITORY / "demo" / "draw.py"), *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_demo_pictures_are_small_and_those_that_the_script_draws(tmp_path):
    run = draw("-o", tmp_path, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    for name in ("harbour.png", "poster.png"):
        drawn, kept = images.read(tmp_path / name), images.read(REPOSITORY / "demo" / name)
        assert drawn.shape == kept.shape == (200, 320, 3)
        # Other builds of the font renderer and of the resampling round a little differently.
        assert np.abs(drawn.astype(int) - kept).mean() < 1
        assert (REPOSITORY / "demo" / name).stat().st_size < 150_000


def test_scenes_are_varied_textured_and_the_same_for_the_same_seed(tmp_path):
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        run = draw("--count", 3, "--size=96", "--seed", seed, "-o", folder, cwd=tmp_path)
        assert run.returncode == 0 and "3 pictures" in run.stdout, run.stderr
    scenes = {folder: [images.read(path) for path in images.find(tmp_path / folder)] for folder in "abc"}
    np.testing.assert_array_equal(scenes["a"], scenes["b"])
    assert np.shape(scenes["a"]) == (3, 96, 96, 3)
    every = scenes["a"] + scenes["c"]
    assert all(np.abs(x.astype(int) - y).mean() > 5 for i, x in enumerate(every) for y in every[:i])
    assert all(np.abs(np.diff(x.astype(int), axis=1)).mean() > 2 for x in every)  # there is something to sharpen


@pytest.mark.parametrize("words", [["--size=8"], ["--count=-1"], ["a"]])
def test_what_cannot_be_drawn_is_refused(tmp_path, words):
    run = draw(*words, "-o", tmp_path, cwd=tmp_path)
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert not list(tmp_path.iterdir())
