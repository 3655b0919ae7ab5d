"""EXIF, XMP, IPTC, profiles, text and color descriptions travel as bytes, and broken ones don't cost the image."""

import hashlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.images.test_composition import chunk
from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.images import color, exif

RNG = np.random.default_rng(0)
RGB = np.kron(RNG.integers(0, 256, (6, 8, 3)), np.ones((4, 4, 1))).astype("uint8")  # 24 x 32
XMP = b'<x:xmpmeta tiff:Orientation="6" exif:PixelXDimension="4000"><dc:creator>Bj\xc3\xb6rn</dc:creator></x:xmpmeta>'
IPTC = b"\x1c\x02\x78\0\x06Caf\xc3\xa9!"
P3 = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)


def png(*chunks, after=(), values=RGB, header=(8, 2, 0, 0, 0), rows=None, end=True):
    """A PNG of `values`, with chunks before and after the pixels."""
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in values[:rows]))
    parts = [(b"IHDR", struct.pack(">IIBBBBB", values.shape[1], values.shape[0], *header)), *chunks, (b"IDAT", pixels)]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in [*parts, *after])
    return content + (chunk(b"IEND", b"") if end else b"")


def maker_exif():
    """EXIF with letters beyond ASCII and a private note in which nothing may move."""
    note = b"MAKER\0" + bytes(range(200))
    tags = {
        0x010F: (2, 8, b"K\xc3\xb6nig!\0"),
        0x8298: (2, 9, "Jürgen".encode() + b"\0\0"),
        exif.ORIENTATION: (3, 1, b"\6\0"),
        exif.EXIF_IFD: {0x927C: (7, len(note), note), 0xA002: (3, 1, b"\x20\0"), 0xA003: (4, 1, b"\x18\0\0\0")},
        exif.GPS_IFD: {1: (2, 2, b"N\0"), 2: (5, 3, struct.pack("<6I", 59, 1, 57, 1, 1, 2))},
    }
    return exif.PREFIX + exif.encode(tags, header=True), note


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".avif"])
def test_exif_travels_as_bytes(tmp_path, suffix):
    block, note = maker_exif()
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=block)
    picture = images.read_picture(tmp_path / "a.jpg")
    assert picture.rgb.shape == (32, 24, 3)  # turned
    images.write(tmp_path / f"b{suffix}", picture)
    content = (tmp_path / f"b{suffix}").read_bytes()
    assert "Jürgen".encode() in content and b"K\xc3\xb6nig!" in content and note in content
    tags = exif.open_block(images.read_picture(tmp_path / f"b{suffix}").metadata["exif"]).tags()
    assert tags[exif.EXIF_IFD][0xA002] == (4, 1, b"\x18\0\0\0") and tags[exif.EXIF_IFD][0xA003][2] == b"\x20\0\0\0"
    assert exif.ORIENTATION not in tags and tags[exif.GPS_IFD][2] == (5, 3, struct.pack("<6I", 59, 1, 57, 1, 1, 2))
    original = exif.open_block(block)
    if suffix != ".tif":  # where a private note is, its offsets point to
        written = content[content.index(b"II*\0") :]
        assert written.index(note) == bytes(original.data).index(note)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".avif"])
def test_xmp_travels_as_bytes_with_the_new_size(tmp_path, suffix):
    images.write(tmp_path / f"a{suffix}", images.Picture(RGB, metadata={"xmp": XMP}))
    expected = XMP.replace(b'="6"', b'="1"').replace(b'"4000"', b'"32"')
    assert images.read_picture(tmp_path / f"a{suffix}").metadata == {"xmp": expected}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_iptc_travels_as_bytes(tmp_path, suffix):
    images.write(tmp_path / f"a{suffix}", images.Picture(RGB, metadata={"iptc": IPTC}))
    assert images.read_picture(tmp_path / f"a{suffix}").metadata == {"iptc": IPTC}


def test_png_text_is_kept_and_formats_without_it_are_told(tmp_path):
    texts = [
        (b"tEXt", b"parameters\0a cat, Steps: 20"),
        (b"zTXt", b"workflow\0\0" + zlib.compress(b"{}" * 2_000_000)),
        (b"iTXt", b"Title\0\0\0de\0Titel\0" + "Größe".encode()),
    ]
    (tmp_path / "a.png").write_bytes(png(*texts[:2], after=texts[2:]))
    picture = images.read_picture(tmp_path / "a.png")
    assert picture.metadata["text"] == tuple(texts) and not picture.notes
    images.write(tmp_path / "b.png", picture)
    assert images.read_picture(tmp_path / "b.png").metadata["text"] == tuple(texts)
    assert images.losses(picture.metadata, images.FORMATS[".png"], 24, 32) == []
    assert images.losses(picture.metadata, images.FORMATS[".webp"], 24, 32) == ["text"]


def test_large_profiles_and_texts_are_kept(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + RNG.bytes(1_500_000)
    xmp = b"A" * 2_000_000
    chunks = (
        (b"iCCP", b"x\0\0" + zlib.compress(profile)),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp)),
    )
    (tmp_path / "a.png").write_bytes(png(*chunks))
    picture = images.read_picture(tmp_path / "a.png")
    assert picture.metadata == {"icc_profile": profile, "xmp": xmp}
    images.write(tmp_path / "b.png", picture)
    assert images.read_picture(tmp_path / "b.png").metadata == picture.metadata


def test_decompression_bombs_cost_the_text_and_not_the_image_or_the_memory(tmp_path):
    bomb = zlib.compressobj(9)
    data = b"".join(bomb.compress(bytes(2**20)) for _ in range(80)) + bomb.flush()
    (tmp_path / "a.png").write_bytes(png((b"iCCP", b"x\0\0" + data)))
    picture = images.read_picture(tmp_path / "a.png")
    assert picture.metadata == {} and "color profile" in picture.notes[0]
    np.testing.assert_array_equal(picture.rgb, RGB)


def test_broken_chunks_do_not_cost_the_image_and_are_told(tmp_path):
    content = bytearray(png((b"tEXt", b"Comment\0hello")))
    content[content.index(b"hello") + 6] ^= 255
    (tmp_path / "a.png").write_bytes(content)
    picture = images.read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.rgb, RGB)
    assert picture.notes == ("its tEXt chunk is broken and was left out",)
    (tmp_path / "b.png").write_bytes(png(end=False))
    np.testing.assert_array_equal(images.read(tmp_path / "b.png"), RGB)
    content = bytearray(png())
    content[-13] ^= 255  # in the checksum of the pixels, which are sound
    (tmp_path / "c.png").write_bytes(content)
    np.testing.assert_array_equal(images.read(tmp_path / "c.png"), RGB)


def test_missing_rows_of_a_png_are_named(tmp_path):
    (tmp_path / "a.png").write_bytes(png(rows=10))
    with pytest.raises(InputError, match=r"a\.png.*truncated: 10 of 24 rows"):
        images.read(tmp_path / "a.png")


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_is_truncated_only_if_pixels_are_missing(tmp_path, progressive):
    Image.fromarray(RGB).save(tmp_path / "a.jpg", quality=95, progressive=progressive)
    whole, path = (tmp_path / "a.jpg").read_bytes(), tmp_path / "b.jpg"
    expected = images.read(tmp_path / "a.jpg")
    for missing_end in (whole[:-1], whole[:-2]):
        path.write_bytes(missing_end)
        np.testing.assert_array_equal(images.read(path), expected)
    for cut in (40, len(whole) // 3):
        for end in (b"", b"\xff\xd9"):
            path.write_bytes(whole[:-cut] + end)
            with pytest.raises(InputError, match=r"b\.jpg.*truncated"):
                images.read(path)


@pytest.mark.parametrize(
    "kind, value", [(5, struct.pack("<II", 6, 1)), (12, struct.pack("<d", 6)), (5, bytes(8)), (12, b"\xff" * 8)]
)
def test_an_orientation_of_an_odd_type_does_not_cost_the_image(tmp_path, kind, value):
    block = b"II*\0\x08\0\0\0" + struct.pack("<HHHI", 1, exif.ORIENTATION, kind, 1) + struct.pack("<II", 26, 0) + value
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=exif.PREFIX + block)
    turned = value[:1] == b"\6" or (kind == 12 and value[0] == 0)
    assert images.size(tmp_path / "a.jpg") == ((32, 24) if turned else (24, 32))
    assert images.read(tmp_path / "a.jpg").shape[:2] == images.size(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".bmp", ".avif"])
def test_an_impossible_resolution_is_dropped_and_none_is_invented(tmp_path, suffix):
    tags = Image.Exif()
    tags[282], tags[283], tags[296] = 4294967295.0, 4294967295.0, 2
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=tags)
    (tmp_path / "b.png").write_bytes(png((b"pHYs", struct.pack(">IIB", 2**32 - 1, 2**32 - 1, 1))))
    camera = Image.Exif()
    camera[0x010F] = "a camera"
    Image.fromarray(RGB).save(tmp_path / "c.jpg", exif=camera)
    for name in ("a.jpg", "b.png", "c.jpg"):
        picture = images.read_picture(tmp_path / name)
        assert "dpi" not in picture.metadata
        images.write(tmp_path / f"d{suffix}", picture)
        assert "dpi" not in images.read_picture(tmp_path / f"d{suffix}").metadata


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".bmp"])
def test_any_possible_resolution_is_written(tmp_path, suffix):
    for dpi in (0.01, 72.5, 1e6, 6.4e7):
        images.write(tmp_path / f"a{suffix}", images.Picture(RGB, metadata={"dpi": (dpi, dpi)}))
        images.read_picture(tmp_path / f"a{suffix}")


DESCRIPTIONS = [
    {"gama": 100_000},
    {"gama": 45_455, "chrm": P3},
    {"cicp": (12, 13)},
    {"cicp": (9, 1)},
]


@pytest.mark.parametrize("metadata", [*DESCRIPTIONS, {"cicp": (9, 16)}], ids=str)
def test_color_descriptions_of_a_png_are_kept(tmp_path, metadata):
    images.write(tmp_path / "a.png", images.Picture(RGB, metadata=metadata))
    assert images.read_picture(tmp_path / "a.png").metadata == metadata


@pytest.mark.parametrize("metadata", DESCRIPTIONS, ids=str)
@pytest.mark.parametrize("gray", [False, True])
def test_color_descriptions_become_profiles_or_srgb_elsewhere(tmp_path, metadata, gray):
    picture = images.Picture(RGB[..., :1].repeat(3, axis=-1) if gray else RGB, gray=gray, metadata=metadata)
    for suffix in (".tif", ".jpg", ".webp", ".avif"):
        images.write(tmp_path / f"a{suffix}", picture)
        profile = images.read_picture(tmp_path / f"a{suffix}").metadata["icc_profile"]
        assert ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.version >= 4
        assert profile[16:20] == (b"GRAY" if gray and suffix != ".webp" else b"RGB ")
    images.write(tmp_path / "a.bmp", images.Picture(RGB, metadata=metadata))
    assert np.abs(images.read(tmp_path / "a.bmp").astype(int) - RGB).max() > 3


def test_a_made_profile_converts_as_the_formulas_do():
    """Display P3's red lies outside sRGB; (200, 100, 50) doesn't, and linear light follows sRGB's curve."""

    def converted(metadata, pixel):
        source = ImageCms.ImageCmsProfile(io.BytesIO(color.profile(metadata)))
        image = Image.new("RGB", (1, 1), pixel)
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), renderingIntent=1).getpixel(
            (0, 0)
        )

    linear = np.array([200, 100, 50]) / 255
    linear = np.where(linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4)
    p3_to_srgb = np.array([[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]])
    expected = 255 * (1.055 * (p3_to_srgb @ linear) ** (1 / 2.4) - 0.055)
    for metadata in ({"cicp": (12, 13)}, {"gama": 45_455, "chrm": P3}):
        np.testing.assert_allclose(converted(metadata, (200, 100, 50)), expected, atol=1.5)
    assert converted({"gama": 100_000}, (55, 55, 55)) == pytest.approx((128, 128, 128), abs=1)


def test_hdr_colors_are_named_where_they_cannot_be_kept():
    for form, lost in ((".png", []), (".tif", ["PQ colors"]), (".gif", ["PQ colors"])):
        assert images.losses({"cicp": (9, 16)}, images.FORMATS[form], 24, 32) == lost
    assert images.losses({"cicp": (12, 13)}, images.FORMATS[".tif"], 24, 32) == []


def test_cicp_of_an_avif_is_read(tmp_path):
    imagecodecs = pytest.importorskip("imagecodecs")
    options = {"level": 100, "pixelformat": "444", "matrix": 1}
    for primaries, transfer, kept in ((12, 13, {"cicp": (12, 13)}), (9, 16, {"cicp": (9, 16)}), (1, 13, {})):
        content = imagecodecs.avif_encode(RGB, primaries=primaries, transfer=transfer, **options)
        (tmp_path / "a.avif").write_bytes(content)
        assert images.read_picture(tmp_path / "a.avif").metadata == kept


def test_xmp_and_comments_of_a_gif_are_kept(tmp_path):
    picture = images.Picture(RGB, metadata={"xmp": b"<x>\x01abc</x>" + bytes(range(1, 256)), "comment": b"by hand"})
    images.write(tmp_path / "a.gif", picture)
    images.write_animation(tmp_path / "b.gif", [(picture, 50), (picture, 60)])
    for name, count in (("a.gif", 1), ("b.gif", 2)):
        assert images.read_picture(tmp_path / name).metadata == picture.metadata
        with Image.open(tmp_path / name) as image:  # other readers skip what they don't know
            assert getattr(image, "n_frames", 1) == count


def test_what_reading_leaves_out_is_named(tmp_path):
    first = Image.fromarray(RGB)
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[first])
    assert images.read_picture(tmp_path / "a.jpg").notes == ("its 1 other images were left out",)
    extension = b"http://ns.adobe.com/xmp/extension/\0" + bytes(60)
    first.save(tmp_path / "b.jpg", extra=b"\xff\xe1" + struct.pack(">H", 2 + len(extension)) + extension)
    assert images.read_picture(tmp_path / "b.jpg").notes == ("the extension of its XMP was left out",)
    first.save(tmp_path / "c.jpg")
    first.save(tmp_path / "c.png")
    first.save(tmp_path / "c.gif")
    first.save(tmp_path / "c.webp", lossless=True)
    for path in sorted(tmp_path.glob("c.*")):
        whole = path.read_bytes()
        path.write_bytes(whole + bytes(10))  # padding
        assert images.read_picture(path).notes == ()
        path.write_bytes(whole + bytes(4) + b"ftypmp42" + bytes(988))
        assert images.read_picture(path).notes == ("the 1,000 bytes after its end, a video, were left out",)
    (tmp_path / "d.png").write_bytes(png((b"caBX", b"credentials"), (b"tIME", bytes(7))))
    assert images.read_picture(tmp_path / "d.png").notes == ("its caBX chunks were left out",)


def long_xmp(extra=b""):
    names = b"".join(b'<rdf:Description rdf:about="" a:n%d="%s"/>' % (i, b"x" * 1000) for i in range(200))
    rdf = b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"%s>%s</rdf:RDF>' % (extra, names)
    return b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + rdf + b"</x:xmpmeta>"


def test_xmp_longer_than_a_segment_is_written_to_jpeg_and_read_again(tmp_path):
    images.write(tmp_path / "a.jpg", images.Picture(RGB, metadata={"xmp": long_xmp()}))
    assert images.losses({"xmp": long_xmp()}, images.FORMATS[".jpg"], 24, 32) == []
    picture = images.read_picture(tmp_path / "a.jpg")
    assert picture.metadata == {"xmp": long_xmp()} and picture.notes == ()
    with Image.open(tmp_path / "a.jpg") as image:  # the standard packet names the extension by its MD5
        name = hashlib.md5(long_xmp()).hexdigest().upper().encode()
        assert b'xmpNote:HasExtendedXMP="%s"' % name in image.info["xmp"]


@pytest.mark.parametrize("extra, kept", [(b"", True), (b' xmlns:a="http://a"', False)])
def test_the_extension_of_another_programs_xmp_is_joined_or_named(tmp_path, extra, kept):
    images.write(tmp_path / "a.jpg", images.Picture(RGB, metadata={"xmp": long_xmp(extra)}))
    content = (tmp_path / "a.jpg").read_bytes().replace(b'rdf:about="" xmlns:xmpNote', b'rdf:about=""  xmlns:xmpNote')
    at = content.index(b"http://ns.adobe.com/xap") - 2  # the length of the packet's segment
    content = content[:at] + struct.pack(">H", struct.unpack_from(">H", content, at)[0] + 1) + content[at + 2 :]
    (tmp_path / "b.jpg").write_bytes(content)
    picture = images.read_picture(tmp_path / "b.jpg")
    assert (b"a:n199=" in picture.metadata["xmp"]) == kept and (b"HasExtended" in picture.metadata["xmp"]) != kept
    assert picture.notes == (() if kept else ("the extension of its XMP was left out",))


def test_directories_that_lead_in_circles_and_endless_values_cost_nothing():
    circle = struct.pack("<HHHIII", 1, exif.EXIF_IFD, 4, 1, 8, 0)
    block = exif.open_block(b"II*\0\x08\0\0\0" + circle)
    assert block.tags() == {} and exif.cleaned(bytes(block.data)) is not None
    values = bytes(2**20)
    entries = b"".join(struct.pack("<HHII", 50_000 + i, 7, len(values), 4000) for i in range(200))
    block = exif.open_block(b"II*\0\x08\0\0\0" + (struct.pack("<H", 200) + entries).ljust(3992, b"\0") + values)
    assert len(block.tags()) == 64  # MiB
