"""The layout of DIV2K, which every dataset here has, and pairs of LR and HR images that are checked before a run.

NAME_train_HR/0001.npy                     uint8, H x W x 3, RGB
NAME_train_LR_{downgrade}/X2/0001x2.npy    the same image at half its size
NAME_valid_HR/..., NAME_valid_LR_{downgrade}/...
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wdsr_tf import images
from wdsr_tf.data import layouts
from wdsr_tf.errors import InputError, line

SPLITS = ("train", "valid")
LISTED = 20  # faults that one message lists; the rest are counted


class Pair(NamedTuple):
    """The files of one image in both resolutions; `lr` is None if LR is made from HR."""

    name: str
    lr: Path | None
    hr: Path


def load(path: Path | str) -> np.ndarray:
    """Loads an image as an array: `.npy` as a read-only memory map, any other file through `images.read`."""
    path = Path(path)
    if path.suffix != ".npy":
        return images.read(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with np.errstate(over="raise"):  # the product of a header's numbers may exceed 64 bits
            return np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # NumPy raises all kinds of exceptions on a broken header
        raise InputError(f"{path}: not a complete .npy file ({line(error)})") from error


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


def dataset_root(root: Path | str) -> Path:
    """Returns `root`, or its only subfolder with datasets if it has none itself, as in `DIV2K/DIV2K/DIV2K_train_HR`."""
    root = Path(root)
    if root.is_dir() and not dataset_names(root):
        nested = [path for path in root.iterdir() if path.is_dir() and dataset_names(path)]
        if len(nested) == 1:
            return nested[0]
    return root


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
            don't match. One message lists all faults. HR may be wider or higher than LR by less than the scale.
    """
    root = dataset_root(root)
    name = dataset_name(root)
    hr_dir, highs = _arrays(root, name, split)
    found = [entry for entry in _entries(root, name, f"{split}_LR_*") if entry.split == split]
    lows = [entry for entry in found if entry.downgrade in _same(downgrade, scale)]
    by_high, by_low = layouts.group(highs, lows, scale)
    _require_arrays(hr_dir, by_high)
    if not by_low:
        has = sorted({entry.path.parent.relative_to(root).as_posix() for entry in _entries(root, name, "*_LR_*")})
        raise InputError(
            f"{root / lr_folder(name, split, downgrade, scale)}: no such folder; for LR, {root} has "
            f"{', '.join(has) or 'none'}\n  {layouts.patterns()}"
        )
    lr_dir = next(path for variants in by_low.values() for paths in variants.values() for path in paths).parent
    several = [
        f"{', '.join(map(str, paths))}: are one image by their names"
        for paths in (*by_high.values(), *(paths for variants in by_low.values() for paths in variants.values()))
        if len(paths) > 1
    ]
    _report(f"the images of {root}", several)
    chosen = [
        Pair(stem + variant, path, by_high.get(stem, [hr_dir / f"{stem}.npy"])[0])
        for stem in _chosen(hr_dir, by_high.keys() | by_low.keys(), ids)
        for variant, (path,) in sorted(by_low.get(stem, {"": [lr_dir / f"{stem}x{scale}.npy"]}).items())
    ]
    _report(f"{len(chosen)} pairs of {root}", [fault for pair in chosen for fault in _faults(pair, scale)])
    return chosen


def hr_images(root: Path | str, split: str, ids: Iterable[int] | None = None) -> list[Path]:
    """Returns the HR files of one split of a dataset, which needs no LR for it; `ids` and checks as in `pairs`."""
    root = dataset_root(root)
    hr_dir, highs = _arrays(root, dataset_name(root), split)
    _require_arrays(hr_dir, highs)
    paths = {entry.key: entry.path for entry in highs}
    chosen = [paths[stem] for stem in _chosen(hr_dir, paths, ids)]
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

    Partners have the same name, and are in the same subfolder, after the marks in the table of `layouts` are removed.

    Args:
        lr_dir: folder of LR images, searched recursively.
        hr_dir: folder of HR images, searched recursively; may be the same.
        scale: leaves out files marked with another scale, and checks sizes. Default: neither.

    Raises:
        InputError: if an image has no partner, or several.
    """
    lr_dir, hr_dir = Path(lr_dir), Path(hr_dir)
    if lr_dir.resolve() == hr_dir.resolve():
        highs, lows = layouts.roles(layouts.entries(hr_dir))
    else:
        highs = [entry for entry in layouts.entries(hr_dir) if entry.role != layouts.LR]
        lows = [entry for entry in layouts.entries(lr_dir) if entry.role != layouts.HR]
    return match(lr_dir, hr_dir, highs, lows, scale)


def match(lr_dir: Path, hr_dir: Path, highs: list, lows: list, scale: int | None) -> list[Pair]:
    """Returns the pairs of `layouts.Entry` lists; `scale` and errors as in `folder_pairs`."""
    by_high, by_low = layouts.group(highs, lows, scale)
    lows_of = {key: [path for paths in variants.values() for path in paths] for key, variants in by_low.items()}
    if lows and not by_low:
        raise InputError(
            f"{lr_dir}: has LR images for {', '.join(layouts.scales(lows))} only, but the scale is {scale}."
        )
    wrong = [f"{path}: has no HR image" for key in by_low.keys() - by_high.keys() for path in lows_of[key]]
    wrong += [f"{path}: has no LR image" for key in by_high.keys() - by_low.keys() for path in by_high[key]]
    both = by_low.keys() & by_high.keys()
    several = [found for key in both for found in (*by_low[key].values(), by_high[key]) if len(found) > 1]
    wrong += [f"{', '.join(map(str, found))}: are one image by their names" for found in several]
    wrong.sort()
    found = [
        Pair(key + variant, paths[0], by_high[key][0])
        for key in sorted(both)
        for variant, paths in sorted(by_low[key].items())
    ]
    if scale and not wrong:
        shapes = [(pair, images.size(pair.lr), images.size(pair.hr)) for pair in found]
        wrong = [fault for pair, lr, hr in shapes for fault in _misfits(pair, lr, hr, scale, may_be_smaller=True)]
    elif wrong and len(wrong) >= len(by_low.keys() | by_high.keys()):
        wrong = [*wrong[: LISTED - 1], layouts.patterns()]
    _report(f"the images of {lr_dir} and {hr_dir}", wrong)
    if not found:
        raise InputError(f"{lr_dir}: has no LR image with a partner in {hr_dir}")
    return found


def _arrays(root, name, split):
    """The HR folder of a split, and its entries."""
    hr_dir = root / hr_folder(name, split)
    if not hr_dir.is_dir():
        raise InputError(f"{hr_dir}: no such folder; training needs both splits, {' and '.join(SPLITS)}")
    return hr_dir, _entries(root, name, f"{split}_HR")


def _entries(root, name, folders):
    found = (path for folder in root.glob(f"{name}_{folders}") for path in _files(folder) if path.suffix == ".npy")
    return [layouts.classify(path, root) for path in sorted(found)]


def _files(folder):
    """The files below `folder` that aren't hidden; links to folders are followed, except in circles."""
    seen = set()
    for here, folders, names in os.walk(folder, followlinks=True):
        place = os.path.realpath(here)
        folders[:] = [] if place in seen else [name for name in folders if not name.startswith(".")]
        if place not in seen:
            yield from (Path(here) / name for name in names if not name.startswith("."))
        seen.add(place)


def _same(downgrade, scale):
    """The names of a downgrade: DIV2K's bicubic x8 is in `LR_x8`."""
    return {downgrade, f"x{scale}"} if downgrade == "bicubic" else {downgrade}


def _require_arrays(hr_dir, found):
    if not found:
        raise InputError(f"{hr_dir}: has no .npy files; convert.py makes them from images")


def _chosen(hr_dir, stems, ids):
    """Those of `stems` that `ids` name, in their order; all of them without `ids`."""
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


def _misfits(pair, lr, hr, scale, may_be_smaller=False):
    least = 1 - scale if may_be_smaller else 0
    if all(least <= high - low * scale < scale for low, high in zip(lr[:2], hr[:2], strict=True)):
        return []
    other = hr[0] // lr[0]
    hint = f"; they fit x{other}" if other not in (0, scale) and not _misfits(pair, lr, hr, other) else ""
    return [f"{pair.hr}: is {hr[0]} x {hr[1]}, but {pair.lr} is {lr[0]} x {lr[1]} and needs x{scale} of it{hint}"]


def _report(what, faults):
    if faults:
        listed = [*faults[:LISTED], *([f"and {len(faults) - LISTED} more"] if len(faults) > LISTED else [])]
        raise InputError(f"Can't use {what}:\n  " + "\n  ".join(listed))
