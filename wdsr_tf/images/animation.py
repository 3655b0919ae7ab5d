"""Animations: complete frames and their durations."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import ImageSequence, UnidentifiedImageError

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic
from wdsr_tf.images import high_depth
from wdsr_tf.images.formats import check_fit, format_of, save_options
from wdsr_tf.images.metadata import orientation, writable
from wdsr_tf.images.picture import Picture, joined_channels, without_opaque_alpha
from wdsr_tf.images.reading import (
    MAX_PIXELS,
    apply_orientation,
    check_pixels,
    decode,
    open_image,
    reading_errors,
)
from wdsr_tf.images.writing import as_image, save, writing_errors

FOREVER = 0
TICK = 10  # milliseconds in GIF's unit of time
KEEP, CLEAR = 1, 2  # what GIF does with a frame before it shows the next


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
    """Whether the file has several frames, in a format in which they can be written. Raises as `read_picture` does."""
    with reading_errors(path):
        try:
            with open_image(path, float("inf")) as image:
                return bool(getattr(image, "is_animated", False)) and image.format in ("GIF", "PNG", "WEBP")
        except UnidentifiedImageError:
            if not high_depth.is_tiff(path):  # Pillow can't open every TIFF
                raise
            return False


def read_frames(path: Path | str, max_pixels: float = MAX_PIXELS) -> Animation:
    """Reads a GIF, WebP or APNG; a still image becomes an animation of one frame.

    Frames that only change a part of the image are completed with what is already there.

    Args:
        path: the file.
        max_pixels: limit for all frames together.

    Raises:
        InputError: as `read_picture` does.
    """
    with reading_errors(path), open_image(path, max_pixels) as image:
        check_pixels(image.size, max_pixels, getattr(image, "n_frames", 1))
        frames, turn = [], orientation(image)
        for number, frame in enumerate(ImageSequence.Iterator(image)):
            frame.load()
            if number == 0 and getattr(image, "default_image", False):
                continue  # for programs that can't play APNG
            picture = without_opaque_alpha(apply_orientation(decode(frame), turn))
            frames.append((picture, float(frame.info.get("duration") or 0)))
        if not frames:
            raise InputError("it has no frames")
        return Animation(frames, _plays(image))


def write_animation(
    path: Path | str,
    frames: Iterable[tuple[Picture, float]],
    loop: int = FOREVER,
    quality: int | None = None,
) -> None:
    """Writes an animated GIF, WebP or PNG, atomically.

    Args:
        path: where to write; the suffix decides the format.
        frames: (`Picture`, milliseconds) for each frame; 8-bit and all of one size. Metadata is that of the first.
            GIF has 256 colors, chosen for each frame, and rounds times to 10 ms. What it rounds is the time since the
            start, so errors don't add up.
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
    options = {**save_options(form, quality), **writable(first.metadata, form, *first.rgb.shape[:2]), "save_all": True}
    if form.name == "GIF":
        options |= _gif_options(frames, loop)
    else:
        options |= {"duration": [round(time) for _, time in frames], "loop": loop}
    if form.name == "PNG":
        options |= {"blend": 0, "disposal": 0}  # every frame replaces the whole image
    with writing_errors(path), atomic(path) as temporary:
        image, *others = _images(frames, form)
        save(image, temporary, form, append_images=others, **options)


def _images(frames, form):
    """The frames as Pillow images of one mode, which Pillow's writers need."""
    transparent = any(picture.alpha is not None for picture, _ in frames)
    for picture, _ in frames:
        alpha = picture.alpha
        if transparent and alpha is None:
            alpha = np.full(picture.rgb.shape[:2], 255, "uint8")
        color = dataclasses.replace(picture, alpha=alpha, gray=False)
        yield as_image(joined_channels(color, color.rgb, alpha), form)


def _gif_options(frames, loop):
    ticks = np.rint(np.cumsum([0, *(time for _, time in frames)]) / TICK)
    options = {
        "duration": (np.diff(ticks) * TICK).astype(int).tolist(),
        "disposal": CLEAR if any(picture.alpha is not None for picture, _ in frames) else KEEP,
        "optimize": False,
    }
    return options if loop == 1 else {**options, "loop": max(loop - 1, 0)}  # GIF counts repetitions


def _plays(image):
    """How many times an open animation is played; 0 means forever."""
    loop = image.info.get("loop")
    if image.format != "GIF":
        return loop or FOREVER
    return 1 if loop is None else loop and loop + 1
