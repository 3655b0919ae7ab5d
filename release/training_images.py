"""The images that bundled models are trained on: gathered in one folder, and listed with author and license."""

import collections
import csv
import json
import re
from pathlib import Path

from release import leaks
from wdsr_tf import images
from wdsr_tf.data import cache, div2k, layouts
from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic, sha256
from wdsr_tf.images import fingerprint

MANIFEST = "MANIFEST.tsv"  # next to the images or one folder above: columns file, author, license (or licence)
SPLIT = re.compile(r"[^/]+_(train|valid)_HR(?=/|$)")
SOURCES = {  # folders of images by name
    "t91": "training images of Yang et al.",
    "bsd200": "training images of the Berkeley segmentation dataset",
    "photos": "photographs under free licenses",
}
LISTED = "wdsr_tf/weights/training-pictures.csv lists each with its author, license and checksum."


def gather(training, validation, folder, benchmarks):
    """Links images into `folder`/train and `folder`/valid, without those that are benchmark images.

    Links of an earlier call that don't belong there any more are removed.

    Args:
        training, validation: lists of folders with images.
        folder: where the links go.
        benchmarks: the folder that contains the benchmarks' folders.

    Returns:
        What `leaks.find_leaks` found: the images that were left out.
    """
    wanted = {}
    for split, folders in zip(div2k.SPLITS, (training, validation), strict=True):
        for path in (path.resolve() for each in folders for path in images.find(each)):
            link = Path(folder) / split / f"{path.parent.name}-{path.name}"
            if wanted.setdefault(link, path) != path:
                raise InputError(f"{path} and {wanted[link]} would both be named {link.name}. Rename one.")
    described = {link: describe(path, link.parent.name, str(link)) for link, path in wanted.items()}
    found = leaks.find_leaks(described.values(), hr_images(benchmarks))
    for _, link, _ in found:
        wanted.pop(Path(link), None)
    for link in [link for split in div2k.SPLITS for link in Path(folder).glob(f"{split}/*") if link not in wanted]:
        link.unlink()
    for link, path in wanted.items():
        with atomic(link) as temporary:
            temporary.symlink_to(path)
    return found


def hr_images(benchmarks):
    """The HR images in the benchmarks' folders."""
    return [entry.path for entry in layouts.entries(benchmarks) if entry.role != layouts.LR]


def of_dataset(root):
    """Returns the `TrainingImage`s that the dataset at `root` was made from, sorted by split and name."""
    found = []
    for made, source in sources(Path(root)).items():
        path = Path(source["path"]).resolve()
        if not path.is_file() or path.stat().st_size != source["bytes"]:
            raise InputError(f"{path} isn't the file any more that {root} was made from. Make the dataset again.")
        found.append(describe(path, SPLIT.search(made)[1], "/".join(path.parts[-3:])))
    return sorted(found, key=lambda each: (each.split, each.name))


def sources(root):
    """{HR file: what it was made from}, as the dataset's manifest says; `cache.Manifest` would change the manifest."""
    manifest = root / cache.MANIFEST
    if not manifest.is_file():
        raise InputError(f"{root} isn't a dataset that convert.py made: it has no {cache.MANIFEST}.")
    records = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    made = {next(iter(record["files"])): record["source"] for record in records}
    present = {path.relative_to(root).as_posix() for folder in hr_folders(root) for path in folder.glob("*.npy")}
    if unknown := present - made.keys():
        raise InputError(f"The manifest of {root} doesn't list {min(unknown)}. Make the dataset again.")
    return {file: made[file] for file in present}


def changed(root):
    """When an image was last added to, replaced in or removed from the dataset, in seconds since 1970."""
    return max(folder.stat().st_mtime for folder in hr_folders(root))


def hr_folders(root):
    """The folders of HR images in the dataset at `root`, for training and for validation."""
    return [folder for folder in root.iterdir() if SPLIT.fullmatch(folder.name)]


def describe(path, split, name):
    """Returns the `TrainingImage` for the file at `path`."""
    bits = fingerprint.perceptual_hash(images.read(path))
    return leaks.TrainingImage(split, name, *author_and_license(path), sha256(path), f"{bits:016x}")


def author_and_license(path):
    """(author, license) from a MANIFEST.tsv next to the image or one folder above, or ("", "")."""
    for folder in list(path.parents)[:2]:
        if (folder / MANIFEST).is_file():
            with (folder / MANIFEST).open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                    if row["file"] == path.relative_to(folder).as_posix():
                        return row["author"], row.get("license", row.get("licence", ""))
    return "", ""


def summary(training_images):
    """A text for the model's card: how many images from which sources under which licenses."""
    sentences = []
    for split, purpose in (("train", "training"), ("valid", "choosing the checkpoint")):
        groups = collections.defaultdict(list)
        for each in training_images:
            if each.split == split:
                groups[_source(each)].append(each)
        listed = "; ".join(f"{len(group)} {source} ({_licenses(group)})" for source, group in groups.items())
        sentences.append(f"{sum(map(len, groups.values()))} images for {purpose}: {listed}.")
    return f"{' '.join(sentences)} {LISTED}"


def _source(image):
    folders = image.name.split("/")[:-1]
    return next((SOURCES[folder] for folder in folders if folder in SOURCES), f"images of {folders[-1]}")


def _licenses(group):
    counts = collections.Counter(each.license or "license not stated" for each in group)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{license} {count}" for license, count in counts.most_common())
