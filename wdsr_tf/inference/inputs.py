"""Images as people have them: files, NumPy arrays and PIL images, in and out."""

import dataclasses
import os
from collections.abc import Callable

import numpy as np
from PIL import Image

from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.images.metadata import orientation
from wdsr_tf.images.picture import joined_channels
from wdsr_tf.images.reading import apply_orientation, decode
from wdsr_tf.inference.jpeg import is_noisy_jpeg

DTYPES = ("uint8", "uint16", "float32", "float64")
PIL_INFO = ("icc_profile", "exif", "xmp", "dpi")  # what Pillow's writers take from `info`
SLACK = 1e-3  # how far floats may lie outside 0..1, as resizing and rounding leave them; they are clipped


@dataclasses.dataclass(frozen=True)
class Input:
    """An image to upscale.

    Args:
        picture: its pixels.
        jpeg: whether it comes from a noisy JPEG.
        restore: turns the resulting `Picture` into what the caller gets.
    """

    picture: images.Picture
    jpeg: bool
    restore: Callable


def read_input(image, max_pixels: float = images.MAX_PIXELS) -> Input:
    """Returns the `Input` for a file, an array or a PIL image; raises InputError if it can't be used."""
    if isinstance(image, str | os.PathLike):
        return Input(images.read_picture(image, max_pixels), is_noisy_jpeg(image), _to_array)
    if not isinstance(image, Image.Image):
        return _of_array(np.asarray(image))
    if image.mode != "F":
        return _of_pil(image)
    gray = _of_array(np.asarray(image))
    return dataclasses.replace(gray, restore=lambda picture: Image.fromarray(gray.restore(picture)))


def _of_array(values):
    channels = values.shape[2] if values.ndim == 3 else 1
    if values.ndim not in (2, 3) or channels not in (1, 3, 4) or values.size == 0:
        raise InputError(
            f"An image is an array H x W, H x W x 1, H x W x 3 or H x W x 4; this one has the shape {values.shape}."
        )
    if values.dtype not in DTYPES:
        raise InputError(f"An image's values are of type {', '.join(DTYPES)}; these are {values.dtype}.")
    dtype, is_flat = values.dtype, values.ndim == 2
    if dtype.kind == "f":
        _check_floats(values)
        values = np.clip(values, 0, 1).astype("float32")
    if channels == 1:
        picture = images.Picture(np.repeat(values.reshape(*values.shape[:2], 1), 3, axis=-1), gray=True)
    else:
        picture = images.Picture(values[..., :3], values[..., 3] if channels == 4 else None)

    def restore(picture):
        pixels = joined_channels(picture, picture.rgb, picture.alpha).astype(dtype, copy=False)
        return pixels[..., 0] if is_flat else pixels

    return Input(picture, False, restore)


def _check_floats(values):
    least, most = float(values.min()), float(values.max())  # NaN if any value is
    if not np.isfinite([least, most]).all():
        raise InputError("The image has values that aren't finite (NaN or infinity).")
    if least < -SLACK or most > 1 + SLACK:
        raise InputError(
            f"Float values must lie in 0..1; these range from {least:g} to {most:g}. Divide them by the value of "
            "white, or pass uint8 or uint16."
        )


def _to_array(picture):
    """H x W (gray), H x W x 3 or H x W x 4."""
    if picture.alpha is None and picture.gray:
        return picture.rgb[..., 0]
    return joined_channels(dataclasses.replace(picture, gray=False), picture.rgb, picture.alpha)


def _of_pil(image):
    if not (image.width and image.height):
        raise InputError("The image has no pixels.")
    image.load()
    turn = orientation(image)
    return Input(apply_orientation(decode(image), turn), is_noisy_jpeg(image), _to_pil)


def _to_pil(picture):
    """A PIL image of mode L, LA, RGB, RGBA or I;16, upright, with the metadata that still applies."""
    if picture.rgb.dtype == "uint16" and not (picture.gray and picture.alpha is None):
        picture = images.change_depth(picture, "uint8")  # PIL has no such mode
    pixels = joined_channels(picture, picture.rgb, picture.alpha)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.info |= {name: value for name, value in picture.metadata.items() if name in PIL_INFO}
    return image
