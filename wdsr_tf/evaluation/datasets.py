"""Finds the full-size images to measure on, by the layout of their folder (see `wdsr_tf.data.layouts`).

If nothing in a folder is LR by its names, LR is made from HR with MATLAB's bicubic.

LR made here equals the LR files of Set5, Set14, BSD100, and Urban100 bit for bit; for luma models it stays float, as in
their papers. HR is cropped to multiples of the scale first. If LR and HR are files and the scale doesn't divide HR, the
rows and columns at its right and bottom without a counterpart are left out. Animations are measured by their first
frame, 16-bit images in 8 bits, and transparency is dropped.
"""

import dataclasses
import re
from pathlib import Path

import numpy as np

from wdsr_tf import images
from wdsr_tf.data import div2k, layouts
from wdsr_tf.data.degrade import jpeg
from wdsr_tf.errors import InputError
from wdsr_tf.images.resize import imresize

SPLIT = "valid"
BICUBIC = "bicubic"
EDGES = "repeat"  # as in the LR files of the benchmarks
SUBSAMPLING = "4:2:0"  # of JPEG's chroma
SRF = re.compile(r"image_SRF_(\d+)")


@dataclasses.dataclass(frozen=True)
class ImagePairs:
    """LR/HR pairs of one scale, and where their LR comes from.

    Args:
        pairs: `div2k.Pair`s; their `lr` is None if LR is made from HR.
        scale: HR size / LR size.
        source: where the images come from, as plain values.
        jpeg_quality: LR is compressed and decoded in memory with this JPEG quality (1 to 100); None: it isn't.
    """

    pairs: list
    scale: int
    source: dict
    jpeg_quality: int | None = None

    @property
    def names(self):
        """The images' names."""
        return [pair.name for pair in self.pairs]

    @property
    def may_be_float(self):
        """Whether LR is made from HR and nothing needs it rounded."""
        return self.jpeg_quality is None and all(pair.lr is None for pair in self.pairs)

    def record(self):
        """Returns source and JPEG settings as plain values, for tables and files."""
        lr = {"lr": "MATLAB's bicubic"} if any(pair.lr is None for pair in self.pairs) else {}
        jpeg = {"jpeg_quality": self.jpeg_quality, "jpeg_subsampling": SUBSAMPLING} if self.jpeg_quality else {}
        return self.source | lr | jpeg

    def lr_size(self, pair):
        """Returns (height, width) of the LR of `pair`, from its header if it's a `.npy` file."""
        found = div2k.load(pair.lr or pair.hr).shape[:2]
        return found if pair.lr else tuple(length // self.scale for length in found)

    def load(self, pair, rounded=True):
        """Returns (LR, HR) of `pair` as uint8; LR as float32 if it is made from HR and `rounded` is false."""
        hr = np.array(div2k.load(pair.hr))  # a copy, because memory maps read later
        if pair.lr is None:
            height, width = (length // self.scale * self.scale for length in hr.shape[:2])
            if not (height and width):
                raise InputError(f"{pair.hr}: {hr.shape[0]} x {hr.shape[1]} pixels are too few for x{self.scale}.")
            hr = hr[:height, :width]
            rounded = rounded or not self.may_be_float
            lr = imresize(hr if rounded else hr.astype("float32"), 1 / self.scale, edges=EDGES)
        else:
            lr = np.array(div2k.load(pair.lr))
            hr = hr[: lr.shape[0] * self.scale, : lr.shape[1] * self.scale]
        return (jpeg(lr, self.jpeg_quality, SUBSAMPLING) if self.jpeg_quality else lr), hr


def of_dataset(root, scale, downgrade=None, ids=None, jpeg_quality=None):
    """Returns the validation images of a dataset that convert.py wrote; `downgrade` defaults to bicubic."""
    downgrade = downgrade or BICUBIC
    pairs = div2k.pairs(root, SPLIT, scale, downgrade, ids)
    return ImagePairs(pairs, scale, {"dataset": str(root), "downgrade": downgrade}, jpeg_quality)


def of_two_folders(lr_dir, hr_dir, scale, jpeg_quality=None):
    """Returns the pairs of two plain folders, which may be the same."""
    pairs = div2k.folder_pairs(lr_dir, hr_dir, scale)
    return ImagePairs(pairs, scale, {"lr_dir": str(lr_dir), "hr_dir": str(hr_dir)}, jpeg_quality)


def of_benchmark(folder, scale, downgrade=None, ids=None, jpeg_quality=None):
    """Returns the images of a benchmark's folder, in any layout of `wdsr_tf.data.layouts`.

    Args:
        folder: such as Set5.
        scale: HR size / LR size.
        downgrade: which LR, in a layout that has several; default: bicubic.
        ids: the numbers in the names of the images to use; default: all images.
        jpeg_quality: see `ImagePairs`.

    Raises:
        InputError: if the folder doesn't have these images.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: No such folder.")
    root = div2k.dataset_root(folder)
    names = div2k.dataset_names(root)
    if names and any((root / div2k.hr_folder(div2k.dataset_name(root), SPLIT)).rglob("*.npy")):
        pairs = div2k.pairs(root, SPLIT, scale, downgrade or BICUBIC)
    else:
        pairs = _of_images(folder, scale, downgrade)
    if ids is not None:
        pairs = _chosen(pairs, ids, folder)
    return ImagePairs(pairs, scale, {"benchmark": str(folder)}, jpeg_quality)


def _of_images(folder, scale, downgrade):
    """The pairs of a folder of image files, by the table of `layouts`."""
    if (srf := SRF.fullmatch(folder.resolve().name)) and int(srf[1]) != scale:
        raise InputError(f"{folder}: The images are for x{srf[1]}, but the scale is {scale}.")
    found = [entry for entry in layouts.cropped(layouts.entries(folder)) if entry.split in (None, SPLIT)]
    if not found:
        raise InputError(f"{folder}: There are no images ({', '.join(images.SUFFIXES)}).")
    highs, lows = layouts.roles(found)
    if not lows:
        pairs = _alone(folder, highs)
    else:
        if not highs:
            raise InputError(
                f"{folder}: There are only LR images, such as {lows[0].path.name}. Name the folder that contains HR "
                "and LR."
            )
        lows = _of_downgrade(folder, lows, scale, downgrade)
        downgrade = None if lows[0].downgrade else downgrade
        pairs = div2k.match(folder, folder, highs, lows, scale)
    _refuse_downgrade(folder, downgrade, made=not lows)
    return pairs


def _of_downgrade(folder, lows, scale, downgrade):
    """Those of the LR images that have the downgrade and may have the scale."""
    marked = [entry for entry in lows if entry.downgrade]
    if not marked:
        return lows
    wanted = downgrade or BICUBIC
    chosen = [entry for entry in marked if entry.downgrade in (wanted, f"x{scale}") and entry.fits(scale)]
    if not chosen:
        has = sorted({entry.path.parent.relative_to(folder).as_posix() for entry in marked})
        raise InputError(f"{folder}: There is no LR for the downgrade {wanted!r} at x{scale}. It has {', '.join(has)}.")
    return chosen


def _refuse_downgrade(folder, downgrade, made):
    """Raises InputError if the layout offers no choice of a downgrade: LR files beside HR, or LR made as bicubic."""
    if downgrade is not None and not (made and downgrade == BICUBIC):
        has = "LR is made with MATLAB's bicubic" if made else "the LR files lie beside HR, however they were made"
        raise InputError(f"{folder}: There is no LR for the downgrade {downgrade!r}: {has}. Leave the downgrade out.")


def _alone(folder, highs):
    """Images without LR, named without suffix if the names remain unique."""
    if all(entry.without_scale() for entry in highs):
        raise InputError(
            f"{folder}: There are only LR images, such as {highs[0].path.name}. Name the folder that contains HR and "
            "LR."
        )
    plain = [entry for entry in highs if entry.role is None]
    if plain and len(plain) < len(highs):
        raise InputError(
            f"{folder}: {plain[0].path.relative_to(folder)} is neither with the HR images nor marked as LR.\n  "
            f"{layouts.patterns()}"
        )
    layouts.refuse_mixture(folder, plain)
    unique = len({entry.key for entry in highs}) == len(highs)
    names = [entry.key if unique else entry.path.relative_to(folder).as_posix() for entry in highs]
    return [div2k.Pair(name, None, entry.path) for name, entry in zip(names, highs, strict=True)]


def _chosen(pairs, ids, folder):
    numbers = {}
    for pair in pairs:
        digits = re.findall(r"\d+", pair.name)
        if not digits or int(digits[-1]) in numbers:
            raise InputError(
                f"{folder}: Can't choose images by number, because their names don't have unique numbers. Leave the "
                "range of ids out."
            )
        numbers[int(digits[-1])] = pair
    missing = [i for i in ids if i not in numbers]
    if missing:
        has = f"{min(numbers)} to {max(numbers)}"
        raise InputError(f"{folder}: There is no image {missing[0]}; there are {len(numbers)}, numbered {has}.")
    return [numbers[i] for i in ids]
