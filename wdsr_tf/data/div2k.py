"""The layout of DIV2K, which every dataset here has, and pairs of LR and HR images that are checked before a run.

NAME_train_HR/0001.npy                     uint8, H x W x 3, RGB
NAME_train_LR_{downgrade}/X2/0001x2.npy    the same image at half its size
NAME_valid_HR/..., NAME_valid_LR_{downgrade}/...
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wdsr_tf import images
from wdsr_tf.errors import InputError

SPLITS = ("train", "valid")
LISTED = 20  # faults that one message lists; the rest are counted

HR_MARK = re.compile(r"(?:_SRF_(?P<scale>\d+))?_HR$")
LR_MARK = re.compile(r"(?:_SRF_(?P<scale>\d+))?_LR$")
SCALE_MARK = re.compile(r"x(?P<scale>\d+)$")


class Pair(NamedTuple):
    """The files of one image in both resolutions; `lr` is None if LR is made from HR."""

    name: str
    lr: Path | None
    hr: Path

    def batch(self, copies: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Returns (lr, hr), each as a batch of `copies` equal images."""
        return tuple(np.stack([load(path)] * copies) for path in (self.lr, self.hr))


def load(path: Path | str) -> np.ndarray:
    """Loads an image as an array: `.npy` as a read-only memory map, any other file through `images.read`."""
    path = Path(path)
    if path.suffix != ".npy":
        return images.read(path)
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except Exception as error:  # NumPy raises all kinds of exceptions on a broken header
        raise InputError(f"{path}: not a complete .npy file ({error})") from error


def hr_folder(name: str, split: str) -> str:
    """Returns the folder of a dataset's HR images, relative to its root."""
    return f"{name}_{split}_HR"


def lr_folder(name: str, split: str, downgrade: str, scale: int) -> str:
    """Returns the folder of a dataset's LR images, relative to its root."""
    return f"{name}_{split}_LR_{downgrade}/X{scale}"


def dataset_names(root: Path | str) -> list[str]:
    """Returns the names of the datasets in the folder `root`, sorted."""
    marks = [f"_{split}_HR" for split in SPLITS]
    found = [(path.name, mark) for mark in marks for path in Path(root).glob(f"[!.]*{mark}") if path.is_dir()]
    return sorted({name.removesuffix(mark) for name, mark in found})


def dataset_name(root: Path | str) -> str:
    """Returns the name of the one dataset in the folder `root`; raises InputError if there is none, or several."""
    if not Path(root).is_dir():
        raise InputError(f"{root}: no such folder; convert.py makes datasets")
    names = dataset_names(root)
    if not names:
        raise InputError(f"{root}: no dataset found, that is, no folder NAME_train_HR. convert.py makes datasets.")
    if len(names) > 1:
        raise InputError(f"{root}: holds {len(names)} datasets, {', '.join(names)}. Move each to a folder of its own.")
    return names[0]


def pairs(
    root: Path | str, split: str, scale: int, downgrade: str = "bicubic", ids: Iterable[int] | None = None
) -> list[Pair]:
    """Returns the pairs of one split of a dataset after checking every file's header.

    Args:
        root: the dataset's folder.
        split: "train" or "valid".
        scale: HR size divided by LR size.
        downgrade: how LR was made, the last part of the LR folder's name.
        ids: which images: file numbers if all files of the split have numbers for names (DIV2K's 801 is `0801.npy`),
            else positions, from 1, in the sorted list of names. Default: all.

    Raises:
        InputError: if images or ids are missing, or if files are incomplete, not uint8 H x W x 3, or of sizes that
            don't match. One message lists all faults.
    """
    root = Path(root)
    name = dataset_name(root)
    hr_dir, lr_dir = root / hr_folder(name, split), root / lr_folder(name, split, downgrade, scale)
    for folder in (hr_dir, lr_dir):
        if not folder.is_dir():
            has = sorted(path.relative_to(root).as_posix() for path in root.glob("*_LR_*/X*"))
            raise InputError(f"{folder}: no such folder; for LR, {root} has {', '.join(has) or 'none'}")

    stems = _chosen(hr_dir, _stems(hr_dir, "") | _stems(lr_dir, f"x{scale}"), ids)
    chosen = [Pair(stem, lr_dir / f"{stem}x{scale}.npy", hr_dir / f"{stem}.npy") for stem in stems]
    _report(f"{len(chosen)} pairs of {root}", [fault for pair in chosen for fault in _faults(pair, scale)])
    return chosen


def hr_images(root: Path | str, split: str, ids: Iterable[int] | None = None) -> list[Path]:
    """Returns the HR files of one split of a dataset, which needs no LR for it; `ids` and checks as in `pairs`."""
    root = Path(root)
    hr_dir = root / hr_folder(dataset_name(root), split)
    if not hr_dir.is_dir():
        raise InputError(f"{hr_dir}: no such folder; training needs both splits, {' and '.join(SPLITS)}")
    chosen = [hr_dir / f"{stem}.npy" for stem in _chosen(hr_dir, _stems(hr_dir, ""), ids)]
    _report(f"{len(chosen)} HR images of {root}", [fault for path in chosen for fault in _shape(path)[1]])
    return chosen


def parse_ids(text: str) -> range:
    """`"1-800"` -> range(1, 801); raises InputError for anything but an inclusive range."""
    match = re.fullmatch(r"(\d+)-(\d+)", text.strip(), re.ASCII)
    if not match or int(match[1]) > int(match[2]):
        raise InputError(f"Expected an inclusive range of image numbers such as 1-800, not {text!r}.")
    return range(int(match[1]), int(match[2]) + 1)


def folder_pairs(lr_dir: Path | str, hr_dir: Path | str, scale: int | None = None) -> list[Pair]:
    """Returns the pairs in plain folders of images, such as Set5.

    Partners are in the same subfolder and have the same stem without `_HR` or `_SRF_2_HR` in the HR name and `_LR`,
    `_SRF_2_LR` or `x2` in the LR name.

    Args:
        lr_dir: folder of LR images, searched recursively.
        hr_dir: folder of HR images, searched recursively; may be the same.
        scale: leaves out files marked with another scale, and checks sizes. Default: neither.

    Raises:
        InputError: if an image has no partner, or several.
    """
    lr_dir, hr_dir = Path(lr_dir), Path(hr_dir)
    together = lr_dir.resolve() == hr_dir.resolve()
    highs = {}
    for path in images.find(hr_dir):
        mark = HR_MARK.search(path.stem)
        if not LR_MARK.search(path.stem) and _fits(mark, scale):
            highs.setdefault(_key(path, hr_dir, mark), []).append(path)
    lows = {}
    for path in images.find(lr_dir):
        mark = LR_MARK.search(path.stem) or _scale_mark(path, lr_dir, highs, together)
        if (mark or not together) and not HR_MARK.search(path.stem):
            if together and highs.get(_key(path, hr_dir, None)) == [path]:
                del highs[_key(path, hr_dir, None)]  # `0001x2.png` next to `0001.png` isn't an HR image
            if _fits(mark, scale):
                lows.setdefault(_key(path, lr_dir, mark), []).append(path)

    wrong = [f"{path}: has no HR image" for key in lows.keys() - highs.keys() for path in lows[key]]
    wrong += [f"{path}: has no LR image" for key in highs.keys() - lows.keys() for path in highs[key]]
    both = lows.keys() & highs.keys()
    several = [found for key in both for found in (lows[key], highs[key]) if len(found) > 1]
    wrong += [f"{', '.join(map(str, found))}: are one image by their names" for found in several]
    found = [Pair(key, lows[key][0], highs[key][0]) for key in sorted(both)]
    if scale and not wrong:
        shapes = [(pair, images.size(pair.lr), images.size(pair.hr)) for pair in found]
        wrong = [fault for pair, lr, hr in shapes for fault in _misfits(pair, lr, hr, scale)]
    _report(f"the images of {lr_dir} and {hr_dir}", sorted(wrong))
    if not found:
        raise InputError(f"{lr_dir}: has no LR image with a partner in {hr_dir}")
    return found


def _stems(folder, mark):
    names = (path.name for path in folder.iterdir())
    end = f"{mark}.npy"
    return {name.removesuffix(end) for name in names if name.endswith(end) and not name.startswith(".")}


def _chosen(hr_dir, stems, ids):
    """Those of `stems` that `ids` name, in their order; all of them without `ids`."""
    if not stems:
        raise InputError(f"{hr_dir}: has no .npy files; convert.py makes them from images")
    numbered = _by_id(stems)
    missing = [i for i in ids or () if i not in numbered]
    if missing:
        raise InputError(f"{hr_dir}: has no image {_ranges(missing)}; it has {_ranges(numbered)}")
    return list(map(numbered.get, numbered if ids is None else ids))


def _by_id(stems):
    """The stems by number, in order, or by position if they aren't different numbers."""
    if all(stem.isdecimal() for stem in stems) and len({int(stem) for stem in stems}) == len(stems):
        return {int(stem): stem for stem in sorted(stems, key=int)}
    return dict(enumerate(sorted(stems), start=1))


def _ranges(numbers):
    """`[1, 2, 3, 7]` -> `1-3, 7`."""
    runs = []
    for number in sorted(set(numbers)):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _faults(pair, scale):
    """What is wrong with a pair of a dataset; reads headers only."""
    lr, hr = map(_shape, (pair.lr, pair.hr))
    return [*lr[1], *hr[1]] or _misfits(pair, lr[0], hr[0], scale)


def _shape(path):
    """(shape, list of faults) of a `.npy` file, by its header."""
    try:
        array = load(path)
    except InputError as error:
        return None, [str(error)]
    if array.dtype != "uint8" or array.ndim != 3 or array.shape[2] != 3:
        return None, [f"{path}: is {array.dtype} of shape {array.shape}, not uint8 H x W x 3"]
    return array.shape, []


def _misfits(pair, lr, hr, scale):
    if (lr[0] * scale, lr[1] * scale) == hr[:2]:
        return []
    return [f"{pair.hr}: is {hr[0]} x {hr[1]}, but {pair.lr} is {lr[0]} x {lr[1]} and needs x{scale} of it"]


def _report(what, faults):
    if faults:
        listed = [*faults[:LISTED], *([f"and {len(faults) - LISTED} more"] if len(faults) > LISTED else [])]
        raise InputError(f"Can't use {what}:\n  " + "\n  ".join(listed))


def _fits(mark, scale):
    marked = mark and mark["scale"]
    return not (marked and scale) or int(marked) == scale


def _key(path, folder, mark):
    """The image's name without its mark, with its subfolder."""
    stem = path.stem[: mark.start()] if mark else path.stem
    return (path.relative_to(folder).parent / stem).as_posix()


def _scale_mark(path, folder, highs, together):
    """The `x2` of an LR name, if it is one: `matrix2.png` is an image of its own unless there is a `matri.png`."""
    mark = SCALE_MARK.search(path.stem)
    if mark and not together and _key(path, folder, None) in highs:
        return None
    return mark if mark and _key(path, folder, mark) in highs else None
