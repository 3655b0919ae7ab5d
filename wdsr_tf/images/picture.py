"""An image in memory: pixels, data type, and what to keep when it is written again."""

import dataclasses

import numpy as np

from wdsr_tf.errors import InputError

PEAKS = {"uint8": 255, "uint16": 65535, "float32": 1.0}  # the value of white for each data type


@dataclasses.dataclass(frozen=True)
class Picture:
    """An upright image and what to keep when it is written again.

    Args:
        rgb: H x W x 3, uint8, uint16 or float32 (0..1); three equal channels if the image is gray.
        alpha: H x W of the same type; None if the image has no transparency.
        gray: whether to write it as a gray image.
        metadata: any of `dpi` (horizontal, vertical), `icc_profile`, `exif` (without orientation and thumbnail), `xmp`,
            `iptc`, `comment` (bytes), `text` (PNG chunks as (name, bytes)), `cicp` (primaries, transfer),
            `gama` (gamma) and `chrm` (eight chromaticities).
        notes: what reading left out, as sentences without "the file".
    """

    rgb: np.ndarray
    alpha: np.ndarray | None = None
    gray: bool = False
    metadata: dict = dataclasses.field(default_factory=dict)
    notes: tuple = ()

    @property
    def peak(self) -> int | float:
        """The value of white, and of an opaque pixel's alpha: 255, 65535 or 1.0."""
        return PEAKS[str(self.rgb.dtype)]


def as_picture(array: np.ndarray) -> Picture:
    """Wraps an array in a `Picture`.

    Args:
        array: uint8 or uint16; H x W or H x W x 1 (gray), H x W x 2 (gray and alpha), H x W x 3 (RGB) or
            H x W x 4 (RGBA).

    Raises:
        InputError: for other shapes and types. Floats are rejected because networks return 0..255 and files hold 0..1,
            and nothing in an array says which it is.
    """
    array = np.asarray(array)
    values = array[..., None] if array.ndim == 2 else array
    if array.dtype not in ("uint8", "uint16") or values.ndim != 3 or values.shape[2] not in (1, 2, 3, 4):
        raise InputError(
            f"Can't write an array of {array.dtype} with shape {array.shape} as an image: it must be uint8 or uint16, "
            "H x W (gray) or H x W x 1 to 4 (gray, gray and alpha, RGB, RGBA). to_uint8 converts floats in 0..255."
        )
    channels = values.shape[2]
    alpha = values[..., -1] if channels in (2, 4) else None
    if channels < 3:
        return Picture(np.repeat(values[..., :1], 3, axis=-1), alpha, gray=True)
    return Picture(values[..., :3], alpha)


def joined_channels(picture: Picture, rgb: np.ndarray, alpha: np.ndarray | None = None) -> np.ndarray:
    """Joins rows of `rgb` and `alpha` to H x W x 1 (gray), 2 (gray and alpha), 3 or 4, depending on `picture`."""
    colors = rgb[..., :1] if picture.gray else rgb
    return colors if picture.alpha is None else np.concatenate([colors, alpha[..., None]], axis=-1)


def without_opaque_alpha(picture: Picture) -> Picture:
    """Returns `picture` without its alpha channel if every pixel is opaque, else unchanged."""
    if picture.alpha is None or (picture.alpha != picture.peak).any():
        return picture
    return dataclasses.replace(picture, alpha=None)


def to_uint8(x: np.ndarray) -> np.ndarray:
    """Converts floats in 0..255 to uint8, clipped and rounded. Raises InputError as `to_depth` does."""
    return to_depth(x, "uint8")


def to_depth(x: np.ndarray, dtype) -> np.ndarray:
    """Converts values in 0..255 to `dtype`.

    Args:
        x: floats in 0..255, which are clipped, or uint8.
        dtype: uint8 (0..255), uint16 (0..65535), both rounded, or float32 (0..1).

    Raises:
        InputError: if a value isn't finite, or if `x` holds other integers, whose white isn't 255.
    """
    x = np.asarray(x)
    dtype = np.dtype(dtype)
    if x.dtype == dtype == "uint8":
        return x
    if x.dtype != "uint8" and x.dtype.kind != "f":
        raise InputError(
            f"Expected floats in 0..255 or uint8, not {x.dtype}. change_depth(Picture(x), 'uint8').rgb converts uint16."
        )
    if not np.isfinite(x).all():
        raise InputError("The image has values that are not finite (NaN or infinity).")
    values = np.clip(x if x.dtype.kind == "f" else x.astype("float32"), 0, 255)
    if dtype == "float32":
        return (values / 255).astype(dtype)
    return np.rint(values * (PEAKS[str(dtype)] // 255)).astype(dtype)


def to_levels(values: np.ndarray) -> np.ndarray:
    """Scales uint16 and float32 (0..1) to float32 in 0..255, the range of networks; returns uint8 unchanged."""
    if values.dtype == "uint8":
        return values
    return values.astype("float32") * np.float32(255 / PEAKS[str(values.dtype)])


def change_depth(picture: Picture, dtype) -> Picture:
    """Returns `picture` with values of another type (uint8, uint16 or float32), rounded if it's less precise."""
    if picture.rgb.dtype == dtype:
        return picture
    rgb, alpha = (
        None if values is None else to_depth(to_levels(values), dtype) for values in (picture.rgb, picture.alpha)
    )
    return dataclasses.replace(picture, rgb=rgb, alpha=alpha)


def rgb_to_y(rgb: np.ndarray) -> np.ndarray:
    """Converts RGB in 0..255 to BT.601 luma in 16..235, as float64 without rounding, like MATLAB's rgb2ycbcr."""
    return 16 + np.asarray(rgb, "float64") @ (np.array([65.481, 128.553, 24.966]) / 255)
