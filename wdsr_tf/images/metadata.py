"""What a picture's file says beside its values: color profile, EXIF and resolution."""

import math

from PIL import Image
from PIL.ExifTags import IFD

ORIENTATION = 0x0112  # the EXIF tag
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
INCH, CENTIMETRE = 2, 3  # as a RESOLUTION_UNIT
PIXEL_WIDTH, PIXEL_HEIGHT = 0xA002, 0xA003  # in the EXIF's own directory
# Tags that say how the values lie in the file that was read: sizes, strips, tiles, compression, sample formats, XMP
# (which repeats them), profile. What they say is wrong in the file that is written.
LAYOUT = {
    *range(254, 267),
    *(273, 274, *range(277, 285), *range(288, 294), 296, 297, 301, *range(317, 326), *range(330, 348)),
    *(*range(512, 522), 529, 530, 531, 532, 700, 33723, 34377, 34675, 37724),
}
DESCRIPTION = 270
DESCRIBED_LAYOUTS = ('{"shape"', "ImageJ=", "<?xml")  # tifffile's, ImageJ's and OME's ways to say the same in a text
LONGEST_JPEG_EXIF = 65_533  # a segment's length, which counts itself, has 16 bits
HOLDERS = {  # the formats that hold each, by Pillow's names
    "icc_profile": ("PNG", "JPEG", "WEBP", "TIFF", "AVIF"),
    "exif": ("PNG", "JPEG", "WEBP", "TIFF", "AVIF"),
    "dpi": ("PNG", "JPEG", "TIFF", "BMP"),  # WebP and AVIF have no place for it but EXIF
}


def orientation(image):
    """The EXIF orientation, 1 (upright) to 8, that is left to apply to an open Pillow image."""
    if image.format == "TIFF":
        return 1  # Pillow turns it
    try:
        found = Image.Image.getexif(image).get(ORIENTATION)  # a PNG's own getexif decodes the picture
    except Exception:  # broken tags say nothing about the picture, and must not cost it
        return 1
    return found if found in range(1, 9) else 1


def read_metadata(image):
    """Of an open Pillow image what a `Picture` keeps; broken tags are left out."""
    metadata = {}
    if image.info.get("icc_profile"):
        metadata["icc_profile"] = image.info["icc_profile"]
    invented = image.format == "TIFF" and X_RESOLUTION not in image.tag_v2  # by Pillow: (1, 1)
    dpi = _dpi(() if invented else image.info.get("dpi", ())) or _dpi_of_exif(image)
    if dpi:
        metadata["dpi"] = dpi
    try:
        exif = read_exif(image.getexif())
    except Exception:  # as in `orientation`
        exif = None
    if exif:
        metadata["exif"] = exif
    return metadata


def read_exif(exif):
    """The bytes of an `Image.Exif` without what concerns only the file that it lay in, or None where nothing remains.

    Its thumbnail is left out too: Pillow writes none.
    """
    _strip(exif)
    return exif.tobytes() if len(exif) else None


def is_of_colors(metadata):
    """Whether the profile is one for RGB."""
    return metadata.get("icc_profile", b"")[16:20] == b"RGB "


def scaled(metadata, height, width):
    """`metadata` of a picture that covers the same paper with `height` and `width` times as many pixels."""
    if "dpi" not in metadata:
        return metadata
    across, down = metadata["dpi"]
    return {**metadata, "dpi": (across * width, down * height)}


def fitting(metadata, form, height, width):
    """`metadata` as it is to be written into a file of the `Format` `form` with a picture of that size.

    What the format cannot hold is left out, and so is EXIF that is too long for JPEG.
    """
    fit = {name: value for name, value in metadata.items() if form.name in HOLDERS[name]}
    if form.name == "WEBP" and fit.get("icc_profile", b"")[16:20] == b"GRAY":
        del fit["icc_profile"]  # WebP has colors only
    if form.name in HOLDERS["exif"]:
        exif = image_exif(fit)
        _strip(exif)
        _update(exif, metadata.get("dpi") if form.name in ("WEBP", "AVIF") else None, height, width)
        encoded = exif.tobytes() if len(exif) else None
        if encoded and not (form.name == "JPEG" and len(encoded) > LONGEST_JPEG_EXIF):
            fit["exif"] = encoded
        else:
            fit.pop("exif", None)
    return fit


def image_exif(metadata):
    """The `Image.Exif` of a `Picture`'s metadata, empty where it has none."""
    exif = Image.Exif()
    if "exif" in metadata:
        exif.load(metadata["exif"])
    return exif


def _strip(exif):
    for tag in LAYOUT.intersection(exif):
        del exif[tag]
    if str(exif.get(DESCRIPTION, "")).startswith(DESCRIBED_LAYOUTS):
        del exif[DESCRIPTION]


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


def tiff_metadata(exif):
    """What a `Picture` keeps of all the tags of a TIFF, given as an `Image.Exif`."""
    metadata = {}
    profile = exif.get(34675)
    if isinstance(profile, bytes):
        metadata["icc_profile"] = profile
    dpi = _dpi((exif.get(X_RESOLUTION), exif.get(Y_RESOLUTION)))
    inches = {INCH: 1, CENTIMETRE: 2.54}.get(exif.get(RESOLUTION_UNIT, INCH))
    if dpi and inches:
        metadata["dpi"] = tuple(value * inches for value in dpi)
    kept = read_exif(exif)
    return {**metadata, "exif": kept} if kept else metadata
