"""Animations: complete frames and their durations."""

import contextlib
import dataclasses
import fractions
import io
import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import ImageSequence

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic
from wdsr_tf.images import content, gif, png_metadata, png_reader
from wdsr_tf.images.compose import changed_box
from wdsr_tf.images.decoding import apply_orientation, decode
from wdsr_tf.images.formats import check_fit, format_of, save_options
from wdsr_tf.images.metadata import orientation, writable
from wdsr_tf.images.picture import joined_channels, without_opaque_alpha
from wdsr_tf.images.png import PngWriter
from wdsr_tf.images.reading import (
    MAX_PIXELS,
    check_pixels,
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


def is_animated(path: Path | str) -> bool:
    """Whether the file has several frames with times: GIF, APNG, WebP or AVIF. Raises as `read_picture` does."""
    with reading_errors(path):
        kind = content.kind(path)
        if kind == "PNG":
            return png_reader.parse(path, pixels=False).declared > 1
        if kind == "GIF":
            return len(gif.parse(path).frames) > 1
        if kind in ("TIFF", "JPEG", "BMP"):
            return False
        with open_image(path, float("inf")) as image:
            return bool(getattr(image, "is_animated", False)) and image.format in MOVING


def read_frames(path: Path | str, max_pixels: float = MAX_PIXELS) -> Animation:
    """Reads a GIF, APNG, WebP or AVIF; a still image becomes an animation of one frame.

    Frames that only change a part of the image are completed, by the specification of the format.

    Args:
        path: the file.
        max_pixels: limit for all frames together.

    Raises:
        InputError: as `read_picture` does.
    """
    with reading_errors(path):
        kind = content.kind(path)
        if kind == "PNG" and (png := png_reader.parse(path, pixels=False)).declared:
            frames, plays = list(png_frames(path, max_pixels)), png.plays
        elif kind == "GIF":
            frames, plays = list(gif_frames(path, max_pixels)), gif.parse(path).plays
        else:
            frames, plays = _pillow_frames(path, max_pixels)
        if not frames:
            raise InputError("it has no frames")
        return Animation([(without_opaque_alpha(picture), time) for picture, time in frames], plays)


def _pillow_frames(path, max_pixels):
    with open_image(path, max_pixels) as image:
        check_pixels(image.size, max_pixels, getattr(image, "n_frames", 1))
        frames, turn, notes = [], orientation(image), tuple(left_out(path, image, "uint8"))
        for frame in ImageSequence.Iterator(image):
            frame.load()
            picture = with_hidden_metadata(apply_orientation(decode(frame), turn), path)
            picture = dataclasses.replace(picture, notes=notes)
            frames.append((picture, float(frame.info.get("duration") or 0)))
        return frames, image.info.get("loop") or FOREVER


def write_animation(path: Path | str, frames: Iterable, loop: int = FOREVER, quality: int | None = None) -> None:
    """Writes an animation as GIF, APNG, WebP or AVIF, by the suffix of `path`, atomically.

    Args:
        path: where to write; missing folders are created.
        frames: (`Picture`, milliseconds) with 8 bits and of one size; metadata is that of the first. GIF has 256
            colors, chosen for each frame. What formats round of a time, to 10 ms in GIF and 1 ms in WebP and AVIF, is
            the time since the start, so errors don't add up; APNG holds fractions such as 1/60 s.
        loop: number of times to play the frames; 0 means forever.
        quality: as in `write`.

    Raises:
        InputError: if the format can't hold the animation, or if the file can't be written.
    """
    path = Path(path)
    form = format_of(path)
    frames = list(frames)
    if not form.animated:
        raise InputError(f"{path}: {form.name} can't store an animation. Use gif, webp or png.")
    if len({picture.rgb.shape for picture, _ in frames}) != 1:
        raise InputError(f"{path}: an animation needs at least one frame, and all frames must have one size.")
    first = frames[0][0]
    if any(picture.rgb.dtype != "uint8" for picture, _ in frames):
        raise InputError(f"{path}: the frames of an animation must have 8 bits per channel.")
    check_fit(path, *first.rgb.shape[:2], first.rgb.dtype, transparent=False)
    metadata = writable(first.metadata, form, *first.rgb.shape[:2])
    profile = lost_profile(first.metadata, form)
    values = (in_srgb(each, profile) for each in _values([picture for picture, _ in frames]))
    times = [time for _, time in frames]
    with writing_errors(path), atomic(path) as temporary, temporary.open("w+b") as file:
        if form.name == "GIF":
            gif.write(file, zip(values, times, strict=True), loop, metadata)
        elif form.name == "PNG":
            _write_apng(file, values, times, loop, metadata)
        else:
            durations = np.diff(np.rint(np.cumsum([0.0, *times]))).astype(int).tolist()
            image, *others = map(as_image, values)
            options = {**save_options(form, quality), **pillow_options(metadata, form)}
            options |= {"save_all": True, "append_images": others, "duration": durations, "loop": loop}
            save(image, file, form, **options)


def _values(pictures):
    """The frames as arrays with the same channels."""
    transparent = any(picture.alpha is not None for picture in pictures)
    for picture in pictures:
        alpha = picture.alpha
        if transparent and alpha is None:
            alpha = np.full(picture.rgb.shape[:2], 255, "uint8")
        color = dataclasses.replace(picture, alpha=alpha, gray=False)
        yield joined_channels(color, color.rgb, alpha)


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
