import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.conftest import REPOSITORY
from tests.helpers import published
from tests.helpers.server import Page
from tests.helpers.upscaling import RGB, SCRIPT, tiny, upscale, visible
from wdsr_tf import checkpoint, files, images, weights
from wdsr_tf.commands.dry_run import duration
from wdsr_tf.commands.upscale import COMMAND


@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_a_folder_is_upscaled_completely_and_broken_files_are_named(place, capsys, engine):
    model = tiny(place / "output/models/epoch-001-psnr-30.0000.keras")
    images.write(place / "in/a.png", RGB)
    images.write(place / "in/käthe/b.jpg", RGB)
    images.write(place / "in/gray.webp", images.Picture(RGB[..., :1].repeat(3, 2), alpha=RGB[..., 1], gray=True))
    (place / "in/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    earlier = RGB.repeat(2, axis=0).repeat(2, axis=1)
    images.write(place / "out/a-sr.png", earlier)  # somebody's own

    words = ["--engine", engine, "--precision", "float32"]  # as in Keras below, whatever this CPU multiplies
    assert upscale("-i", "in", "-o", "out", "-m", "output/models", *words) == 1
    out, err = capsys.readouterr()
    assert "broken.png: can't be read: the file is truncated" in err and "Traceback" not in err
    assert "Wrote 2 of 3 images" in out and "wdsr-a x2" in out
    assert "Kept out/a-sr.png, which isn't a result of this command, or was changed. --overwrite replaces it." in out
    assert sorted(p.relative_to(place / "out").as_posix() for p in images.find(place / "out")) == [
        "a-sr.png",
        "gray-sr.webp",
        "käthe/b-sr.png",
    ]
    np.testing.assert_array_equal(images.read(place / "out/a-sr.png"), earlier)
    gray = images.read_picture(place / "out/gray-sr.webp")
    assert gray.gray and gray.rgb.shape == (18, 24, 3) and gray.alpha.shape == (18, 24)
    sr = np.asarray(model(images.read(place / "in/käthe/b.jpg")[None]))[0]
    difference = np.abs(images.read(place / "out/käthe/b-sr.png") - np.clip(sr, 0, 255))
    assert difference.max() <= 0.51  # half a level of rounding, and float32

    assert upscale("--indir=in/a.png", "-m", place / "output/models", "--overwrite", "--engine", engine) == 0
    assert images.read(place / "out/a-sr.png").shape == (18, 24, 3)
    assert (images.read(place / "out/a-sr.png") != earlier).any()


def test_a_model_is_downloaded_once_with_a_progress_bar_and_checked(place, capsys, server):
    bundled = weights.FOLDER / "wdsr-a-8-x2.onnx"
    server.pages["/wdsr-a-8-x2.onnx"] = Page(bundled.read_bytes())
    url, sha256 = f"{server.url}/wdsr-a-8-x2.onnx", files.sha256(bundled)
    images.write(place / "a.png", RGB)

    assert upscale("-i", "a.png", "-o", "out", "-m", url, "--sha256", "0" * 64) == 1
    assert f"has the SHA-256 {sha256}, not {'0' * 64}. The download was deleted." in capsys.readouterr().err
    assert upscale("-i", "a.png", "-o", "out", "-m", url, "--max-download", 1e-6) == 1
    assert "The limit for downloads is 1,074." in capsys.readouterr().err
    assert not (place / "out").exists()

    for bar in (True, False):
        assert upscale("-i", "a.png", "-o", "out", "-m", url, "--sha256", sha256, "--overwrite") == 0
        assert ("wdsr-a-8-x2.onnx: 100%" in capsys.readouterr().err) is bar
    assert images.read(place / "out/a-sr.png").shape == (18, 24, 3)
    assert len(server.requests) == 3
    assert upscale("-i", "a.png", "--sha256", sha256) == 1
    assert "--sha256 needs a model" in capsys.readouterr().err


def test_the_bar_counts_the_frames_of_an_animation_and_the_pages_of_a_tiff(place, capsys):
    tiny(place / "m.keras")
    frames = [images.Picture(np.full((100, 100, 3), i, "uint8")) for i in range(10)]
    images.write_animation(place / "in/a.webp", [(picture, 40) for picture in frames])
    pages = [Image.fromarray(picture.rgb) for picture in frames]
    pages[0].save(place / "in/b.tif", save_all=True, append_images=pages[1:])
    assert upscale("-i", "in", "-m", "m.keras") == 0
    assert "/0.8 megapixels" in capsys.readouterr().err  # 20 of 200 x 200


def test_names_neither_steer_the_terminal_nor_pretend_to_be_lines(place, capsys):
    tiny(place / "m.keras")
    name = "a\x1b[2J\nWrote 9 of 9\r"
    images.write(place / f"in/{name}.png", RGB)
    (place / f"in/{name}b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (place / f"in/{name}.psd").write_bytes(b"8BPS")
    for words in (["--dry-run"], [], []):
        upscale("-i", "in", "-o", "out", "-m", "m.keras", *words)
        out, err = capsys.readouterr()
        assert "\x1b[2J" not in out + err and "\nWrote 9" not in out + err
        assert "a\\x1b[2J\\nWrote 9 of 9\\x0d.psd" in out and "a\\x1b[2J\\nWrote 9 of 9\\x0db.png" in err


def test_one_image_can_be_upscaled_to_a_file(place, capsys):
    tiny(place / "m.keras")
    images.write(place / "a.png", RGB)
    words = ["-i", "a.png", "-m", "m.keras", "-o"]
    assert upscale(*words, "large/b.jpg") == 0
    assert visible(place / "large") == ["b.jpg"] and images.size(place / "large/b.jpg") == (18, 24)
    assert upscale(*words, "large/b.jpg") == 0
    assert "done already" in capsys.readouterr().out
    images.write(place / "theirs.png", RGB)
    assert upscale(*words, "theirs.png") == 0
    assert "Kept theirs.png" in capsys.readouterr().out and images.size(place / "theirs.png") == (9, 12)


def test_the_suffix_of_names_can_be_chosen(place):
    tiny(place / "m.keras")
    images.write(place / "in/a.png", RGB)
    for suffix in ("-x2", ""):
        assert upscale("-i", "in", "-o", "out", "-m", "m.keras", "--suffix", suffix) == 0
    assert visible(place / "out") == ["a-x2.png", "a.png"]
    assert upscale("-i", "in", "-o", "in", "-m", "m.keras", "--suffix=") == 0
    assert visible(place / "in") == ["a-png.png", "a.png"]


def test_a_dry_run_says_what_would_be_done_and_writes_no_image(place, capsys):
    tiny(place / "m.keras")
    images.write(place / "in/a.png", np.tile(RGB, (30, 30, 1)))
    (place / "in/b.png").write_bytes(b"")
    words = ["-i", "in", "-m", "m.keras", "-s", "3", "--dry-run"]
    assert upscale(*words, "--memory", "1GiB") == 1
    out, err = capsys.readouterr()
    assert "in/a.png -> out/a-sr.png: 360 x 270 -> 1080 x 810, m in 1 tile of 360 x 270 pixels (" in out
    assert "; m in 1 tile of 720 x 540 pixels (" in out and "Would fail: in/b.png: " in err
    assert not (place / "out").exists()
    assert upscale(*words, "--memory", "1MiB") == 1
    assert re.search(r"m in \d+ tiles of \d+ x \d+ pixels", capsys.readouterr().out)


def test_names_cannot_steer_the_terminal(place, capsys):
    tiny(place / "m.keras")
    for name in ("a\x1b[2J\nWrote.png", "caf\udce9.png"):
        images.write(place / "in" / name, RGB)
        (place / "in" / f"broken {name}").write_bytes(b"")
    assert upscale("-i", "in", "-m", "m.keras") == 1
    out, err = capsys.readouterr()
    assert "Wrote 2 of 4" in out and "\x1b[2J" not in out + err
    assert "Failed: in/broken a\\x1b[2J\\nWrote.png" in err
    assert len(visible(place / "out")) == 2


@pytest.mark.parametrize(
    "words, message",
    [
        (("-i", "nowhere"), "no file or folder nowhere"),
        (("-i", "empty"), "empty has no images"),
        (("-i", "a.png", "-m", "empty"), "train.py"),
        (("-i", "a.png", "-m", "absent.pth"), "absent.pth"),
        (("-i", "a.png", "-m", "a.png"), "a.png"),
        (("-i", "a.png", "-m", "broken.keras"), "broken.keras"),
        (("-i", "a.png", "-o", "a.png"), "a.png is the image itself, which is never replaced"),
        (("-i", ".", "-o", "a.png"), "output folder a.png is a file"),
        (("-i", "a.png", "-o", "b.png", "--format", "jpg"), "--format jpg doesn't fit the name b.png"),
        (("-i", "a.png", "--suffix", "../x"), "--suffix is a part of a file's name"),
        (("-i", "a.png", "--scale", "two"), "scale must be a factor"),
        (("-i", "a.png", "--size", "4000"), "size must be a width"),
        (("-i", "a.png", "--size", "4000x", "--scale", "2"), "exclude each other"),
        (("-i", "a.png", "--format", "jpgg"), "Formats: png"),
        (("-i", "a.png", "--memory", "much"), "memory must be"),
        (("-i", "a.png", "--engine", "onnx", "--precision", "int8"), "doesn't run in precision 'int8'"),
        (("-i", "a.png", "--quality", "0"), "quality"),
        (("-i", "a.png", "--tile", "64", "--memory", "1GiB"), "tile and memory exclude each other"),
        (("-i", "a.png", "--device", "gpu", "--engine", "onnx"), "has no device gpu"),
        (("-i", "a.png", "--device", "tpu"), "device must be"),
        (("-i", "a.png", "--list", "empty.txt"), "-i and --list exclude each other"),
        (("--list", "empty.txt"), "The list empty.txt can't be read"),
        (("--list", "empty.txt", "-o", "b.png"), "-o is a folder"),
        (("-i", "a.png", "-j", "0"), "jobs"),
        (("a.png",), "Unexpected argument 'a.png'"),
        (("--inputdir", "a.png"), "Unknown flag --inputdir"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(place, capsys, words, message):
    images.write(place / "a.png", RGB)
    (place / "empty").mkdir()
    (place / "broken.keras").write_bytes(b"PK")
    assert upscale(*words) == 1
    out, err = capsys.readouterr()
    assert message in err and not out
    assert not (place / "out").exists()


def test_without_a_model_the_bundled_ones_are_used(place, capsys):
    pytest.importorskip("onnxruntime")
    tiny(place / "output/models/epoch-001-psnr-99.0000.keras", scale=3)  # has to be asked for
    images.write(place / "in/a.png", RGB)
    images.write(place / "in/b.jpg", RGB, 75)
    assert upscale("-i", "in", "-o", "out") == 0
    out = capsys.readouterr().out
    how = "onnx, float32|openvino, bfloat16: this CPU multiplies it"
    assert re.search(rf"^wdsr-a-8-x2\.keras: wdsr-a x2, ({how})", out, re.MULTILINE) and "wdsr-a-8-q-x2.keras" in out
    assert "-m output/models" in out
    assert [images.size(place / f"out/{name}-sr.png") for name in "ab"] == [(18, 24), (18, 24)]


def test_a_published_weights_file_is_a_model(place, capsys):
    np.savez(place / "carn.npz", **published.EVERY["carn-m all"].arrays)
    images.write(place / "in/a.png", RGB)
    assert upscale("-i", "in", "-m", "carn.npz") == 1
    assert "pass scale, such as 2" in capsys.readouterr().err
    for count, scale in ((1, 3), (0, 3)):
        assert upscale("-i", "in", "-m", "carn.npz", "-s", scale, "--overwrite") == 0
        assert capsys.readouterr().out.count("tensors: carn-m x3") == count  # recognized and converted once
    assert images.size(place / "out/a-sr.png") == (27, 36)


@pytest.mark.parametrize(
    "words, size",
    [(("--scale", "3"), (27, 36)), (("--size", "30x"), (22, 30)), (("--size", "x30"), (30, 40)), ((), (18, 24))],
)
def test_sizes_formats_and_passes(place, words, size):
    tiny(place / "m.keras")
    images.write(place / "in/a.png", RGB)
    assert upscale("-i", "in", "-m", "m.keras", "--self-ensemble", "--format=jpg", "--quality=80", *words) == 0
    assert images.size(place / "out/a-sr.jpg") == size


def test_the_script_runs_from_any_folder_and_loads_no_heavy_library(place):
    pytest.importorskip("onnxruntime")
    images.write(place / "in/a.png", RGB)
    code = f"""
import runpy, sys
# On CPUs that multiply bfloat16, auto loads OpenVINO if it's there, which it isn't in the light install.
sys.argv = [{SCRIPT[1]!r}, "-i", "in", "-o", "out", "--precision", "float32"]
sys.path[0] = {str(REPOSITORY)!r}
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    heavy = {{"keras", "tensorflow", "jax", "torch", "onnx", "openvino"}} & sys.modules.keys()
    print(end.code, sorted(heavy), "onnxruntime" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout.splitlines()[-1] == "0 [] True", run.stderr
    assert images.size(place / "out/a-sr.png") == (18, 24)


def test_help_needs_no_library(place):
    run = subprocess.run(
        [sys.executable, "-X", "importtime", *SCRIPT[1:], "--help"],
        env=os.environ | {"PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0
    for name in COMMAND.flags().sentences:
        assert f"--{name.replace('_', '-')}" in run.stdout
    assert not any(name in run.stderr for name in ("keras", "tensorflow", "numpy", "PIL", "tqdm", "onnxruntime"))


def test_results_lines_and_records_do_not_depend_on_how_many_images_are_in_progress(place, capsys):
    tiny(place / "m.keras")
    for i in range(7):
        images.write(place / f"in/{i}.png", np.tile(RGB + np.uint8(i), (1 + 3 * (i % 3), 2, 1)))
    images.write_animation(place / "in/3b.gif", [(images.Picture(RGB), 100), (images.Picture(RGB[::-1]), 100)])
    (place / "in/4b.png").write_bytes(b"")
    upscale("-i", "in/0.png", "-o", "converted", "-m", "m.keras")  # which the first run would say
    capsys.readouterr()
    said = []
    for jobs in (1, 2, 5):
        assert upscale("-i", "in", "-o", f"out{jobs}", "-m", "m.keras", "-j", jobs, "--format", "webp") == 1
        out, err = capsys.readouterr()
        failed = [line for line in err.splitlines() if line.startswith("Failed")]
        rows = [json.loads(line) for path in (place / f"out{jobs}/.wdsr-tf").iterdir() for line in path.open()]
        for row in rows:
            for name in {"seconds", "run", "time"} & row.keys():
                del row[name]
        results = {path.name: path.read_bytes() for path in images.find(place / f"out{jobs}")}
        said.append((out.replace(f"out{jobs}", "out"), failed, rows, results))
    begun, *rows = said[0][2]
    assert begun == {"shard": "0/1", "images": 9, "kept": 0}
    assert [row["source"] for row in rows if row["outcome"] == "failed"] == ["4b.png"]
    assert len(rows) == 9 and len(said[0][3]) == 8 and len(said[0][1]) == 1
    assert said[0] == said[1] == said[2]


def test_a_list_names_images_and_what_is_missing_from_it_is_named(place, capsys):
    tiny(place / "m.keras")
    for name in ("a.png", "sub/a.png", "caf\udce9.png"):
        images.write(place / name, RGB)
    images.write(place / "elsewhere/b.png", RGB)
    lines = [b"a.png", b"sub/a.png", b"caf\xe9.png", os.fsencode(place / "elsewhere/b.png"), b"sub/../a.png", b"c.png"]
    (place / "list.txt").write_bytes(b"\n".join(lines))
    assert upscale("--list", "list.txt", "-o", "out", "-m", "m.keras") == 1
    out, err = capsys.readouterr()
    assert "Wrote 5 of 6 images to out." in out and "Failed: c.png: no such file" in err
    assert visible(place / "out") == ["a-png-sr.png", "a-sr.png", "caf\udce9-sr.png", "elsewhere", "sub"]
    assert visible(place / "out/elsewhere") == ["b-sr.png"] and visible(place / "out/sub") == ["a-sr.png"]
    assert upscale("--list", "list.txt", "-o", "out", "-m", "m.keras") == 1
    assert "5 of 5 images are done already" in capsys.readouterr().out


def test_a_result_that_is_not_its_image_is_kept_named_and_recorded(place, capsys, monkeypatch):
    model = tiny(place / "m.keras")
    rgb = np.tile(RGB, (4, 4, 1))
    images.write(place / "in/a.png", rgb)
    model.get_layer("tail_x2").bias.assign(np.full(12, -100.0))  # black
    checkpoint.save(model, place / "black.keras")
    words = ["-i", "in", "-m", "black.keras", "--check"]
    for made in (True, False):  # and found again when it's done already
        assert upscale(*words) == 1
        out, err = capsys.readouterr()
        assert "Check: out/a-sr.png is black. The file was kept." in err and ("Wrote 1 of 1" in out) is made
    assert visible(place / "out") == ["a-sr.png"]
    rows = [json.loads(line) for path in (place / "out/.wdsr-tf").iterdir() for line in path.open()]
    assert {row["check"] for row in rows if "check" in row} == {"is black"}
    assert upscale("-i", "in", "-o", "out2", "--check") == 0  # the bundled model
    assert upscale("-i", "in", "-o", "out2", "--check") == 0
    assert "Check:" not in capsys.readouterr().err


def test_a_dry_run_tells_about_how_long_it_would_take(place, capsys):
    tiny(place / "m.keras")
    for name in "ab":
        images.write(place / f"in/{name}.png", RGB)
    assert upscale("-i", "in", "-m", "m.keras", "--dry-run") == 0
    out = capsys.readouterr().out
    assert out.count("m in 1 tile of 12 x 9 pixels (1 MiB); less than 1 s\n") == 2
    assert "2 images, less than 1 s, without reading and writing files." in out
    assert [duration(seconds) for seconds in (0.2, 12.4, 300, 9000)] == [
        "less than 1 s",
        "about 12 s",
        "about 5 min",
        "about 2.5 h",
    ]


def test_a_tile_and_a_device_can_be_chosen(place, capsys):
    tiny(place / "m.keras")
    images.write(place / "a.png", np.tile(RGB, (4, 4, 1)))
    words = ["-i", "a.png", "-m", "m.keras", "--dry-run"]
    assert upscale(*words, "--tile", 30, "--device", "cpu") == 0
    assert re.search(r"m in \d+ tiles of 30 x 30 pixels", capsys.readouterr().out)
    assert upscale(*words, "--tile", 2) == 1
    assert "Tiles of 2 pixels are too small" in capsys.readouterr().err
