"""Broken files of every format give a readable error or an image of the right size, and nothing else."""

import contextlib
import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.conftest import REPOSITORY
from tests.images.test_composition import apng, gif, random_frames
from wdsr_tf import images
from wdsr_tf.errors import InputError

COUNT = 1000
PIXELS = 1_000_000  # larger sizes in broken headers are rejected, which keeps the test fast


def valid_files(folder):
    """Small files of every supported format and mode, as (suffix, bytes)."""
    random = np.random.default_rng(0)
    shades = np.kron(random.integers(0, 256, (3, 4, 4)), np.ones((5, 4, 1))).astype("uint8")  # 15 x 16
    exif = Image.Exif()
    exif[images.ORIENTATION], exif[0x010F] = 6, "a camera"
    for picture in _pictures(shades, {"dpi": (72.0, 72.0), "exif": exif.tobytes(), "icc_profile": bytes(128)}):
        for suffix, form in images.FORMATS.items():
            if suffix in (".jpeg", ".tiff", ".apng") or (picture.alpha is not None and not form.alpha):
                continue
            if str(picture.rgb.dtype) in form.depths:
                images.write(folder / f"a{suffix}", picture)
                yield suffix, (folder / f"a{suffix}").read_bytes()
    frames = [(images.Picture(shades[::step, :, :3][:4]), 50) for step in (1, -1)]
    for suffix in (".gif", ".webp", ".png", ".avif"):
        images.write_animation(folder / f"a{suffix}", frames)
        yield suffix, (folder / f"a{suffix}").read_bytes()
    yield from _odd_files(folder, shades)
    for suffix, mode, options in (
        (".tif", "RGB", {"exif": exif}),
        (".webp", "RGB", {"exif": exif}),
        (".png", "RGB", {"exif": exif}),
        (".tif", "CMYK", {}),
        (".tif", "LAB", {}),
        (".tif", "1", {"compression": "group4"}),
        (".tif", "RGB", {"compression": "tiff_lzw"}),
        (".tif", "RGB", {"compression": "jpeg"}),
        (".jpg", "CMYK", {}),
        (".jpg", "RGB", {"progressive": True, "exif": exif}),
        (".png", "P", {"transparency": 3}),
        (".png", "1", {}),
        (".bmp", "1", {}),
    ):
        file = io.BytesIO()
        image = Image.fromarray(shades[..., 0] if mode in ("LAB", "1") else shades[..., :3])
        image = Image.merge("LAB", [image] * 3) if mode == "LAB" else image.convert(mode)
        image.save(file, Image.registered_extensions()[suffix], **options)
        yield suffix, file.getvalue()


def _odd_files(folder, shades):
    """Animations that change parts of the image, pages, layouts that Pillow can't read, HEIC, and JPEG XL."""
    random = np.random.default_rng(1)
    for channels, kind in ((1, 0), (3, 2), (4, 6)):
        yield ".png", apng(list(random_frames(random, channels)), kind)
    indices = [(*part[:3], part[3], 2) for part in random_frames(random, 1)]
    yield ".gif", gif(indices, random.integers(0, 256, (256, 3)).tolist())
    with images.open_pages(folder / "a.tif", 2, 1000) as open_page:
        for rows in (shades[..., :3], shades[:7, :, :3]):
            with open_page(*rows.shape[:2], images.Picture(rows[:0])) as writer:
                writer.append(rows)
    yield ".tif", (folder / "a.tif").read_bytes()
    with contextlib.suppress(ImportError):
        import imagecodecs  # noqa: F401
        import tifffile

        for planes, options in ((shades[..., :2], {"extrasamples": ["unassalpha"]}), (shades[..., :3], {})):
            photometric = "rgb" if planes.shape[2] == 3 else "minisblack"
            stored = np.ascontiguousarray(np.moveaxis(planes, -1, 0))
            options = {**options, "photometric": photometric, "planarconfig": "separate"}
            tifffile.imwrite(folder / "a.tif", stored, compression="lzw", **options)
            yield ".tif", (folder / "a.tif").read_bytes()
    with contextlib.suppress(ImportError):
        import pillow_heif
        import pillow_jxl  # noqa: F401

        pillow_heif.register_heif_opener()
        for form, suffix in (("HEIF", ".heic"), ("JXL", ".jxl")):
            file = io.BytesIO()
            Image.fromarray(shades[..., :3]).resize((64, 64)).save(file, form)
            yield suffix, file.getvalue()


def _pictures(shades, metadata):
    for dtype in ("uint8", "uint16", "float32"):
        values = images.to_depth(shades.astype("float32"), dtype)
        for alpha in (None, values[..., 3]):
            yield images.Picture(values[..., :3], alpha, metadata=metadata)
            yield images.Picture(values[..., :1].repeat(3, axis=-1), alpha, gray=True, metadata=metadata)


def broken(content, random):
    """`content` truncated, or with some bits flipped or bytes overwritten."""
    content = bytearray(content)
    kind = random.integers(4)
    if kind == 0:
        return bytes(content[: random.integers(len(content))])
    for _ in range(random.integers(1, 9)):
        place = random.integers(
            min(len(content), 300 if kind == 1 else len(content))
        )  # headers break more than pixels do
        if kind == 3:
            content[place] = random.integers(256)
        else:
            content[place] ^= 1 << random.integers(8)
    return bytes(content)


def read_broken_files(folder, count, max_pixels, seed):
    """Reads `count` broken files and returns how many were readable; lets errors other than InputError through."""
    random = np.random.default_rng(seed)
    files = list(valid_files(folder))
    pictures = 0
    for i in range(count):
        suffix, content = files[i % len(files)]
        path = folder / f"broken{suffix}"
        path.write_bytes(broken(content, random))
        try:
            picture = images.read_picture(path, max_pixels)
        except InputError as error:
            assert str(path) in str(error)
        else:
            check(picture, images.size(path, max_pixels))
            images.write(folder / "again.tif", picture)
            pictures += 1
        if suffix in (".gif", ".webp", ".png", ".avif"):
            try:
                frames = images.read_frames(path, max_pixels).frames
            except InputError as error:
                assert str(path) in str(error)
            else:
                assert len({frame.rgb.shape for frame, _ in frames}) == 1
    return pictures


def check(picture, size):
    assert picture.rgb.shape == (*size, 3) and str(picture.rgb.dtype) in ("uint8", "uint16", "float32")
    if picture.alpha is not None:
        assert picture.alpha.shape == size and picture.alpha.dtype == picture.rgb.dtype
    if picture.gray:
        assert (picture.rgb == picture.rgb[..., :1]).all()


@pytest.mark.filterwarnings("ignore")  # from Pillow and tifffile about broken files
def test_broken_files_give_an_error_or_an_image_of_the_right_size(tmp_path):
    pictures = read_broken_files(tmp_path, COUNT, PIXELS, seed=1)
    assert COUNT * 0.02 < pictures < COUNT * 0.9  # else too few files were broken, or too many


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory in a way that only Linux supports")
def test_broken_files_give_errors_when_memory_is_short(tmp_path):
    code = (
        "import resource, sys, warnings; from pathlib import Path; warnings.simplefilter('ignore')\n"
        "from tests.images.test_fuzz import read_broken_files\n"
        "import contextlib, importlib  # the optional packages start threads, which the limit would prevent\n"
        "for name in ('imagecodecs', 'tifffile', 'pillow_heif', 'pillow_jxl'):\n"
        "    with contextlib.suppress(ImportError): importlib.import_module(name)\n"
        "from wdsr_tf import images\n"
        "pages = int(Path('/proc/self/statm').read_text().split()[0])\n"
        "resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + 300 * 2**20,) * 2)\n"
        "read_broken_files(Path(sys.argv[1]), 300, images.MAX_PIXELS, seed=2)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
