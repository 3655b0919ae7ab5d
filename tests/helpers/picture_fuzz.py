"""Random sound pictures of every format, whole, with damaged metadata, or with damaged bytes, and what reading says.

    python -m tests.helpers.picture_fuzz 3000 1

reads 3,000 of seed 1 in a process of its own and prints counters. It ends at a picture that takes 20 s, and at the
first that is lost in silence.
"""

import collections
import contextlib
import dataclasses
import faulthandler
import io
import itertools
import json
import random as python_random
import re
import struct
import sys
import tempfile
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from tests.helpers import format_files
from tests.helpers.mutations import broken
from tests.images.test_composition import MODES, apng, chunk, composed, gif, random_frames, rgba_of
from tests.images.test_depths import ADAM7, packed
from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.images.decoding import apply_orientation

MAX_PIXELS = 4_000_000
SECONDS = 20
NAMED = re.compile(r"its (\d+) other images were left out")
FIRST = "only the first of its frames was kept"


@dataclasses.dataclass
class Sound:
    """A file, the RGBA values of its images in 0..1, and how far a decoder may be off; None if it's all lossy."""

    suffix: str
    content: bytes
    expected: list
    tolerance: float | None = 0.0
    moving: bool = False
    times: list | None = None


def rgba(values, peak):
    """H x W x 1 to 4 as RGBA in 0..1."""
    values = np.asarray(values, "float64") / peak
    colors = values[..., :1].repeat(3, axis=-1) if values.shape[2] < 3 else values[..., :3]
    alpha = values[..., -1:] if values.shape[2] in (2, 4) else np.ones_like(values[..., :1])
    return np.concatenate([colors, alpha], axis=-1)


def shades(rng, bits, channels, least=1, most=40):
    """Random values in patches, of a random size."""
    height, width = rng.integers(least, most, 2)
    coarse = rng.integers(0, 2**bits, (height // 4 + 1, width // 4 + 1, channels))
    values = coarse.repeat(4, axis=0).repeat(4, axis=1)[:height, :width]
    return values.astype("uint8" if bits <= 8 else "uint16")


def png(rng):
    kind = int(rng.choice([0, 2, 3, 4, 6]))
    bits = int(rng.choice({0: (1, 2, 4, 8, 16), 3: (1, 2, 4, 8)}.get(kind, (8, 16))))
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    values = shades(rng, bits, channels)
    interlaced, palette = bool(rng.integers(2)), rng.integers(0, 256, (2**bits if kind == 3 else 1, 3))
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, kind, 0, 0, interlaced)
    passes = [values[top::down, left::right] for left, top, right, down in ADAM7] if interlaced else [values]
    pixels = b"".join(packed(part, bits) for part in passes if part.size)
    parts = [(b"IHDR", header), *([(b"PLTE", bytes(palette.ravel().tolist()))] if kind == 3 else [])]
    parts += [(b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(itertools.starmap(chunk, parts))
    expected = rgba(palette[values[..., 0]], 255) if kind == 3 else rgba(values, 2**bits - 1)
    return Sound(".png", content, [expected])


def moving_png(rng):
    color_type, channels, _ = MODES[str(rng.choice(["gray", "rgb", "gray-alpha", "rgba"]))]
    frames = list(random_frames(rng, channels, int(rng.integers(2, 6))))
    parts = [
        (left, top, [[rgba_of(pixel, color_type, None, None, None) for pixel in row] for row in values.tolist()], *how)
        for left, top, values, *how in frames
    ]
    expected = [canvas / 255 for canvas in composed(parts)]
    return Sound(".png", apng(frames, color_type), expected, 0.51 / 255, True, [1000 / 60] * len(frames))


def moving_gif(rng):
    palette, clear = rng.integers(0, 256, (256, 3)).tolist(), int(rng.choice([2, 100]))
    frames = [
        (left, top, values[..., 0], int(rng.integers(4)), clear)
        for left, top, values, *_ in random_frames(rng, 1, int(rng.integers(2, 6)))
    ]
    dispose = {0: 0, 1: 0, 2: 1, 3: 2}
    parts = [
        (
            left,
            top,
            [[(*palette[i], 0 if i == clear else 255) for i in row] for row in values.tolist()],
            dispose[how],
            1,
        )
        for left, top, values, how, _ in frames
    ]
    expected = [canvas / 255 for canvas in composed(parts)]
    return Sound(".gif", gif(frames, palette), expected, 0.51 / 255, True, [70] * len(frames))


def moving(rng, form, suffix, tolerance, **options):
    first = shades(rng, 8, int(rng.choice([3, 4])), 16)
    frames = [first, *(np.roll(first, int(rng.integers(1, 9)), axis=1) for _ in range(rng.integers(1, 5)))]
    times = rng.integers(1, 3000, len(frames)).tolist()
    file = io.BytesIO()
    still, *others = map(Image.fromarray, frames)
    still.save(file, form, save_all=True, append_images=others, duration=times, **options)
    if len({values.tobytes() for values in frames}) < len(frames):
        return moving(rng, form, suffix, tolerance, **options)  # encoders may join equal frames
    return Sound(suffix, file.getvalue(), [rgba(values, 255) for values in frames], tolerance, True, times)


def tiff(rng):
    import tifffile

    file, expected, order = io.BytesIO(), [], str(rng.choice(["<", ">"]))
    odd_depths = (9, 10, 12, 14) if order == "<" else ()  # tifffile packs the bits of others wrongly
    with tifffile.TiffWriter(file, bigtiff=bool(rng.integers(2)), byteorder=order) as writer:
        for _ in range(rng.integers(1, 5)):
            channels = int(rng.choice([1, 2, 3, 4]))
            bits = int(rng.choice([8, 16, *(odd_depths if channels in (1, 3) else ())]))
            values = shades(rng, bits, channels)
            planar, odd = bool(rng.integers(2)) and channels > 1, bits not in (8, 16)
            stored = np.moveaxis(values, -1, 0) if planar and not odd else values
            writer.write(
                np.ascontiguousarray(stored if channels > 1 else values[..., 0]),
                photometric="rgb" if channels > 2 else "minisblack",
                planarconfig=("separate" if planar and not odd else "contig") if channels > 1 else None,
                tile=(16, 16) if rng.integers(2) and not odd else None,
                compression=None if odd else [None, "lzw", "zlib", "packbits", "zstd"][rng.integers(5)],
                extrasamples=["unassalpha"] if channels in (2, 4) else None,
                bitspersample=bits if odd else None,
                metadata=None,
            )
            expected.append(rgba(values, 2**bits - 1))
    return Sound(".tif", file.getvalue(), expected)


def avif(rng):
    import imagecodecs

    bits = int(rng.choice([8, 10, 12]))
    values = shades(rng, bits, int(rng.choice([3, 4])), 16)
    content = imagecodecs.avif_encode(values, level=100, bitspersample=bits, pixelformat="444")
    return Sound(".avif", content, [rgba(values, 2**bits - 1)])


def heic(rng):
    import pillow_heif

    count, channels, file = int(rng.integers(1, 3)), int(rng.choice([3, 4])), io.BytesIO()
    deep = bool(rng.integers(2))
    stored = [shades(rng, 16, channels, 16) for _ in range(count)]
    stored = stored if deep else [(values >> 8).astype("uint8") for values in stored]
    heif = pillow_heif.HeifFile()
    for values in stored:
        mode = ("RGB" if channels == 3 else "RGBA") + (";16" if deep else "")
        heif.add_frombytes(mode, values.shape[1::-1], values.tobytes())
    heif.save(file, quality=-1, chroma=444)
    return Sound(".heic", file.getvalue(), [rgba(values, 65535 if deep else 255) for values in stored], 3 / 255)


def jxl(rng):
    import imagecodecs

    bits, channels = int(rng.choice([8, 10, 12, 16])), int(rng.choice([1, 2, 3, 4]))
    values = shades(rng, bits, channels)
    several = int(rng.integers(1, 4)) if channels == 3 else 1
    stored = np.stack([np.roll(values, i, axis=1) for i in range(several)]) if several > 1 else values
    stored = stored if several > 1 or channels > 1 else values[..., 0]
    options = {"lossless": True, "usecontainer": bool(rng.integers(2))}
    content = imagecodecs.jpegxl_encode(stored, bitspersample=bits if bits > 8 else None, **options)
    return Sound(".jxl", content, [rgba(values, 2**bits - 1)] * several)


def jpeg(rng):
    values = shades(rng, 8, int(rng.choice([1, 3])), 8)
    image, file, count = Image.fromarray(values.squeeze(axis=-1) if values.shape[2] == 1 else values), io.BytesIO(), 1
    if rng.integers(3) == 0:
        count = 2
        image.save(file, "MPO", save_all=True, append_images=[image])
    else:
        image.save(file, "JPEG", quality=int(rng.integers(30, 100)), progressive=bool(rng.integers(2)))
    with Image.open(io.BytesIO(file.getvalue())) as decoded:
        values = np.asarray(decoded.convert("RGB"))
    return Sound(".jpg", file.getvalue(), [rgba(values, 255)] * count)


def still(rng, form, suffix, channels, **options):
    values, file = shades(rng, 8, int(rng.choice(channels))), io.BytesIO()
    Image.fromarray(values).save(file, form, **options)
    return Sound(suffix, file.getvalue(), [rgba(values, 255)])


KINDS = {
    "PNG": png,
    "APNG": moving_png,
    "GIF": moving_gif,
    "WebP": lambda rng: still(rng, "WEBP", ".webp", (3, 4), lossless=True, exact=True),
    "WebP, animated": lambda rng: moving(rng, "WEBP", ".webp", 0, lossless=True, exact=True),
    "AVIF": avif,
    "AVIF sequence": lambda rng: moving(rng, "AVIF", ".avif", None, quality=100, subsampling="4:4:4"),
    "HEIC": heic,
    "JPEG XL": jxl,
    "TIFF": tiff,
    "JPEG": jpeg,
    "BMP": lambda rng: still(rng, "BMP", ".bmp", (3,)),
}


def read(path):
    """All images of a file, and whether further ones were named, with how many."""
    if images.is_animated(path):
        animation = images.read_frames(path, MAX_PIXELS)
        return [picture for picture, _ in animation.frames], [time for _, time in animation.frames]
    return [images.read_picture(path, MAX_PIXELS, page) for page in range(images.page_count(path))], None


def check_sound(path, sound):
    """Asserts that every image is read, with its values, or named; returns (read, named)."""
    path.write_bytes(sound.content)
    pictures, times = read(path)
    named = sum(int(match[1]) for note in pictures[0].notes if (match := NAMED.search(note)))
    if FIRST in pictures[0].notes:
        named = len(sound.expected) - 1
    assert len(pictures) + named == len(sound.expected), f"{len(pictures)} + {named} of {len(sound.expected)}"
    for picture, expected in zip(pictures, sound.expected, strict=False):
        actual = rgba(picture.rgb, picture.peak)
        alpha = np.ones(expected.shape[:2]) if picture.alpha is None else picture.alpha / picture.peak
        assert actual.shape == expected.shape
        shown = expected[..., 3] > 0
        difference = np.abs(actual - expected)[..., :3][shown]
        step = 0.6 / picture.peak if sound.tolerance == 0 else 0
        if sound.tolerance is None:
            assert difference.mean() < 0.04 if difference.size else True
        else:
            assert difference.max(initial=0) <= sound.tolerance + step, difference.max()
            assert np.abs(alpha - expected[..., 3]).max() <= sound.tolerance + step
    if sound.times:
        assert np.allclose(np.cumsum(times), np.cumsum(sound.times), atol=1e-6)
    return len(pictures), named


def metadata_files():
    """(suffix, content, places of metadata) of files with EXIF, XMP, IPTC, a profile, and text."""
    parts = [format_files.EXIF[6:], format_files.XMP, format_files.IPTC, format_files.ICC, format_files.SWAPPED]
    for suffix, files in format_files.ROWS.values():
        if suffix in (".ppm", ".tga"):
            continue
        with contextlib.suppress(ImportError):
            for columns, content in files():
                places = [(content.find(part), len(part)) for part in parts if part in content]
                if suffix == ".png" and "EXIF" in columns:
                    places = list(_chunks(content))
                if places:
                    yield suffix, content, places


def _chunks(content):
    """The places of data and checksum of a PNG's chunks of metadata."""
    at = 8
    while at < len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        if name in (b"iCCP", b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"pHYs"):
            yield at + 8, length + 4
        at += 12 + length


def check_metadata(rng, path, file):
    """Damages only metadata, and asserts that every image keeps its pixels."""
    _, content, places = file
    path.write_bytes(content)
    before, _ = read(path)
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 20)):
        at, length = places[rng.integers(len(places))]
        damaged[at + int(rng.integers(length))] = int(rng.integers(256))
    path.write_bytes(damaged)
    after, _ = read(path)
    assert len(before) == len(after)
    for one, other in zip(before, after, strict=True):
        assert any(np.array_equal(apply_orientation(one, turn).rgb, other.rgb) for turn in range(1, 9))


def check_broken(path, content):
    """Asserts that a damaged file is refused by name, or gives images of one shape; returns whether it was read."""
    path.write_bytes(content)
    try:
        pictures, _ = read(path)
    except InputError as error:
        assert str(path) in str(error)
        return False
    for picture in pictures:
        assert picture.alpha is None or picture.alpha.shape == picture.rgb.shape[:2]
    return True


def run(folder, count, seed):
    """Reads `count` pictures, a third of each kind of damage; returns counters."""
    counters, files = collections.Counter(), list(metadata_files())
    damage = python_random.Random(seed)
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        name = list(KINDS)[number // 3 % len(KINDS)]
        try:
            if number % 3 == 1:
                suffix = files[number // 3 % len(files)][0]
                check_metadata(rng, folder / f"metadata{suffix}", files[number // 3 % len(files)])
                counters["with damaged metadata, pixels equal"] += 1
                continue
            sound = KINDS[name](rng)
            if number % 3 == 0:
                there, named = check_sound(folder / f"sound{sound.suffix}", sound)
                counters.update({"sound files": 1, "images in": len(sound.expected), "images out": there})
                counters["images named"] += named
            else:
                was_read = check_broken(folder / f"broken{sound.suffix}", broken(damage, sound.content))
                counters["damaged files, read" if was_read else "damaged files, refused"] += 1
        except Exception as error:
            error.add_note(f"picture {number} of seed {seed}, {name}")
            raise
        finally:
            faulthandler.cancel_dump_traceback_later()
    assert counters["images in"] == counters["images out"] + counters["images named"]
    return counters


def main():
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        counters = run(Path(folder), int(sys.argv[1]), int(sys.argv[2]))
    # Not getrusage: its peak includes that of the process that started this one.
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    print(json.dumps({**counters, "peak MiB": int(peak[1]) // 1024}))


if __name__ == "__main__":
    main()
