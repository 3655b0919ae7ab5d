"""Pictures in files and as arrays: NumPy and Pillow, nothing heavier."""

import contextlib
import dataclasses
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
LOSSLESS = (".png", ".webp", ".bmp", ".tif", ".tiff")  # as `write` writes them

ORIENTATION = 0x0112  # the EXIF tag
SAVE_OPTIONS = {
    "JPEG": {"quality": 95, "subsampling": "4:4:4"},
    "WEBP": {"lossless": True, "exact": True},  # exact: keep the colours beneath transparency
    "TIFF": {"compression": "tiff_adobe_deflate"},
}


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture upright, with what has to come back when it is written again.

    Attributes:
        rgb: uint8, H x W x 3; of a grey picture three times the same.
        alpha: uint8, H x W, or None where the picture is opaque by its format.
        grey: whether it is to be written as grey.
        metadata: `icc_profile` (bytes), `exif` (bytes, without orientation) and `dpi` (pair of floats), where given.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None = None
    grey: bool = False
    metadata: dict = dataclasses.field(default_factory=dict)


def find(folder):
    """The pictures below `folder`, sorted; hidden files and folders are left out."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder")
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )


def read(path):
    """The picture at `path` as uint8 RGB, H x W x 3, upright; transparency is dropped. As `read_picture` otherwise."""
    return read_picture(path).rgb


def read_picture(path):
    """The picture at `path` with its transparency and metadata, EXIF orientation applied.

    16-bit pictures are scaled to 8. A file that is missing, broken, cut short or of an unknown kind raises InputError.
    """
    with _opened(path) as image:
        image.load()
        return _decode(image)


def size(path):
    """(height, width) of the picture at `path`, upright, from its header alone. Raises as `read_picture` does."""
    with _opened(path) as image:
        try:
            exif = Image.Image.getexif(image)  # a PNG's own getexif decodes the picture
            turned = image.format != "TIFF" and exif.get(ORIENTATION) in (5, 6, 7, 8)  # Pillow turns a TIFF's size
        except Exception:  # as in `_upright`
            turned = False
        return image.size if turned else image.size[::-1]


@contextlib.contextmanager
def _opened(path):
    try:
        with Image.open(path) as image:
            yield image
    except UnidentifiedImageError:
        raise InputError(f"{path}: is not a picture of a known format") from None
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except Exception as error:  # Pillow's plugins raise whatever the broken bytes led to
        raise InputError(f"{path}: cannot be read: {error}") from error


def _decode(image):
    image, metadata = _upright(image), _metadata(image)
    if image.mode in ("I", "F"):
        raise InputError("32-bit pictures have no agreed range of values; save it with 8 or 16 bits")
    if image.mode.startswith("I;16"):
        image = _from_16_bit(image)
    if image.mode in ("CMYK", "YCbCr", "LAB"):
        metadata.pop("icc_profile", None)  # it describes colours that are converted here

    alpha = None
    grey = image.mode in ("1", "L", "LA")
    undecided = image.mode in ("P", "RGBA")  # so Pillow opens a palette of greys, and grey with alpha of 16 bits
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = np.array(image.getchannel("A"))
    rgb = np.array(image.convert("RGB"))
    if undecided:
        grey = bool((rgb == rgb[..., :1]).all())
    return Picture(rgb, alpha, grey, metadata)


def _upright(image):
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # broken tags say nothing about the picture, and must not cost it
        image.info.pop("exif", None)
        return image


def _from_16_bit(image):
    """Grey of 16 bits as grey of 8, rounded, which Pillow would clip; its transparent value becomes alpha."""
    values = np.asarray(image).astype("uint32")
    grey = Image.fromarray(((values + 128) // 257).astype("uint8"))
    if "transparency" in image.info:
        alpha = np.where(values == image.info["transparency"], 0, 255).astype("uint8")
        grey.putalpha(Image.fromarray(alpha))
    return grey


def _metadata(image):
    metadata = {}
    if image.info.get("icc_profile"):
        metadata["icc_profile"] = image.info["icc_profile"]
    if image.info.get("exif"):
        exif = image.getexif()
        exif.pop(ORIENTATION, None)
        metadata["exif"] = exif.tobytes()
    dpi = tuple(float(value) for value in image.info.get("dpi", ()))
    if len(dpi) == 2 and all(math.isfinite(value) and value > 0 for value in dpi):
        metadata["dpi"] = dpi
    return metadata


def write(path, picture):
    """Writes a `Picture`, or a uint8 array H x W x 3 or H x W, in the format of its suffix; whole or not at all.

    PNG, WebP, BMP and TIFF are written without loss, JPEG with quality 95. What a format cannot hold (transparency in
    JPEG and BMP, a side above its limit) raises InputError.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: pictures are written as {', '.join(SUFFIXES)}")
    if not isinstance(picture, Picture):
        picture = _picture(np.asarray(picture))
    form = Image.registered_extensions()[path.suffix.lower()]
    if picture.alpha is not None and form in ("JPEG", "BMP"):
        raise InputError(f"{path}: {form} cannot hold transparency; png, webp and tif can")
    image = Image.fromarray(picture.rgb[..., 0] if picture.grey else picture.rgb)
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    with atomic(path) as temporary:
        try:
            image.save(temporary, form, **SAVE_OPTIONS.get(form, {}), **picture.metadata)
        except Exception as error:  # a full disk, or whatever Pillow's plugin raises
            raise InputError(f"{path}: cannot be written: {error}") from error


def _picture(array):
    if array.dtype != "uint8" or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)):
        raise InputError(f"a picture to write is uint8, H x W x 3 or H x W, not {array.dtype} of shape {array.shape}")
    if array.ndim == 2:
        return Picture(np.stack([array] * 3, axis=-1), grey=True)
    return Picture(array)


def to_uint8(x):
    """Clips to 0..255, rounds and casts; values that are not finite raise InputError."""
    x = np.asarray(x)
    if x.dtype == "uint8":
        return x
    if not np.isfinite(x).all():
        raise InputError("the picture holds values that are not finite")
    return np.rint(np.clip(x, 0, 255)).astype("uint8")


def rgb_to_y(rgb):
    """Luma of BT.601 in studio swing (16..235) as float64, not rounded: MATLAB's rgb2ycbcr. RGB is 0..255."""
    return 16 + np.asarray(rgb, "float64") @ (np.array([65.481, 128.553, 24.966]) / 255)
