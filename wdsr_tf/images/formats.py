"""What each file format can hold, and how it is written."""

import dataclasses
from pathlib import Path

from wdsr_tf.errors import InputError


@dataclasses.dataclass(frozen=True)
class Format:
    """The limits of a file format.

    Args:
        name: Pillow's name for it.
        lossless: whether reading returns exactly what was written, with `options`.
        depths: data types it can hold, lowest precision first.
        alpha: whether it can hold transparency.
        animated: whether it can hold several frames and their durations.
        max_side: longest side in pixels; None if no image gets that large.
        options: Pillow's options for writing it.
        lossy: changes to `options` when a quality is requested; None if the format has no quality setting.
    """

    name: str
    lossless: bool = True
    depths: tuple[str, ...] = ("uint8",)
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
    options={"lossless": True, "exact": True},  # exact: keep the colors of transparent pixels
    lossy={"lossless": False},
)
BMP = Format("BMP", alpha=False)
TIFF = Format("TIFF", depths=("uint8", "uint16", "float32"))
# libavif refuses to read longer sides.
AVIF = Format(
    "AVIF", lossless=False, animated=True, max_side=32_768, options={"quality": 90, "subsampling": "4:4:4"}, lossy={}
)
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
LOSSLESS = tuple(suffix for suffix, form in FORMATS.items() if form.lossless)  # with the default options


def format_of(path: Path | str) -> Format:
    """Returns the `Format` for the suffix of `path`; raises InputError for an unknown suffix."""
    form = FORMATS.get(Path(path).suffix.lower())
    if form is None:
        raise InputError(f"{path}: unsupported image format. Supported suffixes: {', '.join(SUFFIXES)}.")
    return form


def fitting_depth(path: Path | str, dtype) -> str:
    """Returns `dtype` if the format of `path` can hold it, else the most precise type that the format can hold."""
    depths = format_of(path).depths
    return str(dtype) if str(dtype) in depths else depths[-1]


def check_fit(path: Path | str, height: int, width: int, dtype, transparent: bool) -> None:
    """Raises InputError if the format of `path` can't hold such an image; the message names formats that can."""
    form = format_of(path)
    if transparent and not form.alpha:
        raise InputError(f"{path}: {form.name} can't store transparency. Use {_suffixes(lambda f: f.alpha)}.")
    if str(dtype) not in form.depths:
        able = _suffixes(lambda f: str(dtype) in f.depths)
        raise InputError(f"{path}: {form.name} can't store {dtype} values. Use {able}.")
    longest = max(height, width)
    if form.max_side and longest > form.max_side:
        able = _suffixes(lambda f: not f.max_side or f.max_side >= longest)
        raise InputError(
            f"{path}: {form.name} is limited to {form.max_side} pixels per side, and the image would be "
            f"{width} x {height}. Use {able}."
        )


def save_options(form: Format, quality: int | None = None, gray: bool = False) -> dict:
    """Returns Pillow's options for writing `form`; `quality` (1..100) is ignored by formats without such a setting."""
    options = dict(form.options)
    if gray:
        options.pop("subsampling", None)  # it would turn a gray AVIF into a color one
    if quality is None or form.lossy is None:
        return options
    return {**options, **form.lossy, "quality": quality}


def _suffixes(is_able):
    names = [suffix[1:] for suffix, form in FORMATS.items() if is_able(form)]
    names = [name for name in names if name not in ("jpeg", "tiff", "apng")]  # second names of the same formats
    return " or ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
