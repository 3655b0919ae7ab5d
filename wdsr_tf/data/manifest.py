"""The record of what a conversion made: `convert-manifest.jsonl` in the output folder.

One line per image, appended once its files are complete, with the source, its size, time and SHA-256, the recipe, and
the size, shape and SHA-256 of each file. Datasets are handed on, so a manifest isn't trusted: lines with files outside
the folder, or of other kinds, are ignored.
"""

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic, naming, sha256

MANIFEST = "convert-manifest.jsonl"
FACTS = {"bytes", "shape", "sha256"}  # what is recorded of a file
MADE = {".npy", ".jpg"}  # the suffixes of what conversions make


class Manifest:
    """Records of what was made, by the first file of each task.

    Lines are appended, so that an interrupted run loses no finished image. Opening the manifest removes incomplete
    lines and lines that later ones replaced.
    """

    def __init__(self, path: Path):
        if path.is_symlink():
            raise InputError(f"{path}: the manifest is a link. Remove it, or choose another output folder.")
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: isn't a file. Remove it, or choose another output folder.")
        self.path = path
        self.records = {}
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        for line in text.splitlines():
            record = _record(line)
            if record and all(_is_inside(path.parent, file) for file in record["files"]):
                self.records[next(iter(record["files"]))] = record
        if text != self._text():
            self._rewrite()

    def add(self, record: dict) -> None:
        """Appends the record of a finished task."""
        self.records[next(iter(record["files"]))] = record
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with naming(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def remove(self, keys: Iterable[str]) -> None:
        """Removes the records of these tasks, and those of their files that are as they were made."""
        for key in keys:
            for file, facts in self.records.pop(key)["files"].items():
                if is_made(self.path.parent / file, facts):
                    (self.path.parent / file).unlink()
        if keys:
            self._rewrite()

    def _text(self):
        return "".join(json.dumps(record) + "\n" for record in self.records.values())

    def _rewrite(self):
        with atomic(self.path) as temporary:
            temporary.write_text(self._text(), encoding="utf-8")


def _record(line):
    """The record on a line of the manifest; None if the line is incomplete or not ours: the image is done again."""
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
        record = json.loads(line)
        texts = [record["recipe"], record["source"]["path"]]
        files = record["files"].values()
        source = record["source"]
        numbers = [source["bytes"], source["mtime_ns"], *(facts["bytes"] for facts in files)]
        if not all(isinstance(number, int) for number in numbers) or any(map(_is_nested, source.values())):
            return None
        if files and all(facts.keys() >= FACTS for facts in files) and all(isinstance(text, str) for text in texts):
            return record
    return None


def _is_nested(value):
    return isinstance(value, list | dict)


def _is_inside(root, file):
    """Whether a recorded file is one that conversions make, and lies in `root` with all links followed."""
    path = root / file
    try:
        return path.suffix in MADE and path.resolve().is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError):  # a name with a null character, or links in a circle
        return False


def is_made(path: Path, facts: dict) -> bool:
    """Whether a file is, byte for byte, what the manifest says of it."""
    try:
        return path.stat().st_size == facts["bytes"] and not path.is_symlink() and sha256(path) == facts["sha256"]
    except OSError:
        return False
