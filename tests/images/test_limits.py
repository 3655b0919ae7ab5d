"""Files that ask for more memory or time than they are worth, and large ones that are sound."""

import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.conftest import REPOSITORY
from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.images import jpeg
from wdsr_tf.images.limits import Limits, limits_of, using
from wdsr_tf.inference.jpeg import jpeg_quality

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (24, 32, 3), "uint8")
GIF_FRAME = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0"


def gif(frames, *others):
    """A GIF of so many frames of 1 x 1 pixel, and of others that declare other sizes and have no pixels."""
    blocks = [b"\x2c" + struct.pack("<HHHHB", 0, 0, *size, 0) + b"\2\1\x2c\0" for size in others]
    header = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(3) + b"\xff\xff\xff"
    return header + GIF_FRAME * frames + b"".join(blocks) + b";"


def with_scans(path, count, **options):
    """Writes a progressive JPEG that repeats one of its scans; returns the number of scans."""
    Image.fromarray(RGB).save(path, "JPEG", progressive=True, **options)
    content = path.read_bytes()
    scans, end, _ = jpeg._walk(content)
    last = content[scans[-1] : end]
    path.write_bytes(content[:end] + last * count + content[end:])
    return len(scans) + count


def test_too_many_pixels_are_rejected_with_the_limit_that_accepts_them(tmp_path):
    images.write(tmp_path / "a.png", np.zeros((300, 400, 3), "uint8"))
    for open_it in (images.read, images.read_picture, images.size, images.read_frames):
        with pytest.raises(
            InputError, match=r"a\.png.*400 x 300.*are 0\.1 megapixels.*--max-pixels 1 .*max_pixels=1e6"
        ):
            open_it(tmp_path / "a.png", max_pixels=119_999)
        open_it(tmp_path / "a.png", max_pixels=120_000)


@pytest.mark.parametrize("name", ["a.png", "a.gif", "a.jpg", "a.bmp", "a.tif", "a.webp", "a.avif"])
def test_pixel_limit_replaces_pillows_own(tmp_path, recwarn, monkeypatch, name):
    images.write(tmp_path / name, RGB)
    for most in (RGB.size // 3 - 1, 100):  # Pillow warns, and refuses from twice as many on
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        assert images.size(tmp_path / name) == (24, 32)
        assert images.read(tmp_path / name).shape == (24, 32, 3)
        assert (jpeg_quality(tmp_path / name) is not None) == (name == "a.jpg")
        assert most == Image.MAX_IMAGE_PIXELS and not recwarn.list


def test_many_small_frames_count_as_work(tmp_path):
    (tmp_path / "a.gif").write_bytes(gif(400))
    assert len(images.open_animation(tmp_path / "a.gif").times) == 400
    with pytest.raises(InputError, match=r"a\.gif.*its 400 frames.* counts as 65536.* --max-pixels 2 "):
        images.open_animation(tmp_path / "a.gif", max_pixels=1.6e6)
    images.open_animation(tmp_path / "a.gif", max_pixels=1.7e6)
    (tmp_path / "a.gif").write_bytes(gif(100_000))
    with pytest.raises(InputError, match="its 100000 frames"):
        images.open_animation(tmp_path / "a.gif")


def test_frames_that_are_larger_than_the_canvas_count_with_their_own_size(tmp_path):
    (tmp_path / "a.gif").write_bytes(gif(1, *[(15_000, 15_000)] * 20))
    with pytest.raises(InputError, match=r"its 21 frames or pages of up to 15000 x 15000.* --max-pixels 282 "):
        images.open_animation(tmp_path / "a.gif")


def test_the_limit_of_all_frames_is_sixteen_images(tmp_path):
    frames = [(images.Picture(np.full((300, 300, 3), i, "uint8")), 40) for i in range(17)]
    for name in ("a.gif", "a.png", "a.webp", "a.avif"):
        images.write_animation(tmp_path / name, frames)
        with pytest.raises(InputError, match=rf"{name}.*its 17 frames or pages of up to 300 x 300 pixels are together"):
            images.read_frames(tmp_path / name, max_pixels=300 * 300)
        assert images.read_picture(tmp_path / name, max_pixels=300 * 300).rgb.shape == (300, 300, 3)
        images.write_animation(tmp_path / name, frames[:16])
        assert len(images.read_frames(tmp_path / name, max_pixels=300 * 300).frames) == 16


def test_all_pages_of_a_tiff_have_a_limit_together(tmp_path):
    pages = [Image.fromarray(RGB)] * 20
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert images.page_sizes(tmp_path / "a.tif") == [(24, 32)] * 20
    with pytest.raises(InputError, match=r"a\.tif.*its 20 frames or pages"):
        images.page_sizes(tmp_path / "a.tif", max_pixels=80_000)
    with pytest.raises(InputError, match=r"more than 19 pages"), using(Limits(pages=19)):
        images.page_count(tmp_path / "a.tif")


def test_scans_of_a_jpeg_are_limited_by_what_they_pass_over(tmp_path):
    count = with_scans(tmp_path / "a.jpg", 300)
    assert images.read(tmp_path / "a.jpg").shape == RGB.shape  # small: 300 scans are no work
    with pytest.raises(InputError, match=rf"a\.jpg.*its {count} scans of 32 x 24 pixels.*--max-pixels 1 "):
        images.read(tmp_path / "a.jpg", max_pixels=2 * RGB.size / 3)


def test_a_hundred_scans_are_read_at_any_size(tmp_path):
    with_scans(tmp_path / "a.jpg", 90)
    images.read(tmp_path / "a.jpg", max_pixels=RGB.size / 3)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": "4:4:4"}, {"quality": 1}])
def test_a_jpeg_that_cannot_hold_its_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch, options):
    with Image.new("RGB", (2000, 1000)) as image:  # takes as few bits as any
        image.save(tmp_path / "a.jpg", **options)
    content = bytearray((tmp_path / "a.jpg").read_bytes())
    assert images.read(tmp_path / "a.jpg").shape == (1000, 2000, 3)
    at = content.index(b"\xff\xc2" if "progressive" in options else b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", 15_000, 16_000)
    (tmp_path / "a.jpg").write_bytes(content)
    monkeypatch.setattr(jpeg, "_thumbnail", lambda content: pytest.fail("it was decoded"))
    with pytest.raises(InputError, match=r"truncated: it is too small to hold 16000 x 15000 pixels"):
        images.read(tmp_path / "a.jpg")


def test_texts_of_a_png_have_one_limit_together(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    data = b"iTXtXML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(2**20))
    chunk = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    (tmp_path / "a.png").write_bytes(content[:33] + 5 * chunk + content[33:])
    with using(Limits(information=4 * 2**20)):
        picture = images.read_picture(tmp_path / "a.png")
    assert picture.notes == ("its XMP is broken, or longer than 64 MiB, and was left out",)
    np.testing.assert_array_equal(picture.rgb, RGB)


def test_limits_hold_in_a_block_only():
    with pytest.raises(RuntimeError), using(Limits(7)):
        assert limits_of() == Limits(7) and limits_of(8) == Limits(8)
        raise RuntimeError
    assert limits_of() == Limits()


def test_the_page_has_the_limit_of_profiles_too():
    header = (REPOSITORY / "web/src/image/header.ts").read_text(encoding="utf-8")
    factors = re.search(r"MAX_PROFILE = (\d+) \* 2 \*\* (\d+);", header)
    assert int(factors[1]) << int(factors[2]) == Limits().information
