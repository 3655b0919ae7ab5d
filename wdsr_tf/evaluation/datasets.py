"""Finds the full-size images to measure on, by the layout of their folder.

    dataset     NAME_valid_HR and NAME_valid_LR_{downgrade}/X2, as convert.py writes them, or DIV2K as published
    SelfExSR    image_SRF_2/img_001_SRF_2_{HR,LR}.png; name either folder
    HR and LR   HR/ and LR_{downgrade}/X2
    plain       HR and LR files in one folder, told apart by _HR and _LR in their names
    HR alone    any other folder of images, or one that only has HR/: LR is made with MATLAB's bicubic

LR made here is rounded to 8 bits, as in a file, or stays float for luma models, as in their papers; HR is cropped to
multiples of the scale first. If LR and HR are files and the scale doesn't divide HR, the rows and columns at its right
and bottom without a counterpart are left out. Animations are measured by their first frame, 16-bit images in 8 bits,
and transparency is dropped.
"""

import dataclasses
import re
from pathlib import Path

import numpy as np

from wdsr_tf import images
from wdsr_tf.data import div2k
from wdsr_tf.data.degrade import jpeg
from wdsr_tf.errors import InputError
from wdsr_tf.images.resize import imresize

SPLIT = "valid"
BICUBIC = "bicubic"
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

    def load(self, pair, rounded=True):
        """Returns (LR, HR) of `pair` as uint8; LR as float32 if it is made from HR and `rounded` is false."""
        hr = np.array(div2k.load(pair.hr))  # a copy, because memory maps read later
        if pair.lr is None:
            height, width = (length // self.scale * self.scale for length in hr.shape[:2])
            if not (height and width):
                raise InputError(f"{pair.hr}: {hr.shape[0]} x {hr.shape[1]} pixels are too few for x{self.scale}.")
            hr = hr[:height, :width]
            rounded = rounded or not self.may_be_float
            lr = imresize(hr if rounded else hr.astype("float32"), 1 / self.scale)
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
    """Returns the images of a benchmark's folder, in any layout that this module's docstring lists.

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
    pairs = _by_downgrade(folder, scale, downgrade or BICUBIC)
    if pairs is None:
        pairs = _without_downgrade(folder, scale)
        _refuse_downgrade(folder, downgrade, made=any(pair.lr is None for pair in pairs))
    if ids is not None:
        pairs = _chosen(pairs, ids, folder)
    return ImagePairs(pairs, scale, {"benchmark": str(folder)}, jpeg_quality)


def _by_downgrade(folder, scale, downgrade):
    """The pairs of a layout with one LR folder per downgrade, or None for other layouts."""
    if _has_srf_folders(folder):
        return None
    if names := div2k.dataset_names(folder):
        name = names[0] if len(names) == 1 else div2k.dataset_name(folder)  # which raises
        hr = _existing(folder, div2k.hr_folder(name, SPLIT), "*_HR")
        if any(hr.glob("*.npy")):
            return div2k.pairs(folder, SPLIT, scale, downgrade)
        return _partners(_existing(folder, div2k.lr_folder(name, SPLIT, downgrade, scale), "*_LR_*/X*"), hr, scale)
    hr = folder / "HR"
    if hr.is_dir() and any(folder.glob("LR_*")):
        return _partners(_existing(folder, f"LR_{downgrade}/X{scale}", "LR_*/X*"), hr, scale)
    return None


def _without_downgrade(folder, scale):
    """The pairs of all other layouts."""
    if srf := SRF.fullmatch(folder.resolve().name):
        if int(srf[1]) != scale:
            raise InputError(f"{folder}: The images are for x{srf[1]}, but the scale is {scale}.")
        return _partners(folder, folder, scale)
    if _has_srf_folders(folder):
        return _partners(*[_existing(folder, f"image_SRF_{scale}", "image_SRF_*")] * 2, scale)
    if (folder / "HR").is_dir():
        return _alone(folder / "HR")
    stems = [path.stem for path in images.find(folder)]
    if any(map(div2k.LR_MARK.search, stems)):
        return div2k.folder_pairs(folder, folder, scale)
    return _alone(folder)


def _has_srf_folders(folder):
    """Whether the folder is one of SelfExSR's, or holds them."""
    return any(SRF.fullmatch(path.name) for path in (folder.resolve(), *folder.iterdir()))


def _refuse_downgrade(folder, downgrade, made):
    """Raises InputError if the layout offers no choice of a downgrade: LR files beside HR, or LR made as bicubic."""
    if downgrade is not None and not (made and downgrade == BICUBIC):
        has = "LR is made with MATLAB's bicubic" if made else "the LR files lie beside HR, however they were made"
        raise InputError(f"{folder}: There is no LR for the downgrade {downgrade!r}: {has}. Leave the downgrade out.")


def _existing(folder, name, pattern):
    if (folder / name).is_dir():
        return folder / name
    has = sorted(path.relative_to(folder).as_posix() for path in folder.glob(pattern) if path.is_dir())
    raise InputError(f"{folder / name}: No such folder. {folder} has {', '.join(has) or 'none like it'}.")


def _partners(lr_dir, hr_dir, scale):
    """The pairs of two folders that hold one scale; the sides may differ by less than the scale."""
    pairs = div2k.folder_pairs(lr_dir, hr_dir)
    sizes = [[images.size(path) for path in (pair.lr, pair.hr)] for pair in pairs]
    wrong = [
        f"{pair.hr} is {hr[0]} x {hr[1]}, but {pair.lr} is {lr[0]} x {lr[1]}, which doesn't fit x{scale}."
        for pair, (lr, hr) in zip(pairs, sizes, strict=True)
        if any(abs(low * scale - high) >= scale for low, high in zip(lr, hr, strict=True))
    ]
    if wrong:
        raise InputError(f"Can't use the images of {lr_dir} and {hr_dir}:\n  " + "\n  ".join(wrong[:20]))
    return pairs


def _alone(folder):
    """All images of a folder as HR without LR, named without suffix if the names remain unique."""
    paths = images.find(folder)
    if not paths:
        raise InputError(f"{folder}: There are no images ({', '.join(images.SUFFIXES)}).")
    if all(div2k.SCALE_MARK.search(path.stem) for path in paths):
        raise InputError(
            f"{folder}: There are only LR images, such as {paths[0].name}. Name the folder that contains HR and LR."
        )
    full = [path.relative_to(folder).as_posix() for path in paths]
    short = [path.relative_to(folder).with_suffix("").as_posix() for path in paths]
    names = short if len(set(short)) == len(short) else full
    return [div2k.Pair(name, None, path) for name, path in zip(names, paths, strict=True)]


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
