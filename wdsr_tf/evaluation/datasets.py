"""The full-size pictures that networks are measured on, found by the layout of their folder.

    dataset     NAME_valid_HR and NAME_valid_LR_{downgrade}/X2, as convert.py writes them, or DIV2K as published
    SelfExSR    image_SRF_2/img_001_SRF_2_{HR,LR}.png; either folder may be named
    HR and LR   HR/ and LR_{downgrade}/X2
    plain       HR and LR side by side, told apart by _HR and _LR in their names
    HR alone    any other folder of pictures, or one with HR/ alone: LR is made by MATLAB's bicubic

LR that is made is rounded to 8 bits, as a file would be, or left in float for networks that work on luma, as their
papers did; the sides of HR are cut to multiples of the scale first. Where LR and HR are files and the scale does not
divide HR, its right and lower edge has no partner in LR, or SR's none in HR, and is left out. Of an animation the first
picture is measured; 16 bits are cut to 8, and transparency is dropped.
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
class Pictures:
    """Pairs of one scale, and how their LR comes about.

    Attributes:
        pairs: `div2k.Pair`s; their `lr` is None where LR is made from HR.
        scale: the factor between LR and HR.
        source: where they come from, as plain values.
        jpeg_quality: of the JPEG that LR goes through in memory, or None.
    """

    pairs: list
    scale: int
    source: dict
    jpeg_quality: int | None = None

    @property
    def names(self):
        """The pictures' names."""
        return [pair.name for pair in self.pairs]

    @property
    def may_be_float(self):
        """Whether LR is made, and by nothing that rounds."""
        return self.jpeg_quality is None and all(pair.lr is None for pair in self.pairs)

    def record(self):
        """Source and JPEG as plain values, for tables and files."""
        lr = {"lr": "MATLAB's bicubic"} if any(pair.lr is None for pair in self.pairs) else {}
        jpeg = {"jpeg_quality": self.jpeg_quality, "jpeg_subsampling": SUBSAMPLING} if self.jpeg_quality else {}
        return self.source | lr | jpeg

    def load(self, pair, rounded=True):
        """(LR, HR) of `pair`: uint8, but LR float32 where it is made and not to be `rounded`."""
        hr = np.array(div2k.load(pair.hr))  # a copy, because memory maps read later
        if pair.lr is None:
            height, width = (length // self.scale * self.scale for length in hr.shape[:2])
            if not (height and width):
                raise InputError(f"{pair.hr}: {hr.shape[0]} x {hr.shape[1]} pixels are too few for x{self.scale}")
            hr = hr[:height, :width]
            rounded = rounded or not self.may_be_float
            lr = imresize(hr if rounded else hr.astype("float32"), 1 / self.scale)
        else:
            lr = np.array(div2k.load(pair.lr))
            hr = hr[: lr.shape[0] * self.scale, : lr.shape[1] * self.scale]
        return (jpeg(lr, self.jpeg_quality, SUBSAMPLING) if self.jpeg_quality else lr), hr


def of_dataset(root, scale, downgrade=BICUBIC, ids=None, jpeg_quality=None):
    """The validation pictures of a dataset that convert.py wrote."""
    pairs = div2k.pairs(root, SPLIT, scale, downgrade, ids)
    return Pictures(pairs, scale, {"dataset": str(root), "downgrade": downgrade}, jpeg_quality)


def of_two_folders(lr_dir, hr_dir, scale, jpeg_quality=None):
    """The pairs of two plain folders, which may be the same."""
    pairs = div2k.folder_pairs(lr_dir, hr_dir, scale)
    return Pictures(pairs, scale, {"lr_dir": str(lr_dir), "hr_dir": str(hr_dir)}, jpeg_quality)


def of_benchmark(folder, scale, downgrade=None, ids=None, jpeg_quality=None):
    """The pictures of a benchmark's folder, whose layout (see the head of this module) is found by its names.

    `downgrade` is bicubic where it is None; a layout without LR of the one that is given raises InputError. `ids`
    choose by the numbers in the pictures' names.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder")
    pairs = _by_downgrade(folder, scale, downgrade or BICUBIC)
    if pairs is None:
        pairs = _without_downgrade(folder, scale)
        _refuse(folder, downgrade, made=any(pair.lr is None for pair in pairs))
    if ids is not None:
        pairs = _chosen(pairs, ids, folder)
    return Pictures(pairs, scale, {"benchmark": str(folder)}, jpeg_quality)


def _by_downgrade(folder, scale, downgrade):
    """The pairs where LR lies in a folder for each downgrade, or else None."""
    if _srf_folders(folder):
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
            raise InputError(f"{folder}: holds pictures for x{srf[1]}, and the networks are x{scale}")
        return _partners(folder, folder, scale)
    if _srf_folders(folder):
        return _partners(*[_existing(folder, f"image_SRF_{scale}", "image_SRF_*")] * 2, scale)
    if (folder / "HR").is_dir():
        return _alone(folder / "HR")
    stems = [path.stem for path in images.find(folder)]
    if any(map(div2k.LR_MARK.search, stems)):
        return div2k.folder_pairs(folder, folder, scale)
    return _alone(folder)


def _srf_folders(folder):
    """Whether the folder is one of SelfExSR's, or holds them."""
    return any(SRF.fullmatch(path.name) for path in (folder.resolve(), *folder.iterdir()))


def _refuse(folder, downgrade, made):
    """Raises where the folder cannot have LR of the downgrade: it is no choice beside files, and made LR is bicubic."""
    if downgrade is not None and not (made and downgrade == BICUBIC):
        has = "its LR is made by MATLAB's bicubic" if made else "its LR are the files beside HR, however they were made"
        raise InputError(f"{folder}: has no LR for the downgrade {downgrade}: {has}; leave the downgrade out")


def _existing(folder, name, pattern):
    if (folder / name).is_dir():
        return folder / name
    has = sorted(path.relative_to(folder).as_posix() for path in folder.glob(pattern) if path.is_dir())
    raise InputError(f"{folder / name}: there is no such folder; {folder} has {', '.join(has) or 'none like it'}")


def _partners(lr_dir, hr_dir, scale):
    """The pairs of two folders that hold one scale; sides may differ by less than the scale."""
    pairs = div2k.folder_pairs(lr_dir, hr_dir)
    sizes = [[images.size(path) for path in (pair.lr, pair.hr)] for pair in pairs]
    wrong = [
        f"{pair.hr}: is {hr[0]} x {hr[1]}, where {pair.lr} is {lr[0]} x {lr[1]} and needs about x{scale} of it"
        for pair, (lr, hr) in zip(pairs, sizes, strict=True)
        if any(abs(low * scale - high) >= scale for low, high in zip(lr, hr, strict=True))
    ]
    if wrong:
        raise InputError(f"the pictures of {lr_dir} and {hr_dir} cannot be used:\n  " + "\n  ".join(wrong[:20]))
    return pairs


def _alone(folder):
    """All pictures of a folder as HR, without LR; named without their suffix where that tells them apart."""
    paths = images.find(folder)
    if not paths:
        raise InputError(f"{folder}: holds no pictures ({', '.join(images.SUFFIXES)})")
    if all(div2k.SCALE_MARK.search(path.stem) for path in paths):
        raise InputError(
            f"{folder}: holds LR pictures alone, by names such as {paths[0].name}; name the folder above HR and LR"
        )
    whole = [path.relative_to(folder).as_posix() for path in paths]
    short = [path.relative_to(folder).with_suffix("").as_posix() for path in paths]
    names = short if len(set(short)) == len(short) else whole
    return [div2k.Pair(name, None, path) for name, path in zip(names, paths, strict=True)]


def _chosen(pairs, ids, folder):
    numbers = {}
    for pair in pairs:
        digits = re.findall(r"\d+", pair.name)
        if not digits or int(digits[-1]) in numbers:
            raise InputError(f"{folder}: its pictures are not told apart by numbers in their names; leave ids away")
        numbers[int(digits[-1])] = pair
    lacking = [i for i in ids if i not in numbers]
    if lacking:
        has = f"{min(numbers)} to {max(numbers)}"
        raise InputError(f"{folder}: has no picture {lacking[0]}; it has {len(numbers)} with numbers from {has}")
    return [numbers[i] for i in ids]
