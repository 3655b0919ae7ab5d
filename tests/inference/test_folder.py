import struct

import numpy as np
import pytest
from PIL import Image

from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.inference.folder import find, plan, suffix_of

RGB = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype="uint8")


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def doubled(height, width):
    return 2 * height, 2 * width


def planned(indir, outdir, form=None, journal=()):
    pairs = plan(find(indir, outdir), indir, outdir, doubled, suffix_of(form), journal)
    return {str(source.relative_to(indir)): str(target.relative_to(outdir)) for source, target in pairs}


def test_names_keep_structure_and_lossless_suffixes(tmp_path):
    touch(tmp_path / "in", "a.png", "b.JPG", "sub/c.TIF", "sub/d.webp", "e.f.jpeg")
    assert planned(tmp_path / "in", tmp_path / "out") == {
        "a.png": "a-sr.png",
        "b.JPG": "b-sr.png",
        "e.f.jpeg": "e.f-sr.png",
        "sub/c.TIF": "sub/c-sr.tif",
        "sub/d.webp": "sub/d-sr.webp",
    }


def test_animations_keep_their_format_unless_another_is_requested(tmp_path):
    images.write(tmp_path / "still.gif", RGB)
    images.write_animation(tmp_path / "moves.gif", [(images.Picture(RGB), 100), (images.Picture(RGB[::-1]), 50)])
    assert planned(tmp_path, tmp_path / "out") == {"moves.gif": "moves-sr.gif", "still.gif": "still-sr.png"}
    assert planned(tmp_path, tmp_path / "out", "WEBP") == {"moves.gif": "moves-sr.webp", "still.gif": "still-sr.webp"}


def test_a_wrong_or_missing_suffix_is_replaced_by_that_of_the_content(tmp_path):
    images.write_animation(tmp_path / "moves.gif", [(images.Picture(RGB), 100), (images.Picture(RGB[::-1]), 50)])
    (tmp_path / "moves.gif").rename(tmp_path / "moves.jpg")
    for name, form in (("a.jfif", "JPEG"), ("b", "WEBP"), ("c.jpg", "TIFF")):
        Image.fromarray(RGB).save(tmp_path / name, form)
    (tmp_path / "d.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    assert planned(tmp_path, tmp_path / "out") == {
        "a.jfif": "a-sr.png",
        "b": "b-sr.webp",
        "c.jpg": "c-sr.tif",
        "d.heic": "d-sr.png",
        "moves.jpg": "moves-sr.gif",
    }


def test_no_two_images_share_a_name(tmp_path):
    touch(tmp_path, "a.jpg", "a.png", "a.jpeg", "A.Jpg", "a-jpg.png")
    targets = [target.lower() for target in planned(tmp_path, tmp_path / "out").values()]
    assert len(set(targets)) == 5
    assert planned(tmp_path, tmp_path / "out")["a.png"] == "a-sr.png"


def test_no_image_is_written_to_whatever_its_name(tmp_path):
    touch(tmp_path, "flag.png", "flag-sr.png", "flag-png-sr.png")
    assert planned(tmp_path, tmp_path) == {
        "flag.png": "flag-png-2-sr.png",
        "flag-sr.png": "flag-sr-sr.png",
        "flag-png-sr.png": "flag-png-sr-sr.png",
    }
    assert planned(tmp_path, tmp_path / "out")["flag.png"] == "flag-sr.png"


def test_an_image_that_is_a_link_into_the_output_folder_is_not_written_to(tmp_path):
    touch(tmp_path, "out/a-sr.png", "in/a.png")
    (tmp_path / "in" / "b.png").symlink_to(tmp_path / "out" / "a-sr.png")
    assert planned(tmp_path / "in", tmp_path / "out") == {"a.png": "a-png-sr.png", "b.png": "b-sr.png"}


def test_results_that_the_journal_knows_are_not_upscaled_again(tmp_path):
    touch(tmp_path, "a.png", "a-sr.png", "b-sr.png", "sub/a-sr.png")
    assert planned(tmp_path, tmp_path, journal={"a-sr.png"}) == {
        "a.png": "a-sr.png",
        "b-sr.png": "b-sr-sr.png",
        "sub/a-sr.png": "sub/a-sr-sr.png",
    }
    assert planned(tmp_path, tmp_path / "out", journal={"a-sr.png"})["a-sr.png"] == "a-sr-sr.png"
    assert planned(tmp_path, tmp_path, "webp", {"a-sr.png"}) == {
        "a.png": "a-sr.webp",
        "b-sr.png": "b-sr-sr.webp",
        "sub/a-sr.png": "sub/a-sr-sr.webp",
    }


def clear_bmp(path):
    """A BMP of 2 x 3 pixels with alpha, which Pillow reads but doesn't write."""
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, 3, 2, 1, 32, 3, 24, 2835, 2835, 0, 0) + masks + bytes(52)
    path.write_bytes(b"BM" + struct.pack("<IHHI", 14 + 108 + 24, 0, 0, 14 + 108) + header + bytes(range(24)))


def test_an_image_becomes_png_if_its_own_format_cannot_hold_the_result(tmp_path):
    clear_bmp(tmp_path / "clear.bmp")
    assert images.read_picture(tmp_path / "clear.bmp").alpha.shape == (2, 3)
    Image.fromarray(RGB).save(tmp_path / "plain.bmp")
    Image.fromarray(RGB[:1].repeat(700, axis=1)).save(tmp_path / "long.webp")  # 8400 pixels
    moving = [Image.fromarray(row) for row in RGB[:2, None].repeat(700, axis=2)]
    moving[0].save(tmp_path / "moves.webp", save_all=True, append_images=moving[1:], lossless=True)
    assert planned(tmp_path, tmp_path / "out") == {
        "clear.bmp": "clear-sr.png",
        "plain.bmp": "plain-sr.bmp",
        "long.webp": "long-sr.png",
        "moves.webp": "moves-sr.png",
    }
    assert (
        planned(tmp_path, tmp_path / "out", "webp")["long.webp"] == "long-sr.webp"
    )  # a requested format isn't changed


def test_names_that_get_too_long_are_cut(tmp_path):
    stems = ["a" * 250, "a" * 250 + "b", "ä" * 124 + "b"]  # two bytes each
    touch(tmp_path, *(f"{stem}.png" for stem in stems))
    targets = list(planned(tmp_path, tmp_path / "out").values())
    assert len(set(targets)) == 3 and all(len(target.encode()) <= 255 for target in targets)
    assert "a" * 248 + "-sr.png" in targets and "ä" * 124 + "-sr.png" in targets


def test_an_output_folder_that_is_a_file_is_refused_first(tmp_path):
    touch(tmp_path, "a.png")
    with pytest.raises(InputError, match="is a file"):
        find(tmp_path / "nowhere", tmp_path / "a.png")


def test_an_unknown_format_is_refused_with_those_that_there_are():
    with pytest.raises(InputError, match=r"Unknown format 'jpgg'. Did you mean 'jpg'.*Formats: png, "):
        suffix_of("jpgg")
    assert suffix_of("WebP") == ".webp" and suffix_of(None) is None
