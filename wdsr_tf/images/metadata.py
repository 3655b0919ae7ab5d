"""An image file's metadata: color profile, EXIF and resolution."""

import math

from PIL import Image
from PIL.ExifTags import IFD

from wdsr_tf.images.formats import Format

DESCRIPTION, ORIENTATION, ICC_PROFILE = 270, 274, 34675  # EXIF and TIFF tags
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
INCH, CENTIMETER = 2, 3  # values of RESOLUTION_UNIT
PIXEL_WIDTH, PIXEL_HEIGHT = 0xA002, 0xA003  # in the EXIF directory
# Tags that describe how values are stored in the file that was read: size, strips, tiles, compression, sample format,
# profile, and XMP, which repeats them. They would be wrong in the file that is written.
LAYOUT = {
    *range(254, 267),
    *(273, 274, *range(277, 285), *range(288, 294), 296, 297, 301, *range(317, 326), *range(330, 348)),
    *(*range(512, 522), 529, 530, 531, 532, 700, 33723, 34377, 34675, 37724),
}
DESCRIBED_LAYOUTS = ('{"shape"', "ImageJ=", "<?xml")  # descriptions in which tifffile, ImageJ and OME repeat the layout
LONGEST_JPEG_EXIF = 65_533  # a segment's 16-bit length counts itself
HOLDERS = {  # formats that can hold each item, by Pillow's names
    "icc_profile": ("PNG", "JPEG", "WEBP", "TIFF", "AVIF"),
    "exif": ("PNG", "JPEG", "WEBP", "TIFF", "AVIF"),
    "dpi": ("PNG", "JPEG", "TIFF", "BMP"),  # WebP and AVIF can hold it in EXIF only
}


def orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation, 1 (upright) to 8, that is still to be applied to an open Pillow image."""
    if image.format == "TIFF":
        return 1  # Pillow applies it
    try:
        found = Image.Image.getexif(image).get(ORIENTATION)  # a PNG's own getexif may decode the image
    except Exception:  # a broken tag must not cost the image
        return 1
    return found if found in range(1, 9) else 1


def read_metadata(image: Image.Image) -> dict:
    """Returns the `metadata` of a `Picture` from an open Pillow image, without broken tags."""
    metadata = {}
    if image.info.get("icc_profile"):
        metadata["icc_profile"] = image.info["icc_profile"]
    invented = image.format == "TIFF" and X_RESOLUTION not in image.tag_v2  # by Pillow: (1, 1)
    dpi = _dpi(() if invented else image.info.get("dpi", ())) or _dpi_of_exif(image)
    if dpi:
        metadata["dpi"] = dpi
    try:
        exif = _encoded(_without_layout(image.getexif()))
    except Exception:  # as in `orientation`
        exif = None
    if exif:
        metadata["exif"] = exif
    return metadata


def tiff_metadata(exif: Image.Exif) -> dict:
    """Returns the `metadata` of a `Picture` from all tags of a TIFF."""
    metadata = {}
    profile = exif.get(ICC_PROFILE)
    if isinstance(profile, bytes):
        metadata["icc_profile"] = profile
    dpi = _dpi((exif.get(X_RESOLUTION), exif.get(Y_RESOLUTION)))
    inches = {INCH: 1, CENTIMETER: 2.54}.get(exif.get(RESOLUTION_UNIT, INCH))
    if dpi and inches:
        metadata["dpi"] = tuple(value * inches for value in dpi)
    encoded = _encoded(_without_layout(exif))
    return {**metadata, "exif": encoded} if encoded else metadata


def load_exif(metadata: dict) -> Image.Exif:
    """Returns the EXIF tags in a `Picture`'s metadata, possibly none."""
    exif = Image.Exif()
    if "exif" in metadata:
        exif.load(metadata["exif"])
    return exif


def color_space(metadata: dict) -> bytes:
    """Returns the color space of the ICC profile, such as `b"RGB "` or `b"GRAY"`; empty without a profile."""
    return metadata.get("icc_profile", b"")[16:20]


def scaled(metadata: dict, height: float, width: float) -> dict:
    """Returns `metadata` for a resized image that keeps its printed size.

    Args:
        metadata: of the original image.
        height: new height divided by old height.
        width: new width divided by old width.
    """
    if "dpi" not in metadata:
        return metadata
    horizontal, vertical = metadata["dpi"]
    return {**metadata, "dpi": (horizontal * width, vertical * height)}


def writable(metadata: dict, form: Format, height: int, width: int) -> dict:
    """Returns what of `metadata` a file of format `form` can hold, with EXIF updated to `height` x `width` pixels."""
    kept = {name: value for name, value in metadata.items() if form.name in HOLDERS[name]}
    if form.name == "WEBP" and color_space(kept) == b"GRAY":
        del kept["icc_profile"]  # WebP stores color images only
    if form.name in HOLDERS["exif"]:
        exif = _without_layout(load_exif(kept))
        _update(exif, metadata.get("dpi") if form.name in ("WEBP", "AVIF") else None, height, width)
        encoded = _encoded(exif)
        if encoded and not (form.name == "JPEG" and len(encoded) > LONGEST_JPEG_EXIF):
            kept["exif"] = encoded
        else:
            kept.pop("exif", None)
    return kept


def _without_layout(exif):
    for tag in LAYOUT.intersection(exif):
        del exif[tag]
    if str(exif.get(DESCRIPTION, "")).startswith(DESCRIBED_LAYOUTS):
        del exif[DESCRIPTION]
    return exif


def _encoded(exif):
    """The EXIF bytes, or None if no tag is left. Pillow drops the thumbnail."""
    return exif.tobytes() if len(exif) else None


def _update(exif, dpi, height, width):
    if dpi:
        exif[X_RESOLUTION], exif[Y_RESOLUTION], exif[RESOLUTION_UNIT] = *dpi, INCH
    if IFD.Exif in exif:
        directory = exif.get_ifd(IFD.Exif)
        for tag, length in ((PIXEL_WIDTH, width), (PIXEL_HEIGHT, height)):
            if tag in directory:
                directory[tag] = length


def _dpi(values):
    try:
        dpi = tuple(float(value) for value in values)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return dpi if len(dpi) == 2 and all(math.isfinite(value) and value > 0 for value in dpi) else None


def _dpi_of_exif(image):
    try:
        exif = Image.Image.getexif(image)
        if exif.get(RESOLUTION_UNIT) != INCH:
            return None
        return _dpi((exif[X_RESOLUTION], exif[Y_RESOLUTION]))
    except Exception:  # as in `orientation`
        return None
