"""How datasets and benchmarks name their folders and files: one table for `convert`, `train`, and `bench`.

A folder or a file name can tell whether an image is LR or HR, its scale, its downgrade, and its split. Doubly nested
folders (`Set5/Set5/HR`), as some archives unpack, don't matter.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from wdsr_tf import images
from wdsr_tf.errors import InputError

HR, LR = "HR", "LR"


class Pattern(NamedTuple):
    """One row of the table: examples, what they mean (HR, LR, or None if they tell only a scale), and the pattern."""

    examples: str
    role: str | None
    regex: re.Pattern


def _pattern(examples, role, regex):
    return Pattern(examples, role, re.compile(regex, re.IGNORECASE))


FOLDERS = (
    _pattern("NAME_train_HR, NAME_valid_HR", HR, r".+_(?P<split>train|valid|test)_HR"),
    _pattern(
        "NAME_train_LR_bicubic, NAME_train_LR_bicubic_X2, NAME_valid_LR_mild, NAME_valid_LR_x8",
        LR,
        r".+_(?P<split>train|valid|test)_LR_(?P<downgrade>.+?)(?:_X(?P<scale>\d+))?",
    ),
    _pattern("image_SRF_2", None, r"image_SRF_(?P<scale>\d+)"),
    _pattern("HR, SET_HR, GTmod12", HR, r"(?:.+_)?HR|GT(?:mod\d+)?|original"),
    _pattern("LRbicx2, LRBI, LRBD, LRDN", LR, r"LR_?(?P<downgrade>bic|BI|BD|DN)(?:_?x(?P<scale>\d+))?"),
    _pattern(
        "LR_bicubic, LR_x2, SET_LR_x2, LR",
        LR,
        r"(?:.+_)?LR(?:_(?P<downgrade>(?!x\d+$)[a-z].*?))?(?:_?x(?P<scale>\d+))?",
    ),
    _pattern("X2, x2", None, r"x(?P<scale>\d+)"),
)
NAMES = (
    _pattern("img_SRF_2_HR", HR, r"_SRF_(?P<scale>\d+)_HR$"),
    _pattern("img_SRF_2_LR", LR, r"_SRF_(?P<scale>\d+)_LR$"),
    _pattern("img_HR, img_HR_x2", HR, r"_(?:HR|GT)(?:_?x?(?P<scale>\d+))?$"),
    _pattern("img_bicLRx2", LR, r"_(?P<downgrade>bic)_?LR_?x?(?P<scale>\d+)$"),
    _pattern("img_LRBI_x2", LR, r"_LR(?P<downgrade>BI|BD|DN)_?x?(?P<scale>\d+)$"),
    _pattern("img_LR, img_LR2, img_LR_x2", LR, r"_LR(?:_?x?(?P<scale>\d+))?$"),
)
# A mark only if there is an HR image without it: `matrix2.png` is an image of its own unless there is a `matri.png`.
SCALED = _pattern("imgx2, img_x2, imgx4m, imgx4d, imgx4w1", LR, r"_?x(?P<scale>\d+)(?:[md]|(?P<variant>w\d?))?$")
SCALE_OF_TEST_FOLDER = re.compile(r"(?P<scale>\d)")  # RealSR: Test/2/Canon_001_HR.png
DOWNGRADES = {"bic": "bicubic", "bi": "bicubic"}  # short names


class Entry(NamedTuple):
    """An image and what its name and folders tell.

    Args:
        path: the file.
        key: its name without marks, with the folders that mean nothing here; the same for LR and HR.
        role: HR, LR or None.
        scale: None if nothing tells it.
        downgrade: None if nothing tells it.
        split: None if nothing tells it.
        variant: of several LR images of one HR image, as in DIV2K's track "wild": "w1".
    """

    path: Path
    key: str
    role: str | None = None
    scale: int | None = None
    downgrade: str | None = None
    split: str | None = None
    variant: str = ""

    def without_scale(self) -> "Entry | None":
        """Returns the LR image that this is if the `x2` at the end of its name is a mark; None without an `x2`."""
        mark = SCALED.regex.search(self.path.stem)
        if not mark or not mark.start() or self.key != _key(self.key, self.path.stem):
            return None
        key = _key(self.key, self.path.stem[: mark.start()])
        return self._replace(key=key, role=LR, scale=int(mark["scale"]), variant=mark["variant"] or "")

    def fits(self, scale: int | None) -> bool:
        """Whether this image can be of `scale`."""
        return None in (self.scale, scale) or self.scale == scale


def classify(path: Path, folder: Path) -> Entry:
    """Returns what the name of `path` and its folders below `folder` tell."""
    facts, rest = {}, []
    named = next((pair for pair in ((p, p.regex.search(path.stem)) for p in NAMES) if pair[1]), None)
    for part in path.relative_to(folder).parts[:-1]:
        pattern, mark = _folder(part)
        if pattern is None and named and (mark := SCALE_OF_TEST_FOLDER.fullmatch(part)):
            pattern = FOLDERS[-1]
        if pattern is None:
            rest.append(part)
        else:
            facts.update(_facts(pattern, mark))
    stem = path.stem
    if named and named[1].start():
        facts.update(_facts(*named))
        stem = stem[: named[1].start()]
    return Entry(path, "/".join([*rest, stem]), **facts)


def entries(folder: Path | str, paths: Iterable[Path] | None = None) -> list[Entry]:
    """Returns the entries of all images below `folder`, or of `paths`."""
    return [classify(path, Path(folder)) for path in (images.find(folder) if paths is None else paths)]


def cropped(found: list[Entry]) -> list[Entry]:
    """Returns the entries without those in BasicSR's folder `original` if their cropped versions are in `GTmod12`."""
    folders = {entry.path.parent.name.lower() for entry in found}
    if any(name.startswith("gtmod") for name in folders):
        return [entry for entry in found if entry.path.parent.name.lower() != "original"]
    return found


def roles(found: Iterable[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Returns (HR, LR) of the images of one tree; an image without any mark is HR."""
    found = list(found)
    keys = {entry.key for entry in found if entry.role != LR}
    highs, lows = [], []
    for entry in found:
        marked = entry.without_scale() if entry.role is None else None
        if marked and marked.key in keys:
            lows.append(marked)
        else:
            (lows if entry.role == LR else highs).append(entry)
    return highs, lows


def group(highs: Iterable[Entry], lows: Iterable[Entry], scale: int | None) -> tuple[dict, dict]:
    """Returns {key: HR paths} and {key: {variant: LR paths}} of one scale, with equal keys for partners."""
    by_high, by_low = {}, {}
    for entry in highs:
        if entry.fits(scale):
            by_high.setdefault(entry.key, []).append(entry.path)
    for entry in lows:
        if entry.key not in by_high:
            entry = entry.without_scale() or entry
        if entry.fits(scale):
            by_low.setdefault(entry.key, {}).setdefault(entry.variant, []).append(entry.path)
    return by_high, by_low


def partners(found: Iterable[Entry]) -> dict[Path, Path]:
    """Returns {LR image: its HR image} for the images of one tree that have both."""
    by_high, by_low = group(*roles(found), None)
    both = by_low.keys() & by_high.keys()
    return {low: by_high[key][0] for key in both for paths in by_low[key].values() for low in paths}


def scales(lows: Iterable[Entry]) -> list[str]:
    """Returns the scales that LR images are marked with, such as "x2", for messages."""
    found = {entry.scale or getattr(entry.without_scale(), "scale", None) for entry in lows}
    return [f"x{scale}" for scale in sorted(found - {None})]


def patterns() -> str:
    """Returns the table as text, for messages."""
    lines = [f"{role} folders: {_examples(FOLDERS, role)}" for role in (HR, LR)]
    lines += [f"{role} names: {_examples((*NAMES, SCALED), role)}" for role in (HR, LR)]
    return "\n  ".join(["Known layouts:", *lines])


def refuse_mixture(folder: Path | str, found: Iterable[Entry]) -> None:
    """Raises InputError if images without marks look like LR and HR: the same name, and sizes of one ratio."""
    by_stem = {}
    for entry in found:
        by_stem.setdefault(entry.path.stem, []).append(entry.path)
    for stem, paths in by_stem.items():
        for length in range(3, len(stem) + 1):
            if stem[length - 1].isdigit() and stem[length:][:1].isdigit():
                continue  # 1001 has nothing to do with 100
            for first in by_stem.get(stem[:length], ()):
                for second in paths:
                    if first != second and _is_multiple(images.size(first), images.size(second)):
                        raise InputError(
                            f"{folder}: {first.relative_to(folder)} and {second.relative_to(folder)} look like one "
                            f"image in two sizes, but nothing tells which is LR.\n  {patterns()}"
                        )


def _is_multiple(one, other):
    (small, large) = sorted((one, other))
    factor = round(large[0] / small[0])
    return factor > 1 and all(abs(low * factor - high) < factor for low, high in zip(small, large, strict=True))


def _folder(name):
    return next(((p, mark) for p in FOLDERS if (mark := p.regex.fullmatch(name))), (None, None))


def _facts(pattern, mark):
    facts = {name: value for name, value in mark.groupdict().items() if value}
    if pattern.role:
        facts["role"] = pattern.role
    if "downgrade" in facts:
        facts["downgrade"] = DOWNGRADES.get(facts["downgrade"].lower(), facts["downgrade"])
        if alone := re.fullmatch(r"x(\d+)", facts["downgrade"]):
            facts["scale"] = alone[1]
    if "split" in facts:
        facts["split"] = facts["split"].lower()
    return facts | ({"scale": int(facts["scale"])} if "scale" in facts else {})


def _key(key, stem):
    return "/".join([*key.split("/")[:-1], stem])


def _examples(table, role):
    return ", ".join(pattern.examples for pattern in table if pattern.role == role)
