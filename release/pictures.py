"""The pictures that the networks which ship are trained on: gathered in one folder, and listed for whoever asks."""

import collections
import csv
import json
import re
from pathlib import Path

from release import leaks
from wdsr_tf import images
from wdsr_tf.data import cache, div2k
from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic

MANIFEST = "MANIFEST.tsv"  # of a folder of pictures, or of the one above it: columns file, author, license
SPLIT = re.compile(r"[^/]+_(train|valid)_HR(?=/|$)")
SOURCES = {  # folders of ../shared/images by name
    "t91": "training pictures of Yang et al.",
    "bsd200": "training pictures of the Berkeley segmentation dataset",
    "photos": "photographs under free licenses",
}
LISTED = "wdsr_tf/weights/training-pictures.csv lists each with its author, license and checksum."


def gather(training, validation, folder, benchmarks):
    """Links the pictures below the folders into `folder`/train and `folder`/valid; returns what `leaks.leaks` found.

    What is among the pictures of `benchmarks` is left out, and removed where an earlier call has linked it.
    """
    wanted = {}
    for split, folders in zip(div2k.SPLITS, (training, validation), strict=True):
        for path in (path.resolve() for each in folders for path in images.find(each)):
            link = Path(folder) / split / f"{path.parent.name}-{path.name}"
            if wanted.setdefault(link, path) != path:
                raise InputError(f"{path} and {wanted[link]} would have one name, {link.name}")
    seen = {link: described(path, link.parent.name, str(link)) for link, path in wanted.items()}
    found = leaks.leaks(seen.values(), originals(benchmarks))
    for _, link, _ in found:
        wanted.pop(Path(link), None)
    for link in [link for split in div2k.SPLITS for link in Path(folder).glob(f"{split}/*") if link not in wanted]:
        link.unlink()
    for link, path in wanted.items():
        with atomic(link) as temporary:
            temporary.symlink_to(path)
    return found


def originals(benchmarks):
    """The HR pictures of the benchmarks' folders."""
    return [path for path in images.find(benchmarks) if not div2k.LR_MARK.search(path.stem)]


def of_dataset(root):
    """The `leaks.Seen` of every picture that the dataset at `root` was made from, sorted by split and name."""
    seen = []
    for made, source in sources(Path(root)).items():
        path = Path(source["path"]).resolve()
        if not path.is_file() or path.stat().st_size != source["bytes"]:
            raise InputError(f"{path}: is not any more what {root} was made from")
        seen.append(described(path, SPLIT.search(made)[1], "/".join(path.parts[-3:])))
    return sorted(seen, key=lambda each: (each.split, each.name))


def sources(root):
    """{HR file: what it was made from} by the manifest, which `cache.Manifest` would tidy up and this only reads."""
    manifest = root / cache.MANIFEST
    if not manifest.is_file():
        raise InputError(f"{root}: is no dataset that convert.py made: it has no {cache.MANIFEST}")
    records = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    made = {next(iter(record["files"])): record["source"] for record in records}
    there = {path.relative_to(root).as_posix() for folder in hr_folders(root) for path in folder.glob("*.npy")}
    if unknown := there - made.keys():
        raise InputError(f"{root}: nothing tells what {min(unknown)} was made from")
    return {file: made[file] for file in there}


def changed(root):
    """When a picture was last added to the dataset, replaced or removed, in seconds since 1970."""
    return max(folder.stat().st_mtime for folder in hr_folders(root))


def hr_folders(root):
    """The folders of HR pictures in the dataset at `root`, for training and for validation."""
    return [folder for folder in root.iterdir() if SPLIT.fullmatch(folder.name)]


def described(path, split, name):
    """The `leaks.Seen` of the picture at `path`."""
    author, license = stated(path)
    bits = leaks.perceptual_hash(images.read(path))
    return leaks.Seen(split, name, author, license, leaks.sha256(path), f"{bits:016x}")


def stated(path):
    """(author, license) that a MANIFEST.tsv beside or above the picture states, or ("", "")."""
    for folder in list(path.parents)[:2]:
        if (folder / MANIFEST).is_file():
            with (folder / MANIFEST).open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                    if row["file"] == path.relative_to(folder).as_posix():
                        return row["author"], row["license"]
    return "", ""


def summary(seen):
    """One text on what `seen` is: how many pictures of which folders, under which licenses."""
    sentences = []
    for split, purpose in (("train", "to train on"), ("valid", "to choose the checkpoint by")):
        groups = collections.defaultdict(list)
        for each in seen:
            if each.split == split:
                groups[_source(each)].append(each)
        listed = "; ".join(f"{len(group)} {source} ({_licenses(group)})" for source, group in groups.items())
        sentences.append(f"{sum(map(len, groups.values()))} pictures {purpose}: {listed}.")
    return f"{' '.join(sentences)} {LISTED}"


def _source(seen):
    """In words, what a picture is one of."""
    folders = seen.name.split("/")[:-1]
    return next((SOURCES[folder] for folder in folders if folder in SOURCES), f"pictures of {folders[-1]}")


def _licenses(group):
    counts = collections.Counter(each.license or "license not stated" for each in group)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{license} {count}" for license, count in counts.most_common())
