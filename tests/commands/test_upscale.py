import os
import re
import signal
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from tests.conftest import REPOSITORY
from wdsr_tf import checkpoint, images, weights
from wdsr_tf.errors import InputError
from wdsr_tf.inference.folder import find, is_done, plan, wished_suffix

RGB = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype="uint8")


def demo(*words, cwd):
    command = [sys.executable, str(REPOSITORY / "demo.py"), *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, encoding="utf-8", check=False)


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def doubled(height, width):
    return 2 * height, 2 * width


def planned(indir, outdir, form=None):
    pairs = plan(find(indir, outdir), indir, outdir, doubled, wished_suffix(form))
    return {str(source.relative_to(indir)): str(target.relative_to(outdir)) for source, target in pairs}


def test_a_folder_is_upscaled_whole_and_what_is_broken_named(tmp_path):
    from wdsr_tf.models import create_model

    network = create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1)
    checkpoint.save(network, tmp_path / "output/models/epoch-001-psnr-30.0000.keras")
    images.write(tmp_path / "in/a.png", RGB)
    images.write(tmp_path / "in/käthe/b.jpg", RGB)
    images.write(tmp_path / "in/gray.webp", images.Picture(RGB[..., :1].repeat(3, 2), alpha=RGB[..., 1], gray=True))
    (tmp_path / "in/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    earlier = RGB.repeat(2, axis=0).repeat(2, axis=1)
    images.write(tmp_path / "out/a-sr.png", earlier)  # stands for an earlier run's work

    run = demo("-i", "in", "-o", "out", "-m", "output/models", cwd=tmp_path)
    assert run.returncode == 1, run.stderr
    assert "broken.png: not an image" in run.stderr and "Traceback" not in run.stderr
    assert "2 pictures written" in run.stdout and "wdsr-a x2" in run.stdout
    assert sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.*")) == [
        "a-sr.png",
        "gray-sr.webp",
        "käthe/b-sr.png",
    ]
    np.testing.assert_array_equal(images.read(tmp_path / "out/a-sr.png"), earlier)
    gray = images.read_picture(tmp_path / "out/gray-sr.webp")
    assert gray.gray and gray.rgb.shape == (18, 24, 3) and gray.alpha.shape == (18, 24)
    sr = np.asarray(network(images.read(tmp_path / "in/käthe/b.jpg")[None]))[0]
    difference = np.abs(images.read(tmp_path / "out/käthe/b-sr.png") - np.clip(sr, 0, 255))
    assert difference.max() <= 0.51  # half a level of rounding, and float32

    run = demo("--indir=in/a.png", "-m", tmp_path / "output/models", "--overwrite", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert images.read(tmp_path / "out/a-sr.png").shape == (18, 24, 3)


def test_a_killed_run_leaves_whole_pictures_and_the_next_run_the_rest(tmp_path):
    from wdsr_tf.models import create_model

    checkpoint.save(create_model("wdsr-a", 2, num_filters=8, num_res_blocks=4), tmp_path / "m.keras")
    large = np.tile(RGB, (40, 40, 1))
    for i in range(30):
        images.write(tmp_path / f"in/{i:02d}.png", large)
    command = [sys.executable, str(REPOSITORY / "demo.py"), "-i", "in", "-o", "out", "-m", "m.keras"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        while not (tmp_path / "out/02-sr.png").exists():
            assert run.poll() is None, "the run ended before it could be killed"
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
    done = images.find(tmp_path / "out")
    assert 3 <= len(done) < 30
    assert all(images.read(path).shape == (720, 960, 3) for path in done)  # reading raises where a file is cut short

    run = demo("-i", "in", "-o", "out", "-m", "m.keras", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert f"{len(done)} of 30 are done already" in run.stdout
    assert len(images.find(tmp_path / "out")) == 30


@pytest.mark.parametrize(
    "words, message",
    [
        (("-i", "nowhere"), "no such file or folder"),
        (("-i", "empty"), "holds no pictures"),
        (("-i", "a.png", "-m", "empty"), "train.py"),
        (("-i", "a.png", "-m", "a.png"), "not a whole .keras file"),
        (("-i", "a.png", "-o", "a.png"), "a.png: is a file; -o names the folder"),
        (("-i", "a.png", "--scale", "two"), "--scale is a factor"),
        (("-i", "a.png", "--size", "4000"), "--size is a width"),
        (("-i", "a.png", "--size", "4000x", "--scale", "2"), "give one of them"),
        (("-i", "a.png", "--format", "jpgg"), "known are png"),
        (("a.png",), "named with -i"),
        (("--inputdir", "a.png"), "inputdir"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(tmp_path, words, message):
    images.write(tmp_path / "a.png", RGB)
    (tmp_path / "empty").mkdir()
    run = demo(*words, cwd=tmp_path)
    assert run.returncode == 1
    assert message in run.stdout + run.stderr and "Traceback" not in run.stderr


@pytest.mark.skipif(not any(weights.FOLDER.glob("*-q-*.keras")), reason="no network for JPEG ships yet")
def test_without_a_model_those_that_ship_serve(tmp_path):
    from wdsr_tf.models import create_model

    own = create_model("wdsr-a", 3, num_filters=4, num_res_blocks=1)
    checkpoint.save(own, tmp_path / "output/models/epoch-001-psnr-99.0000.keras")  # has to be asked for
    images.write(tmp_path / "in/a.png", RGB)
    images.write(tmp_path / "in/b.jpg", RGB, 75)
    run = demo("-i", "in", "-o", "out", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert re.search(r"wdsr-a-8-x2\.keras: wdsr-a x2", run.stdout) and "wdsr-a-8-q-x2.keras" in run.stdout
    assert "-m output/models" in run.stdout
    assert [images.size(tmp_path / f"out/{name}-sr.png") for name in "ab"] == [(18, 24), (18, 24)]


def test_help_needs_no_network_library(tmp_path):
    run = subprocess.run(
        [sys.executable, "-X", "importtime", str(REPOSITORY / "demo.py"), "--help"],
        env=os.environ | {"PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "--outdir" in run.stdout
    assert not any(name in run.stderr for name in ("keras", "tensorflow", "numpy"))


def test_names_keep_structure_and_lossless_suffixes(tmp_path):
    touch(tmp_path / "in", "a.png", "b.JPG", "sub/c.TIF", "sub/d.webp", "e.f.jpeg")
    assert planned(tmp_path / "in", tmp_path / "out") == {
        "a.png": "a-sr.png",
        "b.JPG": "b-sr.png",
        "e.f.jpeg": "e.f-sr.png",
        "sub/c.TIF": "sub/c-sr.tif",
        "sub/d.webp": "sub/d-sr.webp",
    }


def test_animations_keep_their_format_and_a_wish_for_one_wins(tmp_path):
    images.write(tmp_path / "still.gif", RGB)
    images.write_animation(tmp_path / "moves.gif", [(images.Picture(RGB), 100), (images.Picture(RGB[::-1]), 50)])
    assert planned(tmp_path, tmp_path / "out") == {"moves.gif": "moves-sr.gif", "still.gif": "still-sr.png"}
    assert planned(tmp_path, tmp_path / "out", "WEBP") == {"moves.gif": "moves-sr.webp", "still.gif": "still-sr.webp"}


def test_no_two_pictures_share_a_name(tmp_path):
    touch(tmp_path, "a.jpg", "a.png", "a.jpeg", "A.Jpg", "a-jpg.png")
    targets = [target.lower() for target in planned(tmp_path, tmp_path / "out").values()]
    assert len(set(targets)) == 5
    assert planned(tmp_path, tmp_path / "out")["a.png"] == "a-sr.png"


def test_earlier_output_is_not_enlarged_again(tmp_path):
    touch(tmp_path, "a.png", "a-sr.png", "out/a-sr.png", "b-sr.png")
    assert planned(tmp_path, tmp_path / "out") == {
        "a.png": "a-sr.png",
        "a-sr.png": "a-sr-sr.png",
        "b-sr.png": "b-sr-sr.png",
    }
    assert planned(tmp_path, tmp_path) == {
        "a.png": "a-sr.png",
        "b-sr.png": "b-sr-sr.png",
        "out/a-sr.png": "out/a-sr-sr.png",
    }


def test_earlier_output_in_another_format_is_not_enlarged_either(tmp_path):
    touch(tmp_path, "a.png", "a-sr.png", "b-sr.png", "c.jpg", "c-sr.png")
    assert planned(tmp_path, tmp_path, "webp") == {
        "a.png": "a-sr.webp",
        "b-sr.png": "b-sr-sr.webp",
        "c.jpg": "c-sr.webp",
    }


def clear_bmp(path):
    """A BMP of 2 x 3 pixels with transparency, which Pillow reads and does not write."""
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, 3, 2, 1, 32, 3, 24, 2835, 2835, 0, 0) + masks + bytes(52)
    path.write_bytes(b"BM" + struct.pack("<IHHI", 14 + 108 + 24, 0, 0, 14 + 108) + header + bytes(range(24)))


def test_a_picture_becomes_png_where_its_own_format_cannot_hold_the_result(tmp_path):
    clear_bmp(tmp_path / "clear.bmp")
    assert images.read_picture(tmp_path / "clear.bmp").alpha.shape == (2, 3)
    Image.fromarray(RGB).save(tmp_path / "plain.bmp")
    Image.fromarray(RGB[:1].repeat(700, axis=1)).save(tmp_path / "long.webp")  # 8400 pixels
    moving = [Image.fromarray(row) for row in RGB[:2, None].repeat(700, axis=2)]
    moving[0].save(tmp_path / "moves.webp", save_all=True, append_images=moving[1:], lossless=True)
    assert planned(tmp_path, tmp_path / "out") == {
        "clear.bmp": "clear-sr.png",
        "plain.bmp": "plain-sr.bmp",
        "long.webp": "long-sr.png",
        "moves.webp": "moves-sr.png",
    }
    assert planned(tmp_path, tmp_path / "out", "webp")["long.webp"] == "long-sr.webp"  # a wish is not changed


def test_names_that_grow_too_long_are_cut(tmp_path):
    stems = ["a" * 250, "a" * 250 + "b", "ä" * 124 + "b"]  # two bytes each
    touch(tmp_path, *(f"{stem}.png" for stem in stems))
    targets = list(planned(tmp_path, tmp_path / "out").values())
    assert len(set(targets)) == 3 and all(len(target.encode()) <= 255 for target in targets)
    assert "a" * 248 + "-sr.png" in targets and "ä" * 124 + "-sr.png" in targets


def test_a_changed_picture_and_one_of_another_size_are_not_done(tmp_path):
    source, target = tmp_path / "a.png", tmp_path / "a-sr.png"
    images.write(source, RGB)
    images.write(target, RGB.repeat(2, axis=0).repeat(2, axis=1))
    os.utime(source, (100, 100))
    assert is_done(source, target, doubled)
    assert not is_done(source, target, lambda height, width: (4 * height, 4 * width))
    os.utime(target, (99, 99))
    assert not is_done(source, target, doubled)
    assert not is_done(source, tmp_path / "b-sr.png", doubled)
    touch(tmp_path, "empty.png")
    assert not is_done(source, tmp_path / "empty.png", doubled)


def test_an_output_folder_that_is_a_file_is_said_first(tmp_path):
    touch(tmp_path, "a.png")
    with pytest.raises(InputError, match="is a file"):
        find(tmp_path / "nowhere", tmp_path / "a.png")
