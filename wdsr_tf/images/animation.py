"""Animations: complete frames and their durations, one at a time in memory."""

import contextlib
import dataclasses
import fractions
import io
import itertools
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic
from wdsr_tf.images import content, gif, png_metadata, png_reader
from wdsr_tf.images.compose import changed_box
from wdsr_tf.images.decoding import apply_orientation, decode
from wdsr_tf.images.formats import check_fit, format_of, save_options
from wdsr_tf.images.limits import Limits, limits_of
from wdsr_tf.images.metadata import orientation, writable
from wdsr_tf.images.picture import Picture, joined_channels, without_opaque_alpha
from wdsr_tf.images.png import PngWriter
from wdsr_tf.images.reading import (
    gif_frames,
    left_out,
    open_image,
    png_frames,
    reading_errors,
    with_hidden_metadata,
)
from wdsr_tf.images.writing import as_image, in_srgb, lost_profile, pillow_options, save, writing_errors

FOREVER = 0
MOVING = ("GIF", "PNG", "WEBP", "AVIF")
LONGEST_PART = 65_535  # of an APNG's delay, a fraction of two 16-bit numbers


@dataclasses.dataclass(frozen=True)
class Animation:
    """Complete frames and how often they are played.

    Args:
        frames: list of (`Picture`, milliseconds).
        loop: number of times to play them; 0 means forever.
    """

    frames: list
    loop: int = FOREVER


@dataclasses.dataclass(frozen=True)
class AnimationFile:
    """An animation whose frames are decoded anew each time that it is iterated: it yields each as a `Picture`.

    Args:
        path: the file.
        limits: it was within them when it was opened.
        times: of the frames, in milliseconds.
        loop: number of times to play them; 0 means forever.
        transparent: whether any frame is.
    """

    path: Path | str
    limits: Limits
    times: list
    loop: int
    transparent: bool

    def __iter__(self) -> Iterator[Picture]:
        with reading_errors(self.path):
            for picture, _ in _frames(self.path, self.limits):
                yield picture


def is_animated(path: Path | str) -> bool:
    """Whether the file has several frames with times: GIF, APNG, WebP or AVIF. Raises as `read_picture` does."""
    if content.kind(path) != "PNG":
        return frame_count(path) > 1
    with reading_errors(path):
        return png_reader.parse(path, pixels=False).declared > 1


def frame_count(path: Path | str) -> int:
    """Returns the number of frames, from the file's headers: 1 for a still image. Raises as `read_picture` does."""
    with reading_errors(path):
        kind = content.kind(path)
        if kind == "PNG":
            return max(1, len(png_reader.parse(path, pixels=False).frames))
        if kind == "GIF":
            return len(gif.parse(path).frames)
        if kind in ("TIFF", "JPEG", "BMP"):
            return 1
        with open_image(path, Limits(float("inf"))) as image:
            return getattr(image, "n_frames", 1) if image.format in MOVING else 1


def open_animation(path: Path | str, max_pixels: float | None = None) -> AnimationFile:
    """Opens a GIF, APNG, WebP or AVIF; a still image is an animation of one frame.

    Frames that only change a part of the image are completed, by the specification of the format. All are decoded once,
    so that a broken file is found out now.

    Args:
        path: the file.
        max_pixels: limit for each frame; all together may have 16 times as many. Default: 250 million.

    Raises:
        InputError: as `read_picture` does.
    """
    with reading_errors(path):
        limits, times, transparent = limits_of(max_pixels), [], False
        for picture, time in _frames(path, limits):
            times.append(time)
            transparent |= picture.alpha is not None
        if not times:
            raise InputError("it has no frames")
        return AnimationFile(path, limits, times, _plays(path), transparent)


def read_frames(path: Path | str, max_pixels: float | None = None) -> Animation:
    """Reads all frames of an animation into memory; see `open_animation`."""
    opened = open_animation(path, max_pixels)
    return Animation(list(zip(opened, opened.times, strict=True)), opened.loop)


def _frames(path, limits):
    """Yields (picture, milliseconds)."""
    kind = content.kind(path)
    if kind == "PNG" and png_reader.parse(path, pixels=False).declared:
        frames = png_frames(path, limits)
    elif kind == "GIF":
        frames = gif_frames(path, limits)
    else:
        frames = _pillow_frames(path, limits)
    for picture, time in frames:
        yield without_opaque_alpha(picture), time


def _pillow_frames(path, limits):
    with open_image(path, limits) as image:
        limits.check_frames([image.size] * getattr(image, "n_frames", 1))
        turn, notes = orientation(image), tuple(left_out(path, image, "uint8"))
        for frame in ImageSequence.Iterator(image):
            frame.load()
            picture = with_hidden_metadata(apply_orientation(decode(frame), turn), path)
            yield dataclasses.replace(picture, notes=notes), float(frame.info.get("duration") or 0)


def _plays(path):
    kind = content.kind(path)
    if kind in ("PNG", "GIF"):
        return png_reader.parse(path, pixels=False).plays if kind == "PNG" else gif.parse(path).plays
    with open_image(path, Limits(float("inf"))) as image:
        return image.info.get("loop") or FOREVER


def write_animation(path: Path | str, frames: Iterable, loop: int = FOREVER, quality: int | None = None) -> None:
    """Writes an animation as GIF, APNG, WebP or AVIF, by the suffix of `path`, atomically.

    Args:
        path: where to write; missing folders are created.
        frames: (`Picture`, milliseconds), as in `write_frames`.
        loop: number of times to play the frames; 0 means forever.
        quality: as in `write`.

    Raises:
        InputError: as `write_frames` does.
    """
    pictures, times = [list(each) for each in zip(*frames, strict=True)] or ([], [])
    transparent = any(picture.alpha is not None for picture in pictures)
    write_frames(path, pictures, times, loop, transparent, quality)


def write_frames(
    path: Path | str, pictures: Iterable[Picture], times: list, loop: int, transparent: bool, quality: int | None = None
) -> None:
    """Writes an animation as `write_animation` does, with one frame in memory at a time.

    Args:
        path: where to write; missing folders are created.
        pictures: the frames, with 8 bits and of one size; metadata is that of the first. GIF has 256 colors, chosen for
            each frame.
        times: of the frames, in milliseconds. What formats round of a time, to 10 ms in GIF and 1 ms in WebP and AVIF,
            is the time since the start, so errors don't add up; APNG holds fractions such as 1/60 s.
        loop: number of times to play the frames; 0 means forever.
        transparent: whether any frame is.
        quality: as in `write`.

    Raises:
        InputError: if the format can't hold the animation, or if the file can't be written.
    """
    path = Path(path)
    form = format_of(path)
    if not form.animated:
        raise InputError(f"{path}: {form.name} can't store an animation. Use gif, webp or png.")
    pictures = iter(pictures)
    first = next(pictures, None)
    if first is None:
        raise InputError(f"{path}: an animation needs at least one frame.")
    check_fit(path, *first.rgb.shape[:2], "uint8", transparent=False)
    metadata = writable(first.metadata, form, *first.rgb.shape[:2])
    profile = lost_profile(first.metadata, form)
    values = (in_srgb(each, profile) for each in _values(path, itertools.chain([first], pictures), transparent))
    with writing_errors(path), atomic(path) as temporary, temporary.open("w+b") as file:
        if form.name == "GIF":
            gif.write(file, zip(values, times, strict=True), loop, metadata)
        elif form.name == "PNG":
            _write_apng(file, values, times, loop, metadata)
        else:
            durations = np.diff(np.rint(np.cumsum([0.0, *times]))).astype(int).tolist()
            options = {**save_options(form, quality), **pillow_options(metadata, form)}
            options |= {"save_all": True, "duration": durations, "loop": loop}
            save(_Stream(map(as_image, values), len(times)), file, form, **options)


def _values(path, pictures, transparent):
    """The frames as arrays with the same channels."""
    shape = None
    for picture in pictures:
        shape, alpha = shape or picture.rgb.shape, picture.alpha
        if picture.rgb.shape != shape:
            raise InputError(f"{path}: all frames of an animation must have one size.")
        if picture.rgb.dtype != "uint8":
            raise InputError(f"{path}: the frames of an animation must have 8 bits per channel.")
        if transparent and alpha is None:
            alpha = np.full(shape[:2], 255, "uint8")
        color = dataclasses.replace(picture, alpha=alpha, gray=False)
        yield joined_channels(color, color.rgb, alpha)


class _Stream(Image.Image):
    """Images that come one by one, as the image of several frames that Pillow's writers take."""

    def __init__(self, frames, count):
        super().__init__()
        self.n_frames, self.is_animated = count, count > 1
        self._frames, self._number = frames, -1
        self.seek(0)

    def seek(self, frame):
        """Goes to the next frame; writers go back to the first one only when they have all."""
        if frame >= self.n_frames:
            raise EOFError
        if frame > self._number:
            following = next(self._frames)
            self.im, self._mode, self._size, self._number = following.im, following.mode, following.size, frame

    def tell(self):
        return 0


def _write_apng(file, frames, times, loop, metadata):
    """Writes each frame as the rectangle that changes, which replaces what was there."""
    before, number, owed = None, 0, fractions.Fraction(0)
    for values, time in zip(frames, times, strict=True):
        delay, owed = _delay(fractions.Fraction(time) / 1000 + owed)
        top, left, bottom, right = changed_box(before, values)
        still = png_bytes(values[top:bottom, left:right])
        control = struct.pack(">IIIIIHHBB", number, right - left, bottom - top, left, top, *delay, 0, 0)
        if before is None:
            file.write(png_reader.SIGNATURE)
            png_reader.write_chunk(file, b"IHDR", still[0])
            png_reader.write_chunk(file, b"acTL", struct.pack(">II", len(times), loop))
            for chunk in png_metadata.chunks(metadata):
                png_reader.write_chunk(file, *chunk)
        png_reader.write_chunk(file, b"fcTL", control)
        number += 1
        for data in still[1:]:
            if before is None:
                png_reader.write_chunk(file, b"IDAT", data)
            else:
                png_reader.write_chunk(file, b"fdAT", struct.pack(">I", number) + data)
                number += 1
        before = values
    png_reader.write_chunk(file, b"IEND", b"")


def png_bytes(values):
    """The header of a PNG of `values`, and the pieces of its compressed pixels."""
    file = io.BytesIO()
    with contextlib.closing(PngWriter(file, *values.shape, "uint8", {})) as writer:
        writer.append(values)
        writer.finish()
    file.seek(0)
    found = png_reader.chunks_of(file, len(file.getvalue()))
    return [data for name, data, _ in found if name in (b"IHDR", b"IDAT")]


def _delay(seconds):
    """The nearest delay (number, parts of a second), and what remains."""
    exact = seconds.limit_denominator(1000)
    number, parts = exact.numerator, exact.denominator
    if number > LONGEST_PART:
        parts = 1000 if seconds * 1000 <= LONGEST_PART else 1
        number = min(round(seconds * parts), LONGEST_PART)
    return (number, parts), seconds - fractions.Fraction(number, parts)
