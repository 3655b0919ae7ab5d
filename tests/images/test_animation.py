"""Animations: complete frames, their durations and transparency."""

import weakref

import numpy as np
import pytest
from PIL import Image

from wdsr_tf import images
from wdsr_tf.errors import InputError

RNG = np.random.default_rng(0)
ANIMATED = (".gif", ".png", ".webp")
TIMES = [33, 47, 50, 100, 70]


def frames(clear, colors=200):
    """Five frames with a moving patch and, if `clear`, changing transparent holes."""
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
def test_frames_survive_writing_and_reading(tmp_path, suffix, clear, colors):
    written = list(frames(clear, colors))
    images.write_animation(tmp_path / f"a{suffix}", written)
    assert images.is_animated(tmp_path / f"a{suffix}")
    read = images.read_frames(tmp_path / f"a{suffix}").frames
    assert len(read) == len(written)
    for (picture, _), (expected, _) in zip(read, written, strict=True):
        shown = slice(None) if expected.alpha is None else expected.alpha > 0
        np.testing.assert_array_equal(
            picture.rgb[shown], expected.rgb[shown]
        )  # 180 pixels fit into a palette of 256 colors
        assert (picture.alpha is None) == (expected.alpha is None)
        if clear:
            np.testing.assert_array_equal(picture.alpha, expected.alpha)


@pytest.mark.parametrize("suffix", ANIMATED)
@pytest.mark.parametrize("loop", [0, 1, 3])
def test_durations_and_loop_count_survive_writing_and_reading(tmp_path, suffix, loop):
    images.write_animation(tmp_path / f"a{suffix}", frames(False), loop)
    animation = images.read_frames(tmp_path / f"a{suffix}")
    assert animation.loop == loop
    # GIF counts hundredths of a second: 33, 80, 130, 230, 300 become 30, 80, 130, 230, 300.
    assert [time for _, time in animation.frames] == ([30, 50, 50, 100, 70] if suffix == ".gif" else TIMES)


def test_gif_without_loop_plays_once(tmp_path):
    pair = [Image.fromarray(picture.rgb) for picture, _ in frames(False)][:2]
    pair[0].save(tmp_path / "a.gif", save_all=True, append_images=pair[1:], duration=50)
    assert images.read_frames(tmp_path / "a.gif").loop == 1


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_gif_frames_are_completed_by_their_disposal(tmp_path, disposal):
    """The second and third frames cover corners only and are drawn over what the disposal leaves."""
    palette = [250, 0, 0, 0, 250, 0, 0, 0, 250]
    raw = gif(palette, disposal, [(0, 0, 4, 4, 0), (0, 0, 2, 2, 1), (2, 2, 2, 2, 2)])
    (tmp_path / "a.gif").write_bytes(raw)
    second, third = (picture for picture, _ in images.read_frames(tmp_path / "a.gif").frames[1:])
    assert second.rgb[0, 0].tolist() == [0, 250, 0] and third.rgb[3, 3].tolist() == [0, 0, 250]
    if disposal < 2:  # frames are kept
        assert second.rgb[3, 3].tolist() == [250, 0, 0] and third.rgb[0, 0].tolist() == [0, 250, 0]
        assert second.alpha is None and third.alpha is None
    elif disposal == 2:  # frames are cleared
        assert second.alpha[3, 3] == 0 and third.alpha[0, 0] == 0 and third.alpha[3, 3] == 255
    else:  # the previous content is restored, at first nothing
        assert second.alpha[3, 3] == 0 and third.alpha[0, 0] == 0


def gif(palette, disposal, boxes):
    """A 4 x 4 animated GIF of boxes (left, top, width, height, color), with codes of three bits."""
    content = b"GIF89a" + bytes([4, 0, 4, 0, 0x81, 0, 0]) + bytes([*palette, 0, 0, 0])
    for left, top, width, height, color in boxes:
        codes = [code for _ in range(width * height) for code in (4, color)] + [5]  # 4 clears the table, 5 ends
        bits = sum(code << (3 * i) for i, code in enumerate(codes))
        data = bits.to_bytes(-(-3 * len(codes) // 8), "little")
        content += b"\x21\xf9\4" + bytes([disposal << 2 | 1, 5, 0, 3, 0])  # color 3 is transparent
        content += b"," + bytes([left, 0, top, 0, width, 0, height, 0, 0, 2, len(data)]) + data + b"\0"
    return content + b";"


def test_default_image_of_an_apng_is_not_a_frame(tmp_path):
    still = Image.fromarray(np.zeros((12, 15, 3), "uint8"))
    moving = [Image.fromarray(picture.rgb) for picture, _ in frames(False)]
    still.save(tmp_path / "a.png", save_all=True, append_images=moving, default_image=True, duration=40)
    read = images.read_frames(tmp_path / "a.png").frames
    assert len(read) == 5 and "can't play animations" in read[0][0].notes[0]
    np.testing.assert_array_equal(read[0][0].rgb, np.asarray(moving[0]))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".tif"])
def test_still_image_is_read_as_one_frame(tmp_path, suffix):
    images.write(tmp_path / f"a{suffix}", np.full((8, 9, 3), 50, "uint8"))
    assert not images.is_animated(tmp_path / f"a{suffix}")
    assert len(images.read_frames(tmp_path / f"a{suffix}").frames) == 1


def test_orientation_is_applied_to_every_frame(tmp_path):
    exif = Image.Exif()
    exif[images.ORIENTATION] = 6
    still = [picture.rgb for picture, _ in frames(False)]
    first, *others = map(Image.fromarray, still)
    first.save(tmp_path / "a.webp", save_all=True, append_images=others, lossless=True, exif=exif)
    for (picture, _), expected in zip(images.read_frames(tmp_path / "a.webp").frames, still, strict=True):
        np.testing.assert_array_equal(picture.rgb, np.rot90(expected, -1))


def test_profile_of_an_animation_is_kept(tmp_path):
    (first, time), *others = frames(False)
    first = images.Picture(first.rgb, metadata={"icc_profile": b"profile" + bytes(121)})
    for suffix in (".png", ".webp"):
        images.write_animation(tmp_path / f"a{suffix}", [(first, time), *others])
        assert images.read_frames(tmp_path / f"a{suffix}").frames[0][0].metadata == first.metadata


@pytest.mark.parametrize(
    "name, frames, message",
    [
        ("a.jpg", [np.zeros((4, 4, 3), "uint8")], "Use gif, webp or png"),
        ("a.gif", [], "at least one frame"),
        ("a.gif", [np.zeros((4, 4, 3), "uint8"), np.zeros((4, 5, 3), "uint8")], "one size"),
        ("a.gif", [np.zeros((4, 4, 3), "uint16")], "8 bits"),
        ("a.png", [np.zeros((4, 4, 3), "uint16")], "8 bits"),
        ("a.webp", [np.zeros((1, 16_384, 3), "uint8")], "16383"),
    ],
)
def test_unsupported_animation_is_rejected(tmp_path, name, frames, message):
    with pytest.raises(InputError, match=message):
        images.write_animation(tmp_path / name, [(images.Picture(rgb), 40) for rgb in frames])
    assert not list(tmp_path.iterdir())


def test_truncated_animation_raises_input_error(tmp_path):
    for suffix in ANIMATED:
        images.write_animation(tmp_path / f"a{suffix}", frames(False))
        whole = (tmp_path / f"a{suffix}").read_bytes()
        (tmp_path / f"a{suffix}").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(InputError, match=suffix):
            images.read_frames(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", [*ANIMATED, ".avif"])
def test_frames_are_written_one_at_a_time(tmp_path, suffix):
    made = []

    def pictures():
        for i in range(20):
            rgb = np.full((8, 9, 3), 10 * i, "uint8")
            made.append(weakref.ref(rgb))
            assert sum(each() is not None for each in made) <= 4  # the first, which has the metadata, and two others
            yield images.Picture(rgb)

    images.write_frames(tmp_path / f"a{suffix}", pictures(), [40.0] * 20, loop=2, transparent=False)
    animation = images.open_animation(tmp_path / f"a{suffix}")
    assert len(animation.times) == images.frame_count(tmp_path / f"a{suffix}") == 20
    assert animation.loop == (0 if suffix == ".avif" else 2)  # Pillow writes none
    for _ in range(2):  # it's decoded anew
        assert [int(picture.rgb.mean()) for picture in animation] == pytest.approx(range(0, 200, 10), abs=2)


def test_an_error_of_what_makes_the_frames_stays_what_it_is(tmp_path):
    def pictures():
        yield images.Picture(np.zeros((8, 9, 3), "uint8"))
        raise InputError("The model is damaged.")

    for suffix in (*ANIMATED, ".avif"):
        with pytest.raises(InputError, match=r"^The model is damaged\.$"):
            images.write_frames(tmp_path / f"a{suffix}", pictures(), [40, 40], loop=0, transparent=False)
    assert not list(tmp_path.iterdir())
