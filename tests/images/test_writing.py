"""Files written row by row are correct and atomic, and memory use doesn't depend on their height."""

import io
import itertools
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.conftest import REPOSITORY
from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.images import png, tiff
from wdsr_tf.images.png import filter_rows
from wdsr_tf.images.resize import imresize

RNG = np.random.default_rng(0)
SMOOTH = imresize(RNG.integers(0, 256, (9, 12, 4), "uint8"), 80)  # 720 x 960: 2 MB, so several chunks
NOISE = RNG.integers(0, 256, (200, 300, 3), "uint8")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".bmp"])
@pytest.mark.parametrize("gray, clear", [(False, False), (True, False), (False, True), (True, True)])
def test_strips_of_any_height_make_the_complete_image(tmp_path, suffix, gray, clear):
    if suffix == ".bmp" and clear:
        pytest.skip("BMP can't store transparency")
    rgb = SMOOTH[..., :1].repeat(3, axis=-1) if gray else SMOOTH[..., :3]
    alpha = SMOOTH[..., 3] if clear else None
    like = images.Picture(rgb[:0], None if alpha is None else alpha[:0], gray)
    cuts = [0, 1, 2, 9, 300, 700, 720]
    with images.open_writer(tmp_path / f"a{suffix}", *rgb.shape[:2], like) as writer:
        for top, bottom in itertools.pairwise(cuts):
            writer.append(rgb[top:bottom], alpha if alpha is None else alpha[top:bottom])
    with Image.open(tmp_path / f"a{suffix}") as image:  # independent of our reader
        if suffix not in (".webp", ".bmp"):
            assert image.mode == ("L" if gray else "RGB") + ("A" if clear else "")
        values = np.asarray(image.convert("RGBA"))
    np.testing.assert_array_equal(values[..., :3], rgb)
    np.testing.assert_array_equal(values[..., 3], 255 if alpha is None else alpha)


@pytest.mark.parametrize("rgb", [SMOOTH[..., :3], NOISE], ids=["smooth", "noise"])
def test_png_is_about_as_small_as_pillows(tmp_path, rgb):
    images.write(tmp_path / "a.png", rgb)
    pillows = io.BytesIO()
    Image.fromarray(rgb).save(pillows, "PNG")
    assert (tmp_path / "a.png").stat().st_size < 1.1 * len(pillows.getvalue())


def test_png_bytes_do_not_depend_on_the_strips(tmp_path):
    for name, step in (("a.png", 7), ("b.png", 720)):
        with images.open_writer(tmp_path / name, 720, 960, images.Picture(SMOOTH[:0, :, :3])) as writer:
            for top in range(0, 720, step):
                writer.append(SMOOTH[top : top + step, :, :3])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 6, 8])
def test_filtered_rows_are_restored_by_the_rules_of_png(stride):
    rows = np.concatenate([NOISE.reshape(200, -1)[:6, : 24 * stride], SMOOTH[:40:2].reshape(20, -1)[:, : 24 * stride]])
    filtered = filter_rows(rows[1:], rows[0], stride)
    assert len(set(filtered[:, 0])) >= 3
    above = rows[0].astype(int)
    for row, (number, *differences) in zip(rows[1:], filtered.tolist(), strict=True):
        result = np.zeros(len(above), int)
        for i, difference in enumerate(differences):
            left, corner = (result[i - stride], above[i - stride]) if i >= stride else (0, 0)
            result[i] = (difference + guess(number, left, above[i], corner)) % 256
        np.testing.assert_array_equal(result, row)
        above = result


def guess(number, left, above, corner):
    if number == 4:
        target = left + above - corner
        return min((left, above, corner), key=lambda value: abs(value - target))
    return (0, left, above, (left + above) // 2)[number]


def test_filter_with_the_smallest_sum_is_chosen():
    rows = np.tile(np.arange(0, 250, 5, dtype="uint8"), (3, 1))
    assert filter_rows(rows, None, 1)[:, 0].tolist() == [1, 2, 2]  # "sub" for the first row, "up" for the others


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_bigtiff_is_read_like_a_tiff(tmp_path, monkeypatch, dtype):
    tifffile = pytest.importorskip("tifffile")
    values = images.to_depth(SMOOTH[..., :3].astype("float32"), dtype)
    monkeypatch.setattr(tiff, "BIG", 1000)
    images.write(tmp_path / "a.tif", images.Picture(values, metadata={"dpi": (300.0, 300.0)}))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_bigtiff
        np.testing.assert_array_equal(file.asarray(), values)
    picture = images.read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.rgb, values)


def test_bigtiff_offsets_can_exceed_four_gigabytes():
    tifffile = pytest.importorskip("tifffile")
    file = io.BytesIO()
    writer = tiff.TiffWriter(file, 100_000, 50_000, 1, "uint8", {})
    writer._offsets, writer._lengths = [16, 16 + 2**32], [2**32, 1]
    writer.finish()
    writer.close()
    file.seek(0)
    with tifffile.TiffFile(file) as read:
        offsets = read.pages.first.dataoffsets
    assert offsets[1] - offsets[0] == 2**32


def test_wrong_rows_raise_and_leave_no_file(tmp_path):
    like = images.Picture(NOISE[:0])
    for rows in (NOISE[:100], NOISE[:, :7], NOISE.astype("uint16"), np.concatenate([NOISE, NOISE])):
        refused = pytest.raises(ValueError, match="rows")
        with refused, images.open_writer(tmp_path / "a.png", 200, 300, like) as writer:
            writer.append(rows)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_error_while_writing_propagates_and_keeps_the_old_file(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_text("earlier work")
    like = images.Picture(NOISE[:0])
    with pytest.raises(ZeroDivisionError), images.open_writer(tmp_path / f"a{suffix}", 200, 300, like) as writer:
        writer.append(NOISE[:100])
        raise ZeroDivisionError
    assert [path.read_text() for path in tmp_path.iterdir()] == ["earlier work"]


def test_error_in_a_thread_propagates(tmp_path, monkeypatch):
    monkeypatch.setattr(png, "filter_rows", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        images.write(tmp_path / "a.png", NOISE)
    assert not list(tmp_path.iterdir())


def test_unwritable_path_raises_input_error(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    for path in (tmp_path / "file" / "a.png", tmp_path / "folder.png"):
        with pytest.raises(InputError, match="can't be written"):
            images.write(path, NOISE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]


@pytest.mark.parametrize("suffix", [s for s in images.SUFFIXES if s not in (".jpeg", ".tiff", ".apng")])
def test_full_disk_raises_input_error_and_leaves_no_file(mounted, suffix):
    small_disk = mounted(64)
    noise = RNG.integers(0, 256, (300, 300, 3), "uint8")
    with pytest.raises(InputError, match=rf"a\{suffix}: can't be written"):
        images.write(small_disk / f"a{suffix}", noise)
    assert not list(small_disk.iterdir())


def test_full_disk_leaves_no_file_of_an_animation(mounted):
    small_disk = mounted(64)
    frames = [(images.Picture(RNG.integers(0, 256, (300, 300, 3), "uint8")), 40) for _ in range(3)]
    for suffix in (".gif", ".png", ".webp"):
        with pytest.raises(InputError, match="can't be written"):
            images.write_animation(small_disk / f"a{suffix}", frames)
    assert not list(small_disk.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="reads peak memory in a way that only Linux supports")
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_memory_does_not_depend_on_the_height(tmp_path, suffix):
    peaks = [peak(tmp_path / f"a{suffix}", height) for height in (1000, 7000)]
    assert peaks[1] - peaks[0] < 16 * 2**20  # the second image has 55 MiB more


def peak(path, height):
    """Peak memory in bytes of a process that writes an image 3,200 pixels wide."""
    code = (
        "import sys, numpy as np; from wdsr_tf import images\n"
        "path, height = sys.argv[1], int(sys.argv[2])\n"
        "strip = np.zeros((100, 3200, 3), 'uint8'); strip[:, ::7] = 90\n"
        "with images.open_writer(path, height, 3200, images.Picture(strip[:0])) as writer:\n"
        "    for _ in range(height // 100): writer.append(strip)\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
    )
    command = [sys.executable, "-c", code, path, str(height)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout) * 1024


def test_png_metadata_precedes_the_pixels(tmp_path):
    picture = images.Picture(NOISE, metadata={"icc_profile": b"profile", "dpi": (254.0, 127.0)})
    images.write(tmp_path / "a.png", picture)
    content = (tmp_path / "a.png").read_bytes()
    assert content.index(b"iCCP") < content.index(b"pHYs") < content.index(b"IDAT")
    assert (10_000).to_bytes(4, "big") + (5000).to_bytes(4, "big") + b"\1" in content  # pixels per meter
    assert zlib.compress(b"profile") in content
