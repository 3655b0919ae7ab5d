"""Files of every format that hold everything the format can, and what is left of it in a result.

Only Pillow, its plugins, tifffile, and imagecodecs write and read here, so that an older release can be measured too.
"""

import io
import re
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

HEIGHT, WIDTH = 24, 32
RNG = np.random.default_rng(0)
SHADES = np.kron(RNG.integers(0, 65536, (6, 8, 4)), np.ones((4, 4, 1))).astype("uint16")
SHADES[..., 3] = np.where(SHADES[..., 3] > 20_000, 65535, 0)
RGBA = (SHADES >> 8).astype("uint8")
FRAMES = [RGBA, np.roll(RGBA, 4, axis=1), RGBA[::-1].copy()]
TIMES = [30, 50, 1000]
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SWAPPED = ICC.replace(b"rXYZ", b"____").replace(b"gXYZ", b"rXYZ").replace(b"____", b"gXYZ")  # red is green
MAKER = "Jürgen"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">a-packet-of-xmp</x:xmpmeta>'
IPTC = b"\x1c\x02\x78\0\x0ea-caption-iptc"
COMMENT = "a comment in text"
DPI = 300
EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\x03" + b"".join(
    [
        struct.pack(">HHII", 0x010F, 2, 8, 50),
        struct.pack(">HHII", 0x011A, 5, 1, 58),
        struct.pack(">HHII", 0x011B, 5, 1, 58),
        bytes(4),
        MAKER.encode() + b"\0",
        struct.pack(">II", DPI, 1),
    ]
)
COLUMNS = ("pixels", "alpha", "depth", "frames", "times", "pages", "EXIF", "XMP", "IPTC", "ICC", "CICP", "text", "dpi")


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def saved(form, values=RGBA, **options):
    file = io.BytesIO()
    Image.fromarray(values).save(file, form, **options)
    return file.getvalue()


def several(form, **options):
    others = [Image.fromarray(values) for values in FRAMES[1:]]
    return saved(form, save_all=True, append_images=others, duration=TIMES, loop=0, **options)


def with_chunk(png, name, data):
    return png[:33] + chunk(name, data) + png[33:]


def text():
    found = PngImagePlugin.PngInfo()
    found.add_text("Comment", COMMENT)
    found.add_itxt("XML:com.adobe.xmp", XMP.decode())
    found.add_text("Raw profile type iptc", f"\niptc\n{len(IPTC):8}\n{IPTC.hex()}\n", zip=True)
    return found


def png_files():
    yield (
        "pixels alpha EXIF XMP IPTC ICC text dpi",
        saved("PNG", exif=EXIF[6:], pnginfo=text(), icc_profile=ICC, dpi=(DPI, DPI)),
    )
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 6, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in SHADES))
    deep = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    yield "depth", deep
    yield "CICP", with_chunk(saved("PNG"), b"cICP", bytes([12, 13, 0, 1]))


def apng_files():
    content = several("PNG", pnginfo=text(), icc_profile=ICC, dpi=(DPI, DPI), exif=EXIF[6:])
    yield "pixels alpha frames times EXIF XMP IPTC ICC text dpi", content
    yield "CICP", with_chunk(several("PNG"), b"cICP", bytes([12, 13, 0, 1]))


def jpeg_files():
    resource = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC + b"\0" * (len(IPTC) % 2)
    extra = b"\xff\xed" + struct.pack(">H", 2 + len(resource)) + resource
    options = {"exif": EXIF, "xmp": XMP, "icc_profile": ICC, "dpi": (DPI, DPI), "comment": COMMENT, "extra": extra}
    yield "pixels EXIF XMP IPTC ICC text dpi", saved("JPEG", RGBA[..., :3], **options)
    import imagecodecs

    yield "depth", imagecodecs.jpeg8_encode(SHADES[..., :3] >> 4, level=100, bitspersample=12)


def mpo_files():
    others = [Image.fromarray(FRAMES[1][..., :3])]
    yield "pixels pages", saved("MPO", RGBA[..., :3], save_all=True, append_images=others)


def gif_files():
    yield "pixels alpha frames times", several("GIF", disposal=2)
    name = b"XMP DataXMP"
    magic = bytes([1, *range(255, -1, -1), 0])
    still = saved("GIF", comment=COMMENT)
    yield "XMP text", still[:-1] + b"\x21\xff\x0b" + name + XMP + magic + b";"
    block = b"\x21\xff\x0bICCRGBG1012" + b"".join(
        bytes([len(ICC[at : at + 255])]) + ICC[at : at + 255] for at in range(0, len(ICC), 255)
    )
    yield "ICC", still[:-1] + block + b"\0;"


def tiff_files(**layout):
    import tifffile

    def written(pages, **options):
        file = io.BytesIO()
        with tifffile.TiffWriter(file) as writer:
            for page in pages:
                planes = np.moveaxis(page, -1, 0) if layout.get("planarconfig") == "separate" else page
                options |= {"photometric": "rgb", "extrasamples": ["unassalpha"], "metadata": None}
                writer.write(np.ascontiguousarray(planes), **options, **layout)
        return file.getvalue()

    tags = [(271, 2, 8, MAKER.encode() + b"\0", True), (700, 1, len(XMP), XMP, True), (33723, 7, len(IPTC), IPTC, True)]
    options = {"extratags": tags, "iccprofile": ICC, "resolution": (DPI, DPI), "resolutionunit": 2}
    content = written([RGBA], **options, description=COMMENT)
    yield "pixels alpha EXIF XMP IPTC ICC text dpi", content
    yield "depth", written([SHADES])
    yield "pages", written(FRAMES)


def webp_files():
    options = {"lossless": True, "exact": True, "exif": EXIF, "xmp": XMP, "icc_profile": ICC}
    yield "pixels alpha EXIF XMP ICC dpi", saved("WEBP", **options)


def animated_webp_files():
    options = {"lossless": True, "exact": True, "exif": EXIF, "xmp": XMP, "icc_profile": ICC}
    yield "pixels alpha frames times EXIF XMP ICC dpi", several("WEBP", **options)


def avif_files():
    import imagecodecs

    options = {"exif": EXIF, "xmp": XMP, "icc_profile": ICC, "quality": 100, "subsampling": "4:4:4"}
    yield "pixels alpha EXIF XMP ICC dpi", saved("AVIF", **options)
    yield "depth", imagecodecs.avif_encode(SHADES >> 6, level=100, bitspersample=10, pixelformat="444")
    colors = {"primaries": 12, "transfer": 13, "matrix": 1}
    yield "CICP", imagecodecs.avif_encode(RGBA, level=100, pixelformat="444", **colors)


def avif_sequence_files():
    import imagecodecs

    options = {"exif": EXIF, "xmp": XMP, "icc_profile": ICC, "quality": 100, "subsampling": "4:4:4"}
    yield "pixels alpha frames times EXIF XMP ICC dpi", several("AVIF", **options)
    deep = np.stack([values.astype("uint16") * 4 for values in FRAMES])
    yield "depth", imagecodecs.avif_encode(deep, level=100, bitspersample=10, pixelformat="444")


def heic_files():
    import pillow_heif

    pillow_heif.register_heif_opener()
    options = {"exif": EXIF, "xmp": XMP, "icc_profile": ICC, "quality": -1, "chroma": 444}
    yield "pixels alpha EXIF XMP ICC dpi", saved("HEIF", **options)
    file = io.BytesIO()
    pillow_heif.from_bytes(mode="RGBA;16", size=(WIDTH, HEIGHT), data=SHADES.tobytes()).save(file, quality=-1)
    yield "depth", file.getvalue()
    yield "pages", saved("HEIF", save_all=True, append_images=[Image.fromarray(FRAMES[1])], quality=-1)
    colors = {"save_nclx_profile": True, "color_primaries": 12, "transfer_characteristics": 13}
    yield "CICP", saved("HEIF", quality=-1, chroma=444, **colors)


def jxl_files():
    import imagecodecs
    import pillow_jxl  # noqa: F401

    yield "pixels alpha EXIF XMP ICC dpi", saved("JXL", lossless=True, exif=EXIF, xmp=XMP)
    yield "depth", imagecodecs.jpegxl_encode(SHADES, lossless=True)
    yield "frames", imagecodecs.jpegxl_encode(np.stack([values[..., :3] for values in FRAMES]), lossless=True)


def bmp_files():
    plain = saved("BMP", RGBA[..., :3], dpi=(DPI, DPI))
    yield "pixels dpi", plain
    at = 14 + 124
    head = struct.pack("<2sIHHI", b"BM", at + 3 * WIDTH * HEIGHT + len(SWAPPED), 0, 0, at)
    info = struct.pack("<IiiHHIIiiII", 124, WIDTH, HEIGHT, 1, 24, 0, 3 * WIDTH * HEIGHT, 11811, 11811, 0, 0)
    end = struct.pack("<IIII", 4, 124 + 3 * WIDTH * HEIGHT, len(SWAPPED), 0)
    yield "ICC", head + (info + bytes(16) + b"DEBM" + bytes(48) + end) + plain[54:] + SWAPPED


def netpbm_files():
    yield "pixels", saved("PPM", RGBA[..., :3])


def targa_files():
    yield "pixels alpha", saved("TGA")


ROWS = {
    "PNG": (".png", png_files),
    "APNG": (".png", apng_files),
    "JPEG": (".jpg", jpeg_files),
    "JPEG, several images (MPO)": (".jpg", mpo_files),
    "GIF": (".gif", gif_files),
    "TIFF": (".tif", tiff_files),
    "TIFF, planar": (".tif", lambda: tiff_files(planarconfig="separate")),
    "TIFF, tiled": (".tif", lambda: tiff_files(tile=(16, 16))),
    "WebP": (".webp", webp_files),
    "WebP, animated": (".webp", animated_webp_files),
    "AVIF": (".avif", avif_files),
    "AVIF sequence": (".avif", avif_sequence_files),
    "HEIC": (".heic", heic_files),
    "JPEG XL": (".jxl", jxl_files),
    "BMP": (".bmp", bmp_files),
    "PPM": (".ppm", netpbm_files),
    "TGA": (".tga", targa_files),
}
SAID = {  # what names a loss
    "depth": "bits per channel|values",
    "frames": "frames",
    "times": "frames",
    "pages": "other images|pages",
    "ICC": "color profile",
    "CICP": "colors",
    "dpi": "resolution",
    "text": "text|comment",
}


def is_kept(column, source, target):
    """Whether the file `target` still has a property of `source`."""
    with Image.open(target) as image:
        info, count = dict(image.info), getattr(image, "n_frames", 1)
        if column == "pixels":
            return _is_near(_frame(source), np.asarray(image.convert("RGBA")), target)
        if column == "alpha":
            return bool((np.asarray(image.convert("RGBA"))[..., 3] == RGBA[..., 3]).all())
        if column == "frames":
            return count == len(FRAMES) and _frames_differ(image)
        if column == "times":
            return _times(image) == TIMES
        if column == "pages":
            return count == len(FRAMES)
        exif = image.getexif()
    content = target.read_bytes()
    if column == "depth":
        return content[24] == 16 if target.suffix == ".png" else bool(_tiff_bits(target) == 16)
    if column == "EXIF":
        return MAKER.encode() in content or MAKER.encode() in info.get("exif", b"")
    if column == "XMP":
        return b"a-packet-of-xmp" in content
    if column == "IPTC":
        return IPTC in content or IPTC.hex() in str(info.get("Raw profile type iptc", "")).replace("\n", "")
    if column == "ICC":
        return info.get("icc_profile") is not None
    if column == "CICP":
        return b"cICP\x0c\x0d" in content
    if column == "text":
        return COMMENT.encode() in content
    dpi = info.get("dpi") or (exif.get(282), exif.get(283))
    return dpi[0] is not None and abs(float(dpi[0]) - DPI) < 1


def _frame(source):
    with Image.open(source) as image:
        return np.asarray(image.convert("RGBA"))


def _is_near(expected, values, target):
    shown = expected[..., 3] > 0
    difference = np.abs(expected[shown].astype(int) - values[shown])[:, :3]
    return bool(difference.mean() < 3 if target.suffix == ".avif" else difference.max() == 0)


def _is_swapped(source, target):
    """Whether the colors of `SWAPPED` were converted to sRGB."""
    with Image.open(target) as image:
        values = np.asarray(image.convert("RGB")).astype(int)
    return bool(np.abs(_frame(source)[..., [1, 0, 2]] - values).max() <= 2)


def _frames_differ(image):
    first = np.asarray(image.convert("RGB")).copy()
    image.seek(1)
    return bool((np.asarray(image.convert("RGB")) != first).any())


def _times(image):
    times = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        image.load()
        times.append(round(image.info.get("duration", 0)))
    return times


def _tiff_bits(target):
    if target.suffix != ".tif":
        return 8
    import tifffile

    with tifffile.TiffFile(target) as file:
        return file.pages.first.bitspersample


def measured(row, folder, upscale):
    """Returns {column: state} of a row; `upscale(source)` returns (result, lines) or raises."""
    suffix, files = ROWS[row]
    states = {}
    for number, (columns, content) in enumerate(files()):
        source = Path(folder) / f"{number}{suffix}"
        source.write_bytes(content)
        try:
            target, lines = upscale(source)
        except Exception:  # whatever it is: older releases raise KeyError, for example
            states |= dict.fromkeys(columns.split(), "refused")
            continue
        for column in columns.split():
            if is_kept(column, source, target):
                states[column] = "kept"
            elif column == "ICC" and _is_swapped(source, target):
                states[column] = "converted"
            elif any(re.search(SAID.get(column, column), line) for line in lines):
                states[column] = "named"
            else:
                states[column] = "lost"
    return states
