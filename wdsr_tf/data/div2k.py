"""The layout of DIV2K, which every dataset here has, and pairs of LR and HR pictures that are checked before a run.

NAME_train_HR/0001.npy                     uint8, H x W x 3, RGB
NAME_train_LR_{downgrade}/X2/0001x2.npy    the same picture at half its size
NAME_valid_HR/..., NAME_valid_LR_{downgrade}/...
"""

import re
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
    """The files of one picture in both resolutions; `lr` is None where LR is made from HR."""

    name: str
    lr: Path | None
    hr: Path


def load(path):
    """The picture at `path` as an array: a read-only memory map of `.npy`, any other file through `images.read`."""
    path = Path(path)
    if path.suffix != ".npy":
        return images.read(path)
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except Exception as error:  # NumPy raises whatever the broken header led to
        raise InputError(f"{path}: is not a whole .npy file ({error})") from error


def hr_folder(name, split):
    """Where the HR pictures of a dataset lie, relative to its root."""
    return f"{name}_{split}_HR"


def lr_folder(name, split, downgrade, scale):
    """Where the LR pictures of a dataset lie, relative to its root."""
    return f"{name}_{split}_LR_{downgrade}/X{scale}"


def dataset_names(root):
    """The names of the datasets in the folder `root`, sorted."""
    marks = [f"_{split}_HR" for split in SPLITS]
    found = [(path.name, mark) for mark in marks for path in Path(root).glob(f"[!.]*{mark}") if path.is_dir()]
    return sorted({name.removesuffix(mark) for name, mark in found})


def dataset_name(root):
    """The name of the one dataset in the folder `root`, found from NAME_train_HR and NAME_valid_HR."""
    if not Path(root).is_dir():
        raise InputError(f"{root}: there is no such folder; a dataset is made by convert.py")
    names = dataset_names(root)
    if not names:
        raise InputError(f"{root}: holds no dataset, that is, no folder NAME_train_HR; convert.py makes them")
    if len(names) > 1:
        raise InputError(f"{root}: holds {len(names)} datasets, {', '.join(names)}; give each a folder of its own")
    return names[0]


def pairs(root, split, scale, downgrade="bicubic", ids=None):
    """The pairs of one split of the dataset in `root`, of which every file's header has been checked.

    `ids` are numbers of files where all files of the split have different numbers for names (DIV2K's 801 is
    `0801.npy`); else they are positions, from 1, in the list of names. The default is all that the split holds.
    Ids that it lacks, and pairs that are not whole, uint8, H x W x 3 and of sizes that fit, raise one InputError.
    """
    root = Path(root)
    name = dataset_name(root)
    hr_dir, lr_dir = root / hr_folder(name, split), root / lr_folder(name, split, downgrade, scale)
    for folder in (hr_dir, lr_dir):
        if not folder.is_dir():
            has = sorted(path.relative_to(root).as_posix() for path in root.glob("*_LR_*/X*"))
            raise InputError(f"{folder}: there is no such folder; of LR pictures {root} has {', '.join(has) or 'none'}")

    stems = _chosen(hr_dir, _stems(hr_dir, "") | _stems(lr_dir, f"x{scale}"), ids)
    chosen = [Pair(stem, lr_dir / f"{stem}x{scale}.npy", hr_dir / f"{stem}.npy") for stem in stems]
    _refuse(f"{len(chosen)} pairs of {root} were checked; they", [f for pair in chosen for f in _faults(pair, scale)])
    return chosen


def hr_pictures(root, split, ids=None):
    """The HR files of one split of the dataset in `root`, which needs no LR for it; `ids` and checks as in `pairs`."""
    root = Path(root)
    hr_dir = root / hr_folder(dataset_name(root), split)
    if not hr_dir.is_dir():
        raise InputError(f"{hr_dir}: there is no such folder; training needs both splits, {' and '.join(SPLITS)}")
    chosen = [hr_dir / f"{stem}.npy" for stem in _chosen(hr_dir, _stems(hr_dir, ""), ids)]
    _refuse(f"{len(chosen)} HR pictures of {root} were checked; they", [f for path in chosen for f in _shape(path)[1]])
    return chosen


def parse_ids(text):
    """`"1-800"` -> range(1, 801); anything but an inclusive range raises InputError."""
    match = re.fullmatch(r"(\d+)-(\d+)", text.strip(), re.ASCII)
    if not match or int(match[1]) > int(match[2]):
        raise InputError(f"{text!r} is not an inclusive range of ids such as 1-800")
    return range(int(match[1]), int(match[2]) + 1)


def folder_pairs(lr_dir, hr_dir, scale=None):
    """The pairs in plain folders of pictures, such as Set5; both may be the same folder, subfolders are searched.

    Partners lie in the same subfolder and have the same stem once `_HR` (or `_SRF_2_HR`) is taken from the HR name
    and `_LR`, `_SRF_2_LR` or `x2` from the LR name. With `scale`, files marked with another scale are left out, and
    sizes are checked. Pictures without a partner, or with several, raise InputError.
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
                del highs[_key(path, hr_dir, None)]  # `0001x2.png` beside `0001.png` is no HR picture
            if _fits(mark, scale):
                lows.setdefault(_key(path, lr_dir, mark), []).append(path)

    wrong = [f"{path}: has no HR picture" for key in lows.keys() - highs.keys() for path in lows[key]]
    wrong += [f"{path}: has no LR picture" for key in highs.keys() - lows.keys() for path in highs[key]]
    both = lows.keys() & highs.keys()
    several = [found for key in both for found in (lows[key], highs[key]) if len(found) > 1]
    wrong += [f"{', '.join(map(str, found))}: are one picture by their names" for found in several]
    found = [Pair(key, lows[key][0], highs[key][0]) for key in sorted(both)]
    if scale and not wrong:
        shapes = [(pair, images.size(pair.lr), images.size(pair.hr)) for pair in found]
        wrong = [fault for pair, lr, hr in shapes for fault in _misfits(pair, lr, hr, scale)]
    _refuse(f"the pictures of {lr_dir} and {hr_dir}", sorted(wrong))
    if not found:
        raise InputError(f"{lr_dir}: holds no LR picture with a partner in {hr_dir}")
    return found


def _stems(folder, mark):
    names = (path.name for path in folder.iterdir())
    end = f"{mark}.npy"
    return {name.removesuffix(end) for name in names if name.endswith(end) and not name.startswith(".")}


def _chosen(hr_dir, stems, ids):
    """Those of `stems` that `ids` name, in their order; all of them without `ids`."""
    if not stems:
        raise InputError(f"{hr_dir}: holds no .npy file; convert.py makes them from pictures")
    numbered = _by_id(stems)
    lacking = [i for i in ids or () if i not in numbered]
    if lacking:
        raise InputError(f"{hr_dir}: has no picture {_ranges(lacking)}; it has {_ranges(numbered)}")
    return list(map(numbered.get, numbered if ids is None else ids))


def _by_id(stems):
    """The stems by number, in order, or by position where they are not different numbers."""
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
    """(shape, what is wrong) of a `.npy` file, by its header."""
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
    return [f"{pair.hr}: is {hr[0]} x {hr[1]}, where {pair.lr} is {lr[0]} x {lr[1]} and needs x{scale} of it"]


def _refuse(what, faults):
    if faults:
        listed = [*faults[:LISTED], *([f"and {len(faults) - LISTED} more"] if len(faults) > LISTED else [])]
        raise InputError(f"{what} cannot be used:\n  " + "\n  ".join(listed))


def _fits(mark, scale):
    marked = mark and mark["scale"]
    return not (marked and scale) or int(marked) == scale


def _key(path, folder, mark):
    """The picture's name without its mark, with its subfolder."""
    stem = path.stem[: mark.start()] if mark else path.stem
    return (path.relative_to(folder).parent / stem).as_posix()


def _scale_mark(path, folder, highs, together):
    """The `x2` of an LR name, where it is one: `matrix2.png` is a picture of its own unless there is a `matri.png`."""
    mark = SCALE_MARK.search(path.stem)
    if mark and not together and _key(path, folder, None) in highs:
        return None
    return mark if mark and _key(path, folder, mark) in highs else None
