"""--max-pixels is a flag of every command that reads image files, and holds wherever they are read."""

import numpy as np
import pytest

from tests.helpers.commands import runner
from wdsr_tf import images
from wdsr_tf.commands import bench, convert, train, upscale
from wdsr_tf.commands.convert import jpeg, numpy, pairs, sqlite
from wdsr_tf.images.limits import Limits, limits_of


@pytest.mark.parametrize("command", [upscale, bench, train, jpeg, numpy, pairs, sqlite], ids=lambda each: each.__name__)
def test_every_command_has_the_defaults_of_the_package(command):
    flags = command.COMMAND.flags()
    flags.parse([])
    assert round(flags.max_pixels * 1e6) == Limits().pixels


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_limit_holds_in_worker_processes_and_not_after_the_command(tmp_path, capsys, jobs):
    for side in (20, 30, 40):
        images.write(tmp_path / "in" / f"{side}.png", np.zeros((side, 25, 3), "uint8"))
    run = runner(lambda words: convert.COMMAND.main(words, "convert.py"), capsys)
    words = ("-i", tmp_path / "in", "-o", tmp_path / "out", "--jobs", jobs, "numpy")
    done = run(*words, "--max-pixels", "0.0005")
    assert done.returncode == 1 and "1 images converted" in done.stdout
    assert done.stderr.count("the limit is 0.0005. If you trust the file, raise the limit with --max-pixels 1 ") == 2
    assert limits_of() == Limits()
    assert run(*words).returncode == 0
