"""Makes and compares images for the page's tests: `python images.py make FOLDER`, `... compare A B`."""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

DEMO = Path(__file__).parents[2] / "demo"
ORIENTATION = 0x0112


def make(folder):
    """Writes one image of each kind into `folder`; the same every time."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    harbour, poster = (Image.open(DEMO / name).convert("RGB") for name in ("harbour.png", "poster.png"))
    harbour.save(folder / "harbour.png")
    harbour.crop((9, 7, 10, 8)).save(folder / "pixel.png")
    poster.resize((997, 613), Image.Resampling.BICUBIC).save(folder / "large.png")
    see_through = Image.merge("RGBA", [*poster.split(), Image.fromarray(opacity(320, 200))])
    see_through.save(folder / "see-through.png")
    see_through.crop((20, 10, 151, 110)).save(folder / "see-through.webp", lossless=True, exact=True)
    harbour.convert("L").crop((30, 40, 131, 97)).save(folder / "gray.png")
    poster.quantize(64).save(folder / "palette.png")
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    harbour.crop((0, 80, 200, 200)).save(folder / "rotated.jpg", quality=90, exif=exif, icc_profile=profile)
    harbour.crop((0, 80, 120, 160)).save(folder / "fine.jpg", quality=95)


def opacity(width, height):
    """Returns all values of alpha, with a transparent disk and an opaque band."""
    y, x = np.mgrid[:height, :width]
    values = (x * 255 // (width - 1)).astype("uint8")
    values[(x - width / 2) ** 2 + (y - height / 2) ** 2 < 40**2] = 0
    values[y < height // 4] = 255
    return values


def compare(a, b):
    """Returns the largest difference of two files, except in transparent colors, and whether all else agrees."""
    a, b = Image.open(a), Image.open(b)
    alike = (a.size, a.mode, a.info.get("icc_profile")) == (b.size, b.mode, b.info.get("icc_profile"))
    off = 256
    if a.size == b.size:
        first, second = (np.asarray(image.convert("RGBA")).astype(int) for image in (a, b))
        off = int(np.abs(first[..., 3] - second[..., 3]).max())
        seen = (first[..., 3] > 0) & (second[..., 3] > 0)
        if seen.any():
            off = max(off, int(np.abs(first - second)[seen].max()))
    return {"alike": alike, "off": off, "size": a.size, "mode": a.mode}


if __name__ == "__main__":
    command, *words = sys.argv[1:]
    print(json.dumps({"make": make, "compare": compare}[command](*words)))
