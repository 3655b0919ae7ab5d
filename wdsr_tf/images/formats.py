"""Which format holds what, and how each is written."""

import dataclasses
from pathlib import Path

from wdsr_tf.errors import InputError


@dataclasses.dataclass(frozen=True)
class Format:
    """What a file format can hold.

    Attributes:
        name: Pillow's name of it.
        lossless: whether it gives back what was written, as we write it.
        depths: the types of values that it holds.
        alpha: whether it holds transparency.
        animated: whether it holds several frames with their durations.
        max_side: the longest side in pixels, or None where there is no limit that a picture could reach.
        options: how Pillow is to write it.
        lossy: what changes in `options` where a quality is asked for; None where there is no such thing.
    """

    name: str
    lossless: bool = True
    depths: tuple = ("uint8",)
    alpha: bool = True
    animated: bool = False
    max_side: int | None = None
    options: dict = dataclasses.field(default_factory=dict)
    lossy: dict | None = None


PNG = Format("PNG", depths=("uint8", "uint16"), animated=True)
JPEG = Format(
    "JPEG",
    lossless=False,
    alpha=False,
    max_side=65_500,
    options={"quality": 95, "subsampling": "4:4:4"},
    lossy={},
)
WEBP = Format(
    "WEBP",
    animated=True,
    max_side=16_383,
    options={"lossless": True, "exact": True},  # exact: keep the colors beneath transparency
    lossy={"lossless": False},
)
BMP = Format("BMP", alpha=False)
TIFF = Format("TIFF", depths=("uint8", "uint16", "float32"))
# The longest side is the one that libavif agrees to read.
AVIF = Format("AVIF", lossless=False, max_side=32_768, options={"quality": 90, "subsampling": "4:4:4"}, lossy={})
GIF = Format("GIF", lossless=False, animated=True, max_side=65_535)

FORMATS = {
    ".png": PNG,
    ".jpg": JPEG,
    ".jpeg": JPEG,
    ".webp": WEBP,
    ".bmp": BMP,
    ".tif": TIFF,
    ".tiff": TIFF,
    ".avif": AVIF,
    ".gif": GIF,
    ".apng": PNG,
}
SUFFIXES = tuple(FORMATS)
LOSSLESS = tuple(suffix for suffix, form in FORMATS.items() if form.lossless)  # as `write` writes them


def format_of(path):
    """The `Format` that the suffix of `path` stands for."""
    form = FORMATS.get(Path(path).suffix.lower())
    if form is None:
        raise InputError(f"{path}: pictures are written as {', '.join(SUFFIXES)}")
    return form


def fitting_depth(path, dtype):
    """The type of values, nearest to `dtype`, that the format of `path` can hold."""
    depths = format_of(path).depths
    return str(dtype) if str(dtype) in depths else depths[-1]


def check_fit(path, height, width, dtype, transparent):
    """Raises InputError, and says which formats could, where that of `path` cannot hold such a picture."""
    form = format_of(path)
    if transparent and not form.alpha:
        raise InputError(f"{path}: {form.name} cannot hold transparency; {_those(lambda f: f.alpha)} can")
    if str(dtype) not in form.depths:
        raise InputError(
            f"{path}: {form.name} cannot hold values of type {dtype}; {_those(lambda f: str(dtype) in f.depths)} can"
        )
    longest = max(height, width)
    if form.max_side and longest > form.max_side:
        fitting = _those(lambda f: not f.max_side or f.max_side >= longest)
        raise InputError(
            f"{path}: {form.name} ends at {form.max_side} pixels a side, and this would be {width} x {height}; "
            f"{fitting} can hold it"
        )


def save_options(form, quality=None, gray=False):
    """Pillow's options for writing `form`, at `quality` (1..100) where given and where the format knows one."""
    options = dict(form.options)
    if gray:
        options.pop("subsampling", None)  # with it, AVIF would hold colors
    if quality is None or form.lossy is None:
        return options
    return {**options, **form.lossy, "quality": quality}


def _those(can):
    names = [suffix[1:] for suffix, form in FORMATS.items() if can(form) and suffix not in (".jpeg", ".tiff", ".apng")]
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
