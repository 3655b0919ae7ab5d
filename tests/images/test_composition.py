"""Frames of APNG and GIF against a composition written here from the specifications, pixel by pixel."""

import itertools
import struct
import zlib
from fractions import Fraction

import numpy as np
import pytest

from wdsr_tf import images

WIDTH, HEIGHT = 7, 6
MODES = {  # color type, channels, whether a tRNS chunk is added
    "gray": (0, 1, False),
    "gray-key": (0, 1, True),
    "rgb": (2, 3, False),
    "rgb-key": (2, 3, True),
    "palette": (3, 1, False),
    "palette-alpha": (3, 1, True),
    "gray-alpha": (4, 2, False),
    "rgba": (6, 4, False),
}


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def apng(frames, color_type, extra=b""):
    """An APNG of frames (left, top, values, dispose, blend), 1/60 s each."""
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, color_type, 0, 0, 0))
    content += extra + chunk(b"acTL", struct.pack(">II", len(frames), 0))
    number = itertools.count()
    for i, (left, top, values, dispose, blend) in enumerate(frames):
        height, width = values.shape[:2]
        control = struct.pack(">IIIIIHHBB", next(number), width, height, left, top, 1, 60, dispose, blend)
        pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in values))
        content += chunk(b"fcTL", control)
        content += chunk(b"fdAT", struct.pack(">I", next(number)) + pixels) if i else chunk(b"IDAT", pixels)
    return content + chunk(b"IEND", b"")


def random_frames(random, channels, count=6):
    """Parts of the canvas, the first all of it, in few values, so that transparent ones are frequent."""
    for i in range(count):
        left, top = (0, 0) if i == 0 else (random.integers(0, WIDTH - 1), random.integers(0, HEIGHT - 1))
        width = WIDTH if i == 0 else random.integers(1, WIDTH - left + 1)
        height = HEIGHT if i == 0 else random.integers(1, HEIGHT - top + 1)
        values = random.choice(np.uint8([0, 1, 2, 3, 100, 128, 255]), (height, width, channels))
        yield int(left), int(top), values, int(random.integers(3)), int(random.integers(2))


def rgba_of(pixel, color_type, key, palette, opacity):
    """What a stored pixel means."""
    if color_type == 0:
        return (*[pixel[0]] * 3, 0 if key and pixel[0] == key[0] else 255)
    if color_type == 2:
        return (*pixel, 0 if key and tuple(pixel) == tuple(key) else 255)
    if color_type == 3:
        return (*palette[pixel[0]], opacity[pixel[0]] if pixel[0] < len(opacity) else 255)
    return (*[pixel[0]] * 3, pixel[1]) if color_type == 4 else tuple(pixel)


def over(above, below):
    """The "over" operation of the PNG specification for colors that aren't premultiplied, with exact fractions."""
    front, back = Fraction(above[3], 255), Fraction(below[3], 255)
    alpha = front + back * (1 - front)
    if alpha == 0:
        return None
    return [
        *((a * front + b * back * (1 - front)) / alpha for a, b in zip(above[:3], below[:3], strict=True)),
        alpha * 255,
    ]


def composed(frames):
    """The canvas after each of (left, top, rows of RGBA, dispose, over)."""
    canvas = [[(0, 0, 0, 0)] * WIDTH for _ in range(HEIGHT)]
    for i, (left, top, rows, dispose, is_over) in enumerate(frames):
        before = [list(row) for row in canvas]
        for y, row in enumerate(rows):
            for x, pixel in enumerate(row):
                mixed = over(pixel, canvas[top + y][left + x]) if is_over else pixel
                canvas[top + y][left + x] = (0, 0, 0, 0) if mixed is None else tuple(map(float, mixed))
        yield np.array(canvas)
        for y, row in enumerate(rows):
            for x in range(len(row)):
                if dispose == 1 or (dispose == 2 and i == 0):
                    canvas[top + y][left + x] = (0, 0, 0, 0)
                elif dispose == 2:
                    canvas[top + y][left + x] = before[top + y][left + x]
        canvas = [
            [tuple(int(np.rint(value)) for value in pixel) for pixel in row] for row in canvas
        ]  # buffers hold 8 bits


def check(path, expected):
    frames = images.read_frames(path).frames
    assert len(frames) == len(expected)
    for (picture, _), canvas in zip(frames, expected, strict=True):
        alpha = np.full(canvas.shape[:2], 255) if picture.alpha is None else picture.alpha
        shown = canvas[..., 3] > 0
        assert np.abs(alpha - canvas[..., 3]).max() <= 0.5
        assert np.abs(picture.rgb[shown] - canvas[shown][:, :3]).max(initial=0) <= 0.5
    return frames


@pytest.mark.parametrize("mode", MODES)
def test_apng_frames_are_composed_by_the_specification(tmp_path, mode):
    color_type, channels, has_key = MODES[mode]
    random = np.random.default_rng(channels)
    palette = random.integers(0, 256, (256, 3)).tolist()
    opacity = [0, 255, 128, 7] if has_key and color_type == 3 else []
    key = ([1] * channels if has_key else None) if color_type in (0, 2) else None
    extra = chunk(b"PLTE", bytes(itertools.chain(*palette))) if color_type == 3 else b""
    if has_key:
        extra += chunk(b"tRNS", bytes(opacity) if color_type == 3 else struct.pack(f">{channels}H", *key))
    for _ in range(12):
        frames = list(random_frames(random, channels))
        (tmp_path / "a.png").write_bytes(apng(frames, color_type, extra))
        parts = [
            (left, top, [[rgba_of(p, color_type, key, palette, opacity) for p in row] for row in values.tolist()], *how)
            for left, top, values, *how in frames
        ]
        read = check(tmp_path / "a.png", list(composed(parts)))
        images.write_animation(tmp_path / "b.png", read)
        for (one, time), (other, other_time) in zip(read, images.read_frames(tmp_path / "b.png").frames, strict=True):
            np.testing.assert_array_equal(one.rgb, other.rgb)
            assert time == other_time == 1000 / 60
            assert (one.alpha is None) == (other.alpha is None)
            if one.alpha is not None:
                np.testing.assert_array_equal(one.alpha, other.alpha)


def gif(frames, palette):
    """A GIF of frames (left, top, indices, disposal, transparent index or None)."""
    content = b"GIF89a" + struct.pack("<HHBBB", WIDTH, HEIGHT, 0xF7, 0, 0) + bytes(itertools.chain(*palette))
    for left, top, values, disposal, clear in frames:
        codes = [code for value in values.ravel().tolist() for code in (256, value)] + [257]  # 256 clears the table
        bits = sum(code << (9 * i) for i, code in enumerate(codes))
        data = bits.to_bytes(-(-9 * len(codes) // 8), "little")
        content += b"\x21\xf9\4" + struct.pack("<BHBB", disposal << 2 | (clear is not None), 7, clear or 0, 0)
        content += b"," + struct.pack("<HHHHB", left, top, values.shape[1], values.shape[0], 0) + b"\x08"
        content += b"".join(bytes([len(data[at : at + 255])]) + data[at : at + 255] for at in range(0, len(data), 255))
        content += b"\0"
    return content + b";"


@pytest.mark.parametrize("clear", [None, 2])
@pytest.mark.parametrize("full_first", [True, False])
def test_gif_frames_are_composed_as_browsers_do(tmp_path, clear, full_first):
    random = np.random.default_rng(5)
    palette = random.integers(0, 256, (256, 3)).tolist()
    for _ in range(10):
        parts, frames = [], []
        for left, top, values, *_ in list(random_frames(random, 1))[0 if full_first else 1 :]:
            disposal = int(random.integers(4))
            frames.append((left, top, values, disposal, clear))
            rows = [[(*palette[p[0]], 0 if p[0] == clear else 255) for p in row] for row in values.tolist()]
            parts.append((left, top, rows, (0, 0, 1, 2)[disposal], True))
        (tmp_path / "a.gif").write_bytes(gif(frames, palette))
        read = check(tmp_path / "a.gif", list(composed(parts)))
        assert all(time == 70 for _, time in read)
        images.write_animation(tmp_path / "b.gif", read)
        check(tmp_path / "b.gif", list(composed(parts)))


@pytest.mark.parametrize("suffix, slack", [(".png", 1e-9), (".webp", 0.5), (".gif", 5), (".avif", 0.5)])
def test_times_are_exact_in_sum(tmp_path, suffix, slack):
    frames = [(images.Picture(np.full((4, 5, 3), 4 * i, "uint8")), 1000 / 60) for i in range(60)]
    images.write_animation(tmp_path / f"a{suffix}", frames)
    read = images.read_frames(tmp_path / f"a{suffix}").frames
    assert len(read) == 60 and abs(sum(time for _, time in read) - 1000) <= slack


def test_a_gif_frame_longer_than_the_format_allows_is_repeated(tmp_path):
    still = images.Picture(np.full((4, 5, 3), 90, "uint8"))
    images.write_animation(tmp_path / "a.gif", [(still, 1_500_000), (still, 60_000), (still, 60_000)])
    read = images.read_frames(tmp_path / "a.gif").frames
    assert [time for _, time in read] == [655_350, 655_350, 189_300, 60_000, 60_000]
    assert all((picture.rgb == 90).all() for picture, _ in read)
