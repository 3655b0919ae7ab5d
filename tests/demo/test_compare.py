import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from wdsr_tf import images
from wdsr_tf.images.resize import imresize

COMMAND = [sys.executable, str(REPOSITORY / "demo" / "compare.py")]


def test_bicubic_and_the_model_are_side_by_side(tmp_path):
    pytest.importorskip("onnxruntime")
    lr = images.read(REPOSITORY / "demo" / "harbour.png")
    words = ["-i", REPOSITORY / "demo" / "harbour.png", "-o", tmp_path / "a.png", "--window=10,20,30,40"]
    subprocess.run([*COMMAND, *words], cwd=tmp_path, check=True)
    shown = images.read(tmp_path / "a.png")
    assert shown.shape == (80, 60 + 8 + 60, 3)
    np.testing.assert_array_equal(shown[:, :60], imresize(lr, 2)[40:120, 20:80])
    assert (shown[:, 60:68] == 255).all()
    assert 0 < np.abs(shown[:, 68:].astype(int) - shown[:, :60]).mean() < 20


def test_a_wrong_window_is_refused(tmp_path):
    run = subprocess.run(
        [*COMMAND, "--window=1,2", "-o", tmp_path / "a.png"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1 and "--window takes four whole numbers" in run.stderr
