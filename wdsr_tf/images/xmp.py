"""XMP as bytes: what a new size makes wrong is patched, and what doesn't fit into a segment of a JPEG is split."""

import hashlib
import re

SIZES = {b"tiff:ImageWidth": 1, b"tiff:ImageLength": 0, b"exif:PixelXDimension": 1, b"exif:PixelYDimension": 0}
EXTENDED = re.compile(rb"""\s*xmpNote:HasExtendedXMP\s*=\s*["']([0-9A-F]{32})["']""")
EXTENDED_ELEMENT = re.compile(rb"\s*<xmpNote:HasExtendedXMP>\s*([0-9A-F]{32})\s*</xmpNote:HasExtendedXMP>")
RDF = re.compile(rb"<rdf:RDF([^>]*)>(.*)</rdf:RDF>", re.DOTALL)
RDF_ALONE = re.compile(rb"""\s*xmlns:rdf\s*=\s*["'][^"']*["']\s*""")
POINTER = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="%s"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def patched(xmp: bytes, height: int, width: int) -> bytes:
    """Returns XMP with the new size, and upright, where it records them."""

    def patch(name, number):
        nonlocal xmp
        digits = rb'(\s*=\s*["\']|>)\d+(?=["\'<])'
        xmp = re.sub(re.escape(name) + digits, lambda match: name + match[1] + b"%d" % number, xmp)

    patch(b"tiff:Orientation", 1)
    for name, is_width in SIZES.items():
        patch(name, width if is_width else height)
    return xmp


def extension_of(xmp: bytes) -> bytes | None:
    """Returns the hash by which XMP names its extension, or None."""
    found = EXTENDED.search(xmp) or EXTENDED_ELEMENT.search(xmp)
    return found[1] if found else None


def joined(xmp: bytes, extension: bytes) -> bytes | None:
    """Returns XMP with the descriptions of its extension; None if they can't be added as bytes."""
    if xmp == POINTER % (extension_of(xmp) or b""):
        return extension  # as `split` cut it
    own, other = RDF.search(xmp), RDF.search(extension)
    if not own or not other or not RDF_ALONE.fullmatch(other[1]):
        return None  # a prefix is declared outside of what would be copied
    whole = xmp[: own.end(2)] + other[2] + xmp[own.end(2) :]
    return EXTENDED_ELEMENT.sub(b"", EXTENDED.sub(b"", whole))


def split(xmp: bytes) -> tuple[bytes, bytes]:
    """Returns (hash, XMP that names it), for XMP that becomes the extension with that hash."""
    name = hashlib.md5(xmp, usedforsecurity=False).hexdigest().upper().encode()
    return name, POINTER % name
