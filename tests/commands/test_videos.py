"""`wdsr-tf upscale` with videos, through a bundled model."""

from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV isn't installed (pip install 'wdsr-tf[video]')")
from tests.helpers import videos
from tests.helpers.commands import runner
from tests.helpers.videos import Shape, steady
from wdsr_tf import images
from wdsr_tf.commands.upscale import COMMAND
from wdsr_tf.video import pyav

RGB = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype="uint8")


@pytest.fixture
def upscale(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    return runner(lambda words: COMMAND.main([*words, "-m", "wdsr-b-4-x2.onnx"], "demo.py"), capsys)


@pytest.fixture(autouse=True)
def model(tmp_path):
    from wdsr_tf import weights

    (tmp_path / "wdsr-b-4-x2.onnx").write_bytes((weights.FOLDER / "wdsr-b-4-x2.onnx").read_bytes())


def test_a_video_with_sound_goes_through_a_model_into_the_named_file(tmp_path, upscale):
    videos.write(tmp_path / "film.mp4", steady(5), sounds=("eng",))
    done = upscale("-i", "film.mp4", "-o", "film-x2.mkv")
    assert done.returncode == 0, done.stderr
    assert "Wrote 1 of 1 videos" in done.stdout and "5/5 frames" in done.stderr
    assert videos.kinds_of("film-x2.mkv") == ["video", "audio"]
    from wdsr_tf.inference.upscaler import Upscaler
    from wdsr_tf.video import color

    layout = color.layout_of("yuv420p")
    with videos.av.open("film-x2.mkv") as result, videos.av.open("film.mp4") as source:
        large, small = (next(container.decode(video=0)) for container in (result, source))
        rgb = color.to_rgb(color.planes_of(small, layout), layout, color.SMPTE170M, False)
        found, *_ = color.planes_of(large, layout)
        wanted, *_ = color.to_planes(Upscaler("wdsr-b-4-x2.onnx").upscale(rgb), layout, color.SMPTE170M, False)
        assert found.shape == (96, 128) and np.abs(found.astype(int) - wanted).mean() < 1  # what H.264 loses


def test_a_folder_mixes_pictures_and_videos_and_knows_what_is_done(tmp_path, upscale):
    (tmp_path / "in").mkdir()
    videos.write(tmp_path / "in/a.mp4", steady(2), Shape(size=(16, 16)))
    old = Shape("mpeg4", size=(16, 16), time_base=Fraction(1, 25))
    videos.write(tmp_path / "in/a.avi", [0, 1], old)
    images.write(tmp_path / "in/b.png", RGB)
    (tmp_path / "in/broken.mkv").write_bytes(b"\x1a\x45\xdf\xa3" + bytes(100))
    planned = upscale("-i", "in", "-o", "out", "--dry-run")
    assert "in/a.mp4 -> out/a-mp4-sr.mkv: about 2 frames, 16 x 16 -> 32 x 32, libx264, yuv420p" in planned.stdout
    assert not (tmp_path / "out").exists()

    done = upscale("-i", "in", "-o", "out")
    assert done.returncode == 1 and "Failed: in/broken.mkv: can't be read" in done.stderr
    assert "Wrote 2 of 3 videos" in done.stdout and "Wrote 1 of 1 images" in done.stdout
    names = {"a-sr.mkv", "a-mp4-sr.mkv", "b-sr.png", ".wdsr-tf"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names

    again = upscale("-i", "in", "-o", "out")
    assert "2 of 3 videos are done already" in again.stdout and "1 of 1 images are done already" in again.stdout
    changed = upscale("-i", "in/a.mp4", "-o", "out/a-mp4-sr.mkv", "--crf", "30")
    assert "1 of 1 are upscaled again" in changed.stdout
    (tmp_path / "out/a-sr.mkv").write_bytes(b"mine")
    kept = upscale("-i", "in", "-o", "out", "--container", "mkv")
    assert "Kept out/a-sr.mkv, which isn't a result" in kept.stdout
    assert (tmp_path / "out/a-sr.mkv").read_bytes() == b"mine"


def test_the_container_is_one_that_holds_all_streams(tmp_path, upscale):
    videos.write(tmp_path / "a.mkv", steady(2), Shape(size=(16, 16)), subtitles=True)
    assert upscale("-i", "a.mkv", "-o", "out", "--container", "mp4").returncode == 1
    assert upscale("-i", "a.mkv", "-o", "out").returncode == 0
    assert "subtitle" in videos.kinds_of("out/a-sr.mkv")


def test_the_video_itself_is_never_replaced(tmp_path, upscale):
    videos.write(tmp_path / "a.mkv", steady(2), Shape(size=(16, 16)))
    before = (tmp_path / "a.mkv").read_bytes()
    done = upscale("-i", "a.mkv", "-o", "a.mkv", "--overwrite")
    assert done.returncode == 1 and "a.mkv is the video itself, which is never replaced" in done.stderr
    assert (tmp_path / "a.mkv").read_bytes() == before


def test_without_pyav_a_video_is_refused_and_those_of_a_folder_are_skipped(tmp_path, upscale, monkeypatch):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.mkv").write_bytes(b"\x1a\x45\xdf\xa3" + bytes(100))
    images.write(tmp_path / "in/b.png", RGB)
    monkeypatch.setattr(pyav, "is_installed", lambda: False)
    done = upscale("-i", "in/a.mkv", "-o", "out")
    assert done.returncode == 1 and "Upscaling a video needs av, which isn't installed" in done.stderr
    done = upscale("-i", "in", "-o", "out")
    assert done.returncode == 0 and "Skipped 1 videos" in done.stdout and "[video]" in done.stdout
    assert (tmp_path / "out/b-sr.png").exists()
