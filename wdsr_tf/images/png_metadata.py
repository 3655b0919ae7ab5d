"""The information in a PNG's chunks, in both directions; see https://www.w3.org/TR/png-3/#11Ancillary-chunks."""

import struct
import zlib

from wdsr_tf.images import exif
from wdsr_tf.images.metadata import add_exif, png_dpi
from wdsr_tf.images.png_reader import Inflater, Png

TEXTS = (b"tEXt", b"zTXt", b"iTXt")
XMP_KEY = b"XML:com.adobe.xmp"
IPTC_KEY = b"Raw profile type iptc"  # as ImageMagick and ExifTool write it
# Chunks that are read, or describe how the pixels are stored or shown. Others are named.
READ = {*TEXTS, b"PLTE", b"tRNS", b"cICP", b"sRGB", b"gAMA", b"cHRM", b"iCCP", b"eXIf", b"pHYs"}
NOT_MISSED = {b"bKGD", b"hIST", b"sBIT", b"sPLT", b"tIME", b"iDOT", b"vpAg", b"oFFs"}
LINE = 72  # hexadecimal digits in a line of IPTC


def png_metadata(png: Png) -> tuple[dict, list[str]]:
    """Returns the `metadata` of a `Picture` and what was left out, broken or too long."""
    metadata, notes, texts, inflate = _color(png), [], [], Inflater()
    profile = png.find(b"iCCP")
    if profile:
        _add(metadata, notes, "icc_profile", inflate(profile.partition(b"\0")[2][1:]), "color profile")
    for name, data in png.chunks:
        if name in TEXTS:
            key = data.partition(b"\0")[0]
            if key == XMP_KEY:
                _add(metadata, notes, "xmp", _text(name, data, inflate), "XMP")
            elif key == IPTC_KEY:
                _add(metadata, notes, "iptc", _raw_profile(_text(name, data, inflate)), "IPTC")
            else:
                texts.append((name, data))
    others = sorted({name.decode("latin-1") for name, _ in png.chunks} - {n.decode() for n in READ | NOT_MISSED})
    if others:
        notes.append(f"its {', '.join(others)} chunks were left out")
    if texts:
        metadata["text"] = tuple(texts)
    block = png.find(b"eXIf")
    if block:
        add_exif(metadata, block)
    dpi = png_dpi(png.find(b"pHYs")) or png_dpi_of_exif(block)
    if dpi:
        metadata["dpi"] = dpi
    return metadata, notes


def png_dpi_of_exif(block):
    """The resolution in an EXIF block, if it is a possible one."""
    found = exif.resolution(exif.open_block(block)) if block else None
    return found if found and all(0 < value <= 1e6 for value in found) else None


def _add(metadata, notes, name, value, said):
    if value:
        metadata[name] = value
    else:
        notes.append(f"its {said} is broken, or longer than 64 MiB, and was left out")


def _text(name, data, inflate):
    """The bytes of a text, decompressed; None if they are broken."""
    rest = data.partition(b"\0")[2]
    if name == b"tEXt":
        return rest
    if name == b"zTXt":
        return inflate(rest[1:])
    compressed, rest = rest[:1] == b"\1", rest[2:]
    text = rest.partition(b"\0")[2].partition(b"\0")[2]
    return inflate(text) if compressed else text


def _raw_profile(text):
    """The bytes in a profile that is written as a length and hexadecimal digits."""
    try:
        _, length, digits = text.strip().split(None, 2) if text else ("", "0", b"")
        data = bytes.fromhex(digits.decode("ascii"))
        return data if len(data) == int(length) else None
    except ValueError:
        return None


def _color(png):
    """What the chunks cICP, sRGB, gAMA and cHRM say about colors; nothing if it is sRGB."""
    cicp, gamma, places = png.find(b"cICP"), png.find(b"gAMA"), png.find(b"cHRM")
    if cicp is not None and len(cicp) == 4:
        return {"cicp": tuple(cicp[:2])}
    if png.find(b"sRGB") is not None:
        return {}
    color = {}
    if places is not None and len(places) == 32:
        color["chrm"] = struct.unpack(">8I", places)
    if gamma is not None and len(gamma) == 4:
        color["gama"] = int.from_bytes(gamma, "big")
    return color if color.get("gama", 1) else {}


def chunks(metadata: dict) -> list[tuple[bytes, bytes]]:
    """Returns the chunks (name, data) that hold `metadata`."""
    found = []
    if "icc_profile" in metadata:
        found.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata["icc_profile"])))
    if "cicp" in metadata:
        found.append((b"cICP", bytes([*metadata["cicp"], 0, 1])))  # RGB, full range
    if "gama" in metadata:
        found.append((b"gAMA", struct.pack(">I", metadata["gama"])))
    if "chrm" in metadata:
        found.append((b"cHRM", struct.pack(">8I", *metadata["chrm"])))
    if "dpi" in metadata:
        found.append((b"pHYs", struct.pack(">IIB", *(round(dpi / 0.0254) for dpi in metadata["dpi"]), 1)))
    if "exif" in metadata:
        found.append((b"eXIf", metadata["exif"].removeprefix(exif.PREFIX)))
    if "xmp" in metadata:
        found.append((b"iTXt", XMP_KEY + bytes(5) + metadata["xmp"]))
    if "iptc" in metadata:
        digits = metadata["iptc"].hex()
        lines = "\n".join(digits[at : at + LINE] for at in range(0, len(digits), LINE))
        text = f"\niptc\n{len(metadata['iptc']):8}\n{lines}\n".encode()
        found.append((b"zTXt", IPTC_KEY + b"\0\0" + zlib.compress(text)))
    if "comment" in metadata:
        found.append((b"tEXt", b"Comment\0" + metadata["comment"].replace(b"\0", b"")))
    return [*found, *metadata.get("text", ())]
