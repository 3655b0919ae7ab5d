"""The second of two runs: after a kill, a full disk, Ctrl-C, or a change."""

import errno
import os
import signal
import subprocess
import threading
import time

import numpy as np
import pytest

from tests.helpers.upscaling import RGB, SCRIPT, tiny, upscale, visible
from wdsr_tf import images
from wdsr_tf.commands import upscale as module
from wdsr_tf.errors import InputError
from wdsr_tf.inference import upscaler


def test_a_killed_run_leaves_complete_images_and_the_next_run_does_the_rest(place, capsys):
    tiny(place / "m.keras", num_filters=8, num_res_blocks=4)
    large = np.tile(RGB, (40, 40, 1))
    for i in range(12):
        images.write(place / f"in/{i:02d}.png", large)
    words = ["-i", "in", "-o", "out", "-m", "m.keras"]
    with subprocess.Popen([*SCRIPT, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        while not (place / "out/02-sr.png").exists():
            assert run.poll() is None, "the run ended before it could be killed"
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
    done = images.find(place / "out")
    assert 3 <= len(done) < 12
    assert all(images.read(path).shape == (720, 960, 3) for path in done)  # reading raises if a file is cut short

    assert upscale(*words) == 0
    out = capsys.readouterr().out
    assert f"{len(done)} of 12 images are done already" in out and "Kept" not in out
    assert len(images.find(place / "out")) == len(visible(place / "out")) == 12


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_stops_the_job_and_the_next_run_goes_on(place, capsys, monkeypatch, number):
    tiny(place / "m.keras")
    for name in "abcd":
        images.write(place / f"in/{name}.png", RGB)
    write, calls = upscaler.write_strips, []

    def full(path, *rest):
        calls.append(path)
        if len(calls) == 2:
            raise InputError("damaged")
        if len(calls) == 3:
            with images.open_writer(path, 18, 24, images.Picture(RGB)) as writer:
                writer.append(np.zeros((1, 24, 3), "uint8"))
                raise OSError(number, os.strerror(number))
        write(path, *rest)

    monkeypatch.setattr(upscaler, "write_strips", full)
    assert upscale("-i", "in", "-m", "m.keras", "-j", 1) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-2] == "Failed: in/b.png: damaged"
    assert lines[-1] == (
        f"demo.py: out/c-sr.png: can't be written: {os.strerror(number)}. Stopped with 2 of 4 images left. Once there "
        "is space, the same command goes on."
    )
    assert len(calls) == 3 and visible(place / "out") == ["a-sr.png"]
    assert upscale("-i", "in", "-m", "m.keras") == 0
    assert "1 of 4 images are done already" in capsys.readouterr().out and len(visible(place / "out")) == 4


def test_a_small_disk_holds_complete_results_and_a_journal_that_is_used_again(place, capsys, mounted):
    out = mounted(300)
    tiny(place / "m.keras")
    for i in range(12):
        images.write(place / f"in/{i:02}.png", np.random.default_rng(i).integers(0, 256, (80, 80, 3), "uint8"))
    assert upscale("-i", "in", "-o", out, "-m", "m.keras", "-j", 1) == 1
    err = capsys.readouterr().err
    assert "can't be written: No space left on device. Stopped with" in err and "Failed" not in err
    done = visible(out)
    assert 0 < len(done) < 12 and all(images.read(out / name).shape == (160, 160, 3) for name in done)
    (out / done[0]).unlink()
    assert upscale("-i", "in", "-o", out, "-m", "m.keras", "-j", 1) == 1
    assert f"{len(done) - 1} of 12 images are done already" in capsys.readouterr().out
    assert visible(out) == done


def test_in_place_nobodys_image_is_replaced_and_no_result_is_upscaled_again(place, capsys):
    tiny(place / "m.keras")
    images.write(place / "in/flag.png", RGB)
    images.write(place / "in/flag-sr.png", RGB[::-1])
    before = (place / "in/flag-sr.png").read_bytes()
    for more in ([], ["--overwrite"]):
        assert upscale("-i", "in", "-o", "in", "-m", "m.keras", *more) == 0
        assert upscale("-i", "in", "-o", "in", "-m", "m.keras") == 0
        assert "2 of 2 images are done already" in capsys.readouterr().out
        assert visible(place / "in") == ["flag-png-sr.png", "flag-sr-sr.png", "flag-sr.png", "flag.png"]
        assert (place / "in/flag-sr.png").read_bytes() == before


def test_a_result_is_made_again_if_the_image_the_model_or_an_option_changed_whatever_the_dates(place, capsys):
    pytest.importorskip("onnx")
    tiny(place / "m.keras")
    images.write(place / "in/a.png", RGB)
    words = ["-i", "in", "-m", "m.keras", "--precision", "float32"]
    assert upscale(*words) == 0
    os.utime(place / "in/a.png", (2**32, 2**32))  # a wrong clock

    def result(*more):
        capsys.readouterr()
        assert upscale(*words, *more) == 0
        return capsys.readouterr().out, (place / "out/a-sr.png").read_bytes()

    out, first = result("--engine", "onnx")  # which it was
    assert "1 of 1 images are done already" in out
    images.write(place / "in/a.png", RGB[::-1])  # of the same size
    os.utime(place / "in/a.png", (0, 0))
    out, second = result()
    assert "changed" in out and second != first
    tiny(place / "m.keras", num_filters=5)
    out, third = result()
    assert "changed" in out and third != second
    for more in (["--self-ensemble"], ["--scale", "3"], ["--engine", "keras"]):
        assert "changed" in result(*more)[0]
        assert "done already" in result(*more)[0]


def test_a_result_that_was_edited_is_kept_without_overwrite(place, capsys):
    tiny(place / "m.keras")
    images.write(place / "in/a.png", RGB)
    words = ["-i", "in", "-m", "m.keras"]
    assert upscale(*words) == 0
    images.write(place / "out/a-sr.png", RGB)
    cropped = (place / "out/a-sr.png").read_bytes()
    for more in ([], ["--scale", "3"]):
        assert upscale(*words, *more) == 0
        assert "Kept out/a-sr.png" in capsys.readouterr().out
        assert (place / "out/a-sr.png").read_bytes() == cropped
    assert upscale(*words, "--overwrite") == 0
    assert images.size(place / "out/a-sr.png") == (18, 24)


def test_ctrl_c_leaves_complete_results_and_nothing_else(place, monkeypatch):
    tiny(place / "m.keras")
    for i in range(9):
        images.write(place / f"in/{i}.png", np.tile(RGB, (20, 20, 1)))
    show = module.Progress.show

    def interrupted(self, number, fraction):
        if number == 4 and threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        show(self, number, fraction)

    monkeypatch.setattr(module.Progress, "show", interrupted)
    assert upscale("-i", "in", "-m", "m.keras", "-j", 3) == 130
    done = visible(place / "out")
    assert done[:5] == [f"{i}-sr.png" for i in range(5)] and len(done) < 9
    assert all(images.size(place / "out" / name) == (360, 480) for name in done)
