"""Animations: every frame as a whole picture, and the times between them."""

import dataclasses
from pathlib import Path

import numpy as np
from PIL import ImageSequence, UnidentifiedImageError

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic
from wdsr_tf.images import deep, gif
from wdsr_tf.images.formats import check_fit, format_of, save_options
from wdsr_tf.images.metadata import fitting, orientation
from wdsr_tf.images.picture import layers, without_opaque_alpha
from wdsr_tf.images.reading import MAX_PIXELS, check_pixels, decode, named_errors, opened, upright
from wdsr_tf.images.writing import as_image

FOREVER = 0
TICK = 10  # milliseconds in which GIF counts
KEPT, CLEARED = 1, 2  # what GIF does with a frame before the next


@dataclasses.dataclass(frozen=True)
class Animation:
    """Frames as whole pictures.

    Attributes:
        frames: list of (`Picture`, milliseconds that it is shown).
        loop: how often it is played; 0 for ever.
    """

    frames: list
    loop: int = FOREVER


def is_animated(path):
    """Whether the file holds several frames, in a format that we can write them in. Raises as `read_picture` does."""
    with named_errors(path):
        try:
            with opened(path, float("inf")) as image:
                return bool(getattr(image, "is_animated", False)) and image.format in ("GIF", "PNG", "WEBP")
        except UnidentifiedImageError:
            if not deep.is_tiff(path):  # of which Pillow knows some only
                raise
            return False


def read_frames(path, max_pixels=MAX_PIXELS):
    """The `Animation` at `path`, a GIF, WebP or APNG; a still picture is one of a single frame.

    What a frame leaves of those before it is resolved: each is a whole picture. `max_pixels` holds for all frames
    together. Raises as `read_picture` does.
    """
    with named_errors(path), opened(path, max_pixels) as image:
        check_pixels(image.size, max_pixels, getattr(image, "n_frames", 1))
        frames, turn = [], orientation(image)
        for number, frame in enumerate(ImageSequence.Iterator(image)):
            frame.load()
            if number == 0 and getattr(image, "default_image", False):
                continue  # shown by programs that know no APNG
            picture = without_opaque_alpha(upright(decode(frame), turn))
            frames.append((picture, float(frame.info.get("duration") or 0)))
        if not frames:
            raise InputError("it holds no frame")
        return Animation(frames, _plays(image))


def write_animation(path, frames, loop=FOREVER, quality=None):
    """Writes (`Picture`, milliseconds) as a GIF, WebP or APNG that is played `loop` times, 0 for ever.

    All pictures are of 8 bits and of one size. GIF counts hundredths of a second and has 256 colors, chosen for each
    frame; the time from the start to each frame is rounded, so that roundings do not add up. Metadata are those of
    the first. `quality` as in `open_writer`. Whole or not at all; raises InputError as `open_writer` does.
    """
    path = Path(path)
    form = format_of(path)
    frames = list(frames)
    if not form.animated:
        raise InputError(f"{path}: {form.name} cannot hold an animation; gif, webp and png can")
    if len({picture.rgb.shape for picture, _ in frames}) != 1:
        raise InputError(f"{path}: an animation takes at least one frame, and all of one size")
    first = frames[0][0]
    if any(picture.rgb.dtype != "uint8" for picture, _ in frames):
        raise InputError(f"{path}: an animation takes frames of 8 bits")
    check_fit(path, *first.rgb.shape[:2], first.rgb.dtype, transparent=False)
    kept = fitting(first.metadata, form, *first.rgb.shape[:2])
    options = {**save_options(form, quality), **kept, "save_all": True}
    if form.name == "GIF":
        options |= _gif_options(frames, loop)
    else:
        options |= {"duration": [round(time) for _, time in frames], "loop": loop}
    if form.name == "PNG":
        options |= {"blend": 0, "disposal": 0}  # every frame covers what was there
    image, *others = _images(frames, form)
    try:
        with atomic(path) as temporary:
            image.save(temporary, form.name, append_images=others, **options)
    except Exception as error:  # a full disk, or whatever Pillow's plugin raises
        raise InputError(f"{path}: cannot be written: {error}") from error


def _images(frames, form):
    """The frames as Pillow images, of one mode, which Pillow's writers want."""
    transparent = any(picture.alpha is not None for picture, _ in frames)
    for picture, _ in frames:
        colors = dataclasses.replace(picture, gray=False)
        alpha = picture.alpha
        if transparent:
            alpha = np.full(picture.rgb.shape[:2], 255, "uint8") if alpha is None else alpha
            colors = dataclasses.replace(colors, alpha=alpha)
        values = layers(colors, picture.rgb, alpha)
        yield gif.paletted(values) if form.name == "GIF" else as_image(values)


def _gif_options(frames, loop):
    ticks = np.rint(np.cumsum([0, *(time for _, time in frames)]) / TICK)
    options = {
        "duration": (np.diff(ticks) * TICK).astype(int).tolist(),
        "disposal": CLEARED if any(picture.alpha is not None for picture, _ in frames) else KEPT,
        "optimize": False,
    }
    return options if loop == 1 else {**options, "loop": max(loop - 1, 0)}  # GIF counts the repetitions


def _plays(image):
    """How often an open animation is played; 0 for ever."""
    loop = image.info.get("loop")
    if image.format != "GIF":
        return loop or FOREVER
    return 1 if loop is None else loop and loop + 1
