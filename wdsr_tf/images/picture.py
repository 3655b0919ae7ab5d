"""A picture in memory: its values, its depth, and what has to come back when it is written again."""

import dataclasses

import numpy as np

from wdsr_tf.errors import InputError

PEAKS = {"uint8": 255, "uint16": 65535, "float32": 1.0}  # the value of white, by the type of the values


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture upright, with what has to come back when it is written again.

    Attributes:
        rgb: uint8, uint16 or float32 (0..1), H x W x 3; of a gray picture three times the same.
        alpha: H x W of the same type, or None where the picture is opaque by its format.
        gray: whether it is to be written as gray.
        metadata: `icc_profile` (bytes), `exif` (bytes, without orientation) and `dpi` (pair of floats), where given.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None = None
    gray: bool = False
    metadata: dict = dataclasses.field(default_factory=dict)

    @property
    def peak(self):
        """The value of white, and of what is opaque: 255, 65535 or 1.0."""
        return PEAKS[str(self.rgb.dtype)]


def as_picture(array):
    """A `Picture` of an array of integers: H x W x 3, gray as H x W, and with transparency H x W x 4 or H x W x 2.

    Floats are refused, as it is easily forgotten that those of networks are in 0..255 and those of files in 0..1.
    """
    array = np.asarray(array)
    values = array[..., None] if array.ndim == 2 else array
    if array.dtype not in ("uint8", "uint16") or values.ndim != 3 or values.shape[2] not in (1, 2, 3, 4):
        raise InputError(
            "an array to write is uint8 or uint16 and H x W x 3, H x W x 4 with transparency, or gray as H x W, not "
            f"{array.dtype} of shape {array.shape}; to_uint8 makes uint8 of floats in 0..255"
        )
    channels = values.shape[2]
    alpha = values[..., -1] if channels in (2, 4) else None
    if channels < 3:
        return Picture(np.repeat(values[..., :1], 3, axis=-1), alpha, gray=True)
    return Picture(values[..., :3], alpha)


def layers(picture, rgb, alpha=None):
    """`rgb` and `alpha` as the file holds them: H x W x 1 (gray), 2 (gray, alpha), 3 or 4, as `picture` is."""
    colors = rgb[..., :1] if picture.gray else rgb
    return colors if picture.alpha is None else np.concatenate([colors, alpha[..., None]], axis=-1)


def without_opaque_alpha(picture):
    """`picture` without its transparency where that hides nothing."""
    if picture.alpha is None or (picture.alpha != picture.peak).any():
        return picture
    return dataclasses.replace(picture, alpha=None)


def to_uint8(x):
    """Floats in 0..255 clipped, rounded and cast; raises InputError as `to_depth` does."""
    return to_depth(x, "uint8")


def to_depth(x, dtype):
    """Values in 0..255, floats or uint8, as `dtype`: uint8, uint16 (0..65535) or float32 (0..1); clipped and rounded.

    uint8 comes back as uint8 untouched. Values that are not finite and other integers, of which white is somewhere
    else, raise InputError.
    """
    x = np.asarray(x)
    dtype = np.dtype(dtype)
    if x.dtype == dtype == "uint8":
        return x
    if x.dtype != "uint8" and x.dtype.kind != "f":
        raise InputError(
            f"values to convert are floats in 0..255 or uint8, not {x.dtype}; "
            "change_depth(Picture(values), 'uint8').rgb makes uint8 of uint16"
        )
    if not np.isfinite(x).all():
        raise InputError("the picture holds values that are not finite")
    values = np.clip(x if x.dtype.kind == "f" else x.astype("float32"), 0, 255)
    if dtype == "float32":
        return (values / 255).astype(dtype)
    return np.rint(values * (PEAKS[str(dtype)] // 255)).astype(dtype)


def to_levels(values):
    """A picture's values in 0..255, as networks take them: uint8 as it is, other types as float32."""
    if values.dtype == "uint8":
        return values
    return values.astype("float32") * np.float32(255 / PEAKS[str(values.dtype)])


def change_depth(picture, dtype):
    """`picture` with values of another type, rounded where that is coarser."""
    if picture.rgb.dtype == dtype:
        return picture
    rgb, alpha = (
        None if values is None else to_depth(to_levels(values), dtype) for values in (picture.rgb, picture.alpha)
    )
    return dataclasses.replace(picture, rgb=rgb, alpha=alpha)


def rgb_to_y(rgb):
    """Luma of BT.601 in studio swing (16..235) as float64, not rounded: MATLAB's rgb2ycbcr. RGB is 0..255."""
    return 16 + np.asarray(rgb, "float64") @ (np.array([65.481, 128.553, 24.966]) / 255)
