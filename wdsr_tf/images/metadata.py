"""What an image file holds beside its pixels: as bytes, from one file to another."""

import math
import struct

from PIL import Image

from wdsr_tf.images import color, xmp
from wdsr_tf.images import exif as exif_block
from wdsr_tf.images.exif import ORIENTATION
from wdsr_tf.images.formats import Format

LONGEST_SEGMENT = 65_533  # bytes in a segment of a JPEG: its 16-bit length counts itself
HOLDERS = {  # formats that can hold each item, by Pillow's names
    "icc_profile": ("PNG", "JPEG", "WEBP", "TIFF", "AVIF"),
    "exif": ("PNG", "JPEG", "WEBP", "TIFF", "AVIF"),
    "xmp": ("PNG", "JPEG", "WEBP", "TIFF", "AVIF", "GIF"),
    "iptc": ("PNG", "JPEG", "TIFF"),
    "text": ("PNG",),
    "comment": ("PNG", "JPEG", "GIF"),
    "cicp": ("PNG",),
    "gama": ("PNG",),
    "chrm": ("PNG",),
    "dpi": ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "AVIF"),  # WebP and AVIF in EXIF
}
NAMES = {
    "icc_profile": "color profile",
    "exif": "EXIF",
    "xmp": "XMP",
    "iptc": "IPTC",
    "text": "text",
    "comment": "comment",
    "dpi": "resolution",
}
HIGHEST_DPI = {"JPEG": 65_535, "PNG": 2**31 * 0.0254, "BMP": 2**31 * 0.0254}


def orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation, 1 (upright) to 8, that is still to be applied to an open Pillow image."""
    if image.format == "TIFF":
        return 1  # Pillow applies it
    if image.format == "JXL" and not getattr(image, "jpeg", True):
        return 1  # the decoder applies its own, which counts; only a JPEG file in a JPEG XL has it in EXIF
    return exif_block.orientation(_exif_of(image))


def _exif_of(image):
    """The EXIF block of a Pillow image, with the tags that a caller may have changed; None if there is none."""
    try:
        raw, tags = image.info.get("exif"), Image.Image.getexif(image)  # a PNG's own getexif may decode the image
        if len(tags) and (_is_changed(raw, tags) if raw else True):
            raw = tags.tobytes()  # a caller's own
        return exif_block.open_block(raw) if raw else None
    except Exception:  # a broken tag must not cost the image
        return None


def _is_changed(raw, tags):
    """Whether `tags` are others than those in `raw`; Pillow adds an orientation that it finds in XMP."""
    read = Image.Exif()
    read.load(raw)
    return {**read, ORIENTATION: None} != {**tags, ORIENTATION: None}


def read_metadata(image: Image.Image) -> dict:
    """Returns the `metadata` of a `Picture` from an open Pillow image, without broken tags."""
    info, metadata = image.info, {}
    if isinstance(info.get("icc_profile"), bytes) and info["icc_profile"]:
        metadata["icc_profile"] = info["icc_profile"]
    block = _exif_of(image)
    invented = _is_invented(image)
    dpi = _dpi(() if invented else info.get("dpi", ())) or (_dpi(exif_block.resolution(block) or ()) if block else None)
    if dpi:
        metadata["dpi"] = dpi
    if block and image.format == "TIFF":
        copied = exif_block.copied(block)
        metadata |= {"exif": copied} if copied else {}
    elif block:
        add_exif(metadata, bytes(block.data))
    packet = info.get("xmp") or info.get("XML:com.adobe.xmp")
    if packet:
        metadata["xmp"] = packet.encode() if isinstance(packet, str) else bytes(packet)
    if image.format in ("JPEG", "MPO") and isinstance(info.get("comment"), bytes):
        metadata["comment"] = info["comment"]
    iptc = info.get("photoshop", {}).get(0x0404) if isinstance(info.get("photoshop"), dict) else None
    if isinstance(iptc, bytes):
        metadata["iptc"] = iptc
    return metadata


def _is_invented(image):
    """Whether Pillow made up the resolution: 1 dpi in TIFF, 72 dpi in a JPEG with EXIF."""
    if image.format == "TIFF":
        return exif_block.X_RESOLUTION not in image.tag_v2
    return image.format in ("JPEG", "MPO") and image.info.get("jfif_unit") not in (1, 2)


def add_exif(metadata: dict, exif: bytes) -> None:
    """Adds an EXIF block without what describes the old file; nothing if it is broken."""
    try:
        kept = exif_block.cleaned(exif)
    except Exception:  # a broken tag must not cost the image
        kept = None
    if kept:
        metadata["exif"] = kept


def tiff_metadata(block: exif_block.Block) -> dict:
    """Returns the `metadata` of a `Picture` from a directory of a TIFF."""
    beside = {exif_block.ICC_PROFILE, exif_block.XMP, exif_block.IPTC}
    metadata, tags = {}, block.tags(exif_block.LAYOUT - beside)
    for name, tag in (("icc_profile", exif_block.ICC_PROFILE), ("xmp", exif_block.XMP), ("iptc", exif_block.IPTC)):
        if isinstance(tags.get(tag), tuple):
            metadata[name] = tags[tag][2]
    dpi = _dpi(exif_block.resolution(block) or ())
    if dpi:
        metadata["dpi"] = dpi
    copied = exif_block.copied(block)
    return {**metadata, "exif": copied} if copied else metadata


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


def writable(metadata: dict, form: Format, height: int, width: int, gray: bool = False) -> dict:
    """Returns what of `metadata` a file of format `form` can hold, updated to `height` x `width` pixels.

    A color description that the format can't hold becomes a profile, for a `gray` image one of gray.
    """
    kept = {name: value for name, value in metadata.items() if form.name in HOLDERS.get(name, ())}
    if form.name == "WEBP" and color_space(kept) == b"GRAY":
        del kept["icc_profile"]  # WebP stores color images only
    if "icc_profile" not in kept and form.name in HOLDERS["icc_profile"] and form.name != "PNG":
        profile = color.profile(metadata, gray and form.name != "WEBP")
        kept |= {"icc_profile": profile} if profile else {}
    if "dpi" in kept and max(kept["dpi"]) > HIGHEST_DPI.get(form.name, 2**31):
        del kept["dpi"]
    dpi = kept.pop("dpi", None) if form.name in ("WEBP", "AVIF") else None
    if form.name in HOLDERS["exif"]:
        exif = exif_block.patched(kept.pop("exif", None), height, width, dpi)
        if exif and not (form.name == "JPEG" and len(exif) > LONGEST_SEGMENT):
            kept["exif"] = exif
    if form.name == "JPEG":
        for name in ("iptc", "comment"):  # XMP can go on in further segments
            if len(kept.get(name, b"")) > LONGEST_SEGMENT - 40:
                del kept[name]
    if "xmp" in kept:
        kept["xmp"] = xmp.patched(kept["xmp"], height, width)
    return kept


def losses(metadata: dict, form: Format, height: int, width: int) -> list[str]:
    """Returns the names of what a file of format `form` can't hold of `metadata`."""
    kept = writable(metadata, form, height, width)
    lost = [name for name in NAMES if name in metadata and name not in kept]
    if form.name in ("WEBP", "AVIF"):
        lost = [name for name in lost if name != "dpi"]  # it is in EXIF
    if form.name in ("BMP", "GIF"):
        lost = [name for name in lost if name != "icc_profile"]  # the colors are converted to sRGB
    colors = color.lost(metadata) if "cicp" in metadata and "cicp" not in kept else None
    return [NAMES[name] for name in lost] + ([colors] if colors else [])


def _dpi(values):
    try:
        dpi = tuple(float(value) for value in values)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return dpi if len(dpi) == 2 and all(math.isfinite(value) and 0 < value <= 1e6 for value in dpi) else None


def png_dpi(data: bytes | None) -> tuple | None:
    """Returns the resolution in a PNG's pHYs chunk, or None."""
    if data is None or len(data) != 9 or data[8] != 1:
        return None
    return _dpi(value * 0.0254 for value in struct.unpack(">II", data[:8]))
