"""Animations: whole frames, their times, and what is transparent in them."""

import numpy as np
import pytest
from PIL import Image

from wdsr_tf import images
from wdsr_tf.errors import InputError

RNG = np.random.default_rng(0)
ANIMATED = (".gif", ".png", ".webp")
TIMES = [33, 47, 50, 100, 70]


def frames(clear, colors=200):
    """Five frames in which a patch moves, and, where `clear`, holes that open and close."""
    base = RNG.integers(0, 256, (12, 15, 3), "uint8")
    for i, time in enumerate(TIMES):
        rgb, alpha = base.copy(), None
        rgb[i : i + 4, i : i + 4] = RNG.integers(0, 256, 3)
        if colors == 2:
            rgb = np.where(rgb[..., :1] > 128, np.uint8([250, 10, 20]), np.uint8([7, 8, 200]))
        if clear:
            alpha = np.full((12, 15), 255, "uint8")
            alpha[2 * i : 2 * i + 3, 3:9] = alpha[5 + i] = 0
        yield images.Picture(rgb, alpha), time


@pytest.mark.parametrize("suffix", ANIMATED)
@pytest.mark.parametrize("clear", [False, True])
@pytest.mark.parametrize("colors", [2, 200])
def test_frames_come_back_whole(tmp_path, suffix, clear, colors):
    written = list(frames(clear, colors))
    images.write_animation(tmp_path / f"a{suffix}", written)
    assert images.is_animated(tmp_path / f"a{suffix}")
    read = images.read_frames(tmp_path / f"a{suffix}").frames
    assert len(read) == len(written)
    for (picture, _), (wanted, _) in zip(read, written, strict=True):
        shown = slice(None) if wanted.alpha is None else wanted.alpha > 0
        np.testing.assert_array_equal(picture.rgb[shown], wanted.rgb[shown])  # 180 pixels: a palette holds them all
        assert (picture.alpha is None) == (wanted.alpha is None)
        if clear:
            np.testing.assert_array_equal(picture.alpha, wanted.alpha)


@pytest.mark.parametrize("suffix", ANIMATED)
@pytest.mark.parametrize("loop", [0, 1, 3])
def test_times_and_the_number_of_plays_come_back(tmp_path, suffix, loop):
    images.write_animation(tmp_path / f"a{suffix}", frames(False), loop)
    animation = images.read_frames(tmp_path / f"a{suffix}")
    assert animation.loop == loop
    # GIF counts hundredths: 33, 80, 130, 230, 300 become 30, 80, 130, 230, 300.
    assert [time for _, time in animation.frames] == ([30, 50, 50, 100, 70] if suffix == ".gif" else TIMES)


def test_a_gif_without_a_loop_is_played_once(tmp_path):
    pair = [Image.fromarray(picture.rgb) for picture, _ in frames(False)][:2]
    pair[0].save(tmp_path / "a.gif", save_all=True, append_images=pair[1:], duration=50)
    assert images.read_frames(tmp_path / "a.gif").loop == 1


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_what_a_gifs_frames_leave_behind_is_resolved(tmp_path, disposal):
    """Frames of a GIF whose second and third cover corners only: drawn over what the disposal leaves."""
    palette = [250, 0, 0, 0, 250, 0, 0, 0, 250]
    raw = gif(palette, disposal, [(0, 0, 4, 4, 0), (0, 0, 2, 2, 1), (2, 2, 2, 2, 2)])
    (tmp_path / "a.gif").write_bytes(raw)
    second, third = (picture for picture, _ in images.read_frames(tmp_path / "a.gif").frames[1:])
    assert second.rgb[0, 0].tolist() == [0, 250, 0] and third.rgb[3, 3].tolist() == [0, 0, 250]
    if disposal < 2:  # left standing
        assert second.rgb[3, 3].tolist() == [250, 0, 0] and third.rgb[0, 0].tolist() == [0, 250, 0]
        assert second.alpha is None and third.alpha is None
    elif disposal == 2:  # cleared
        assert second.alpha[3, 3] == 0 and third.alpha[0, 0] == 0 and third.alpha[3, 3] == 255
    else:  # set back to what was there before the frame, at first nothing
        assert second.alpha[3, 3] == 0 and third.alpha[0, 0] == 0


def gif(palette, disposal, boxes):
    """An animated GIF 4 x 4 of boxes (left, top, width, height, color), its codes never longer than three bits."""
    content = b"GIF89a" + bytes([4, 0, 4, 0, 0x81, 0, 0]) + bytes([*palette, 0, 0, 0])
    for left, top, width, height, color in boxes:
        codes = [code for _ in range(width * height) for code in (4, color)] + [5]  # 4 clears the table, 5 ends
        bits = sum(code << (3 * i) for i, code in enumerate(codes))
        data = bits.to_bytes(-(-3 * len(codes) // 8), "little")
        content += b"\x21\xf9\4" + bytes([disposal << 2 | 1, 5, 0, 3, 0])  # color 3 is transparent
        content += b"," + bytes([left, 0, top, 0, width, 0, height, 0, 0, 2, len(data)]) + data + b"\0"
    return content + b";"


def test_an_apngs_picture_for_other_programs_is_no_frame(tmp_path):
    still = Image.fromarray(np.zeros((12, 15, 3), "uint8"))
    moving = [Image.fromarray(picture.rgb) for picture, _ in frames(False)]
    still.save(tmp_path / "a.png", save_all=True, append_images=moving, default_image=True, duration=40)
    read = images.read_frames(tmp_path / "a.png").frames
    assert len(read) == 5
    np.testing.assert_array_equal(read[0][0].rgb, np.asarray(moving[0]))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".tif"])
def test_a_still_picture_is_one_frame(tmp_path, suffix):
    images.write(tmp_path / f"a{suffix}", np.full((8, 9, 3), 50, "uint8"))
    assert not images.is_animated(tmp_path / f"a{suffix}")
    assert len(images.read_frames(tmp_path / f"a{suffix}").frames) == 1


def test_the_limit_of_pixels_holds_for_all_frames_together(tmp_path):
    images.write_animation(tmp_path / "a.gif", frames(False))
    images.read_frames(tmp_path / "a.gif", max_pixels=5 * 12 * 15)
    with pytest.raises(InputError, match=r"a\.gif.*5 frames of 15 x 12.*--max-pixels 1 lets"):
        images.read_frames(tmp_path / "a.gif", max_pixels=5 * 12 * 15 - 1)


def test_orientation_turns_every_frame(tmp_path):
    exif = Image.Exif()
    exif[images.ORIENTATION] = 6
    still = [picture.rgb for picture, _ in frames(False)]
    first, *others = map(Image.fromarray, still)
    first.save(tmp_path / "a.webp", save_all=True, append_images=others, lossless=True, exif=exif)
    for (picture, _), wanted in zip(images.read_frames(tmp_path / "a.webp").frames, still, strict=True):
        np.testing.assert_array_equal(picture.rgb, np.rot90(wanted, -1))


def test_a_profile_comes_back(tmp_path):
    (first, time), *others = frames(False)
    first = images.Picture(first.rgb, metadata={"icc_profile": b"profile" + bytes(121)})
    for suffix in (".png", ".webp"):
        images.write_animation(tmp_path / f"a{suffix}", [(first, time), *others])
        assert images.read_frames(tmp_path / f"a{suffix}").frames[0][0].metadata == first.metadata


@pytest.mark.parametrize(
    "name, pictures, message",
    [
        ("a.jpg", [np.zeros((4, 4, 3), "uint8")], "gif, webp and png"),
        ("a.gif", [], "at least one frame"),
        ("a.gif", [np.zeros((4, 4, 3), "uint8"), np.zeros((4, 5, 3), "uint8")], "one size"),
        ("a.gif", [np.zeros((4, 4, 3), "uint16")], "8 bits"),
        ("a.png", [np.zeros((4, 4, 3), "uint16")], "8 bits"),
        ("a.webp", [np.zeros((1, 16_384, 3), "uint8")], "16383"),
    ],
)
def test_what_no_animation_can_hold_is_refused(tmp_path, name, pictures, message):
    with pytest.raises(InputError, match=message):
        images.write_animation(tmp_path / name, [(images.Picture(rgb), 40) for rgb in pictures])
    assert not list(tmp_path.iterdir())


def test_an_animation_cut_short_is_an_error(tmp_path):
    for suffix in ANIMATED:
        images.write_animation(tmp_path / f"a{suffix}", frames(False))
        whole = (tmp_path / f"a{suffix}").read_bytes()
        (tmp_path / f"a{suffix}").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(InputError, match=suffix):
            images.read_frames(tmp_path / f"a{suffix}")
