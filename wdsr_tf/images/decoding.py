"""Turns values and Pillow images into `Picture`s: gray, transparency, color spaces, orientation."""

import dataclasses
import io

import numpy as np
from PIL import Image, ImageCms

from wdsr_tf.errors import InputError
from wdsr_tf.images.metadata import color_space, read_metadata
from wdsr_tf.images.picture import Picture

WHITE_IS_ZERO = 0  # a TIFF's photometric interpretation


def of_values(values: np.ndarray, metadata: dict, undecided: bool = False) -> Picture:
    """Returns the `Picture` of H x W x 1 (gray), 2 (gray and alpha), 3 or 4; `undecided`: gray if all colors are."""
    channels = values.shape[2]
    alpha = np.ascontiguousarray(values[..., -1]) if channels in (2, 4) else None
    gray = channels < 3
    rgb = values[..., :1].repeat(3, axis=-1) if gray else np.ascontiguousarray(values[..., :3])
    if undecided and not gray and color_space(metadata) != b"RGB ":
        gray = bool((rgb == rgb[..., :1]).all())
    return Picture(rgb, alpha, gray, metadata)


def decode(image: Image.Image) -> Picture:
    """Returns the `Picture` of a loaded Pillow image; doesn't apply the orientation."""
    metadata = read_metadata(image)
    if image.mode.startswith("I;16"):
        return dataclasses.replace(_gray_of_16_bits(image), metadata=metadata)
    if image.mode == "I":
        raise InputError("32-bit integers have no standard range. Save it with 8 or 16 bits.")
    if image.mode in ("CMYK", "YCbCr", "LAB"):
        image = to_srgb(image, metadata.pop("icc_profile", None))

    if image.mode == "La":  # alpha is multiplied into the values
        image = image.convert("LA")
    gray = image.mode in ("1", "L", "LA")
    undecided = image.mode == "P" or image.format in ("WEBP", "AVIF", "GIF")  # they can't mark gray with alpha
    values = np.array(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    picture = of_values(values, metadata, undecided)
    return dataclasses.replace(picture, gray=True) if gray else picture


def _gray_of_16_bits(image):
    values = np.asarray(image).astype("uint16")
    alpha = None
    if "transparency" in image.info:  # the value of transparent pixels
        alpha = np.where(values == image.info["transparency"], 0, 65535).astype("uint16")
    if image.format == "TIFF":
        bits = image.tag_v2.get(258, (16,))[0]
        values = np.rint(values * (65535 / (2**bits - 1))).astype("uint16")
        if image.tag_v2.get(262) == WHITE_IS_ZERO:
            values = ~values
    return Picture(np.stack([values] * 3, axis=-1), alpha, gray=True)


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Converts a Pillow image to sRGB through its ICC profile, or by Pillow's formulas without a fitting one."""
    try:
        source = ImageCms.createProfile("LAB") if image.mode == "LAB" else ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):  # no profile, or one for another color space
        return image.convert("RGB")


def apply_orientation(picture: Picture, turn: int) -> Picture:
    """Rotates and mirrors `picture` by the EXIF orientation `turn`, 1 (upright) to 8; ignores other values."""
    if turn not in range(2, 9):
        return picture
    rgb, alpha = (values if values is None else _turned(values, turn) for values in (picture.rgb, picture.alpha))
    return dataclasses.replace(picture, rgb=rgb, alpha=alpha)


def _turned(values, turn):
    if turn >= 5:
        values = values.swapaxes(0, 1)
    down, right = ((1, 1), (1, -1), (-1, -1), (-1, 1), (1, 1), (1, -1), (-1, -1), (-1, 1))[turn - 1]
    return np.ascontiguousarray(values[::down, ::right])
