"""Makes a complete dataset in the layout of DIV2K from any folder of images, with LR by MATLAB's bicubic."""

import functools
import hashlib
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

from wdsr_tf import images
from wdsr_tf.data import cache, div2k, layouts
from wdsr_tf.errors import InputError, line
from wdsr_tf.images.resize import imresize
from wdsr_tf.system.terminal import one_line

VALID = "0.05"  # share of the images for validation, by default


def make_pairs(
    indir: Path | str,
    outdir: Path | str,
    scales: Sequence[int],
    name: str | None = None,
    valid: str | int | float | None = None,
    lr_patch_size: int = 48,
    jobs: int | None = None,
    verify: bool = False,
    progress: bool = True,
    prune: bool = False,
) -> cache.Report:
    """Makes a dataset of HR and LR images: `outdir`/NAME_{train,valid}_{HR,LR_bicubic/X2,...}/*.npy.

    HR loses rows at the bottom and columns at the right until every scale divides its size. `cats/1.png` becomes
    `cats-1.npy`. Images that were converted before and haven't changed are kept. Files of images that are now in the
    other split are removed; those of images that are gone too, unless they are more than a tenth.

    Args:
        indir: folder of images, searched recursively. If it has folders `train` and `valid`, they are the split.
        outdir: folder to write to; holds one dataset.
        scales: upscaling factors, such as (2, 3, 4). Without any, only HR is written, to make LR during training.
        name: of the dataset. Default: the name of `indir`.
        valid: number of validation images (12), or their share (0.05, the default). They are chosen by a hash of their
            names, the same in every run.
        lr_patch_size: side of an LR patch in pixels; images too small for one at the largest scale are left out.
        jobs: number of processes. Default: one per core that this process may use.
        verify: whether to check existing files by checksum and not only by size and header.
        progress: whether to show a progress bar on stderr.
        prune: whether to remove the files of images that are gone however many they are.

    Returns:
        A `Report`, which names the images that failed or were left out.

    Raises:
        InputError: if no image can be used, if the split is impossible, if two images would get one name, or if
            `outdir` holds files of another dataset, another folder or further scales.
    """
    indir, outdir = Path(indir), Path(outdir)
    name = name or indir.resolve().name
    if not re.fullmatch(r"[^./\\][^/\\]*", name):
        raise InputError(f"{name!r} can't be the name of a dataset. Choose a name such as MYSET.")
    others = set(div2k.dataset_names(outdir)) - {name}
    if others:
        raise InputError(f"{outdir}: already holds the dataset {', '.join(others)}. Choose another output folder.")

    found, left_out = find_split(indir)
    fitting, failed = {}, []
    for split, folder, path in found:
        try:
            shortage = too_small(images.size(path), scales, lr_patch_size)
        except InputError as error:
            failed.append((path, str(error)))
            continue
        if shortage:
            left_out.append((path, f"{path}: {shortage}"))
        else:
            fitting[path] = (split, "-".join(path.relative_to(folder).with_suffix("").parts))
    if not fitting:
        reasons = "\n  ".join(one_line(reason) for _, reason in (*left_out, *failed)[: div2k.LISTED])
        raise InputError(f"{indir}: none of {len(found)} images can be used:\n  {reasons}")

    cache.reject_collisions({path: f"{split or name}/{stem}" for path, (split, stem) in fitting.items()})
    chosen = choose_split(fitting, valid)
    tasks = [_task(path, *chosen[path], name, scales) for path in fitting]
    removed, unpruned = _remove_strays(tasks, indir, outdir, scales, prune)
    report = cache.run(tasks, outdir, jobs, verify, progress)
    failed = sorted(report.failed + failed)
    return report._replace(failed=failed, left_out=left_out, removed=removed, unpruned=unpruned)


def cached_hr(indir: Path | str, folder: Path | str) -> tuple[Path, cache.Report]:
    """Converts a folder of images to an HR-only dataset in a subfolder of `folder`, unless it's there already.

    Returns:
        The root of the dataset, and the `Report` of the conversion.
    """
    indir = Path(indir).resolve()
    root = Path(folder) / f"{indir.name}-{hashlib.sha256(os.fsencode(indir)).hexdigest()[:8]}"
    return root, make_pairs(indir, root, (), name="HR", lr_patch_size=1, prune=True)


def find_split(indir: Path) -> tuple[list[tuple[str | None, Path, Path]], list[tuple[Path, str]]]:
    """Returns the images below `indir` to use, and (image, reason) for each that is left out.

    That is each LR image whose HR image is there too, and each image of a format that isn't read.

    Each of the former is (split or None, folder that names are relative to, image).
    """
    folders = [indir / split for split in div2k.SPLITS]
    present = [folder.name for folder in folders if folder.is_dir()]
    if len(present) == 1:
        raise InputError(
            f"{indir}: has a folder {present[0]} without the other one of train and valid. Give {indir / present[0]} "
            "as the input folder to split its images."
        )
    lows, found, left_out = {}, [], []
    for folder in folders if present else [indir]:
        sources, others = cache.listing(folder)
        left_out += others
        entries = layouts.entries(folder, sources)
        lows |= layouts.partners(entries)
        found += [(folder.name if present else None, folder, entry.path) for entry in entries]
    left_out += [(low, f"{low}: is the LR image of {high}") for low, high in sorted(lows.items())]
    return [each for each in found if each[2] not in lows], left_out


def too_small(size: tuple[int, int], scales: Sequence[int], lr_patch_size: int) -> str | None:
    """Returns why an image of `size` (height, width) is too small for a patch; None if it isn't."""
    step, needed = math.lcm(*scales), lr_patch_size * max(scales, default=1)
    if min(size) // step * step >= needed:
        return None
    return f"is {size[0]} x {size[1]}, but LR patches of {lr_patch_size} at x{max(scales)} need {needed} x {needed}"


def choose_split(listing: dict, valid: str | int | float | None) -> dict:
    """Returns {image: (split, name)} with a split for every image of `listing`, {image: (split or None, name)}."""
    if any(split for split, _ in listing.values()):
        if valid is not None:
            raise InputError("The folders train and valid are the split already; leave valid (--valid) out.")
        return listing
    order = sorted(listing, key=lambda path: hashlib.sha256(os.fsencode(listing[path][1])).digest())
    count = validation_count(VALID if valid is None else str(valid), len(order))
    return {path: (div2k.SPLITS[i < count], listing[path][1]) for i, path in enumerate(order)}


def validation_count(text: str, total: int) -> int:
    """`"12"` -> 12; `"0.05"` -> a twentieth of `total`, at least 1. Raises InputError if none is left for training."""
    if not re.fullmatch(r"\d+|0?\.\d+", text) or float(text) == 0:
        raise InputError(f"valid (--valid) must be a number of images, or a share such as 0.05, not {text!r}.")
    count = int(text) if text.isdecimal() else max(1, round(float(text) * total))
    if count >= total:
        raise InputError(f"valid (--valid) {text} of {total} usable images leaves none for training.")
    return count


def write_pairs(scales: Sequence[int], source: Path, paths: list[Path]) -> None:
    """Writes HR, cropped to a size that every scale divides, and LR at each scale."""
    hr = images.read(source)
    step = math.lcm(*scales)
    hr = hr[: hr.shape[0] // step * step, : hr.shape[1] // step * step]
    cache.write_array(paths[0], hr)
    for scale, path in zip(scales, paths[1:], strict=True):
        cache.write_array(path, imresize(hr, 1 / scale))


def _task(source, split, stem, name, scales):
    hr = f"{div2k.hr_folder(name, split)}/{stem}.npy"
    lrs = [f"{div2k.lr_folder(name, split, 'bicubic', scale)}/{stem}x{scale}.npy" for scale in scales]
    recipe = f"pairs {','.join(map(str, scales))}"
    return cache.Task(source, (hr, *lrs), recipe, functools.partial(write_pairs, scales))


def _remove_strays(tasks, indir, outdir, scales, prune):
    """Removes what earlier runs made of images below `indir` and `tasks` don't make.

    Returns:
        (number of images whose files were removed, number of those that are gone and need `prune`).
    """
    manifest = cache.Manifest(outdir / cache.MANIFEST)
    expected = {task.files[0] for task in tasks}
    strays = []
    for key, record in manifest.records.items():
        kind, _, made = record["recipe"].partition(" ")
        if kind != "pairs":
            continue
        if not re.fullmatch(r"((^|,)\d{1,2})*", made, re.ASCII):
            continue
        missing = {int(scale) for scale in made.split(",") if made} - set(scales)
        if missing:
            every = ",".join(map(str, sorted(missing | set(scales))))
            raise InputError(
                f"{outdir}: was made for scales {line(made)}. Use scales {every}, or another output folder."
            )
        if key not in expected:
            if not Path(record["source"]["path"]).is_relative_to(indir.absolute()):
                raise InputError(
                    f"{outdir}: holds {line(key)}, made from {line(record['source']['path'])}, which is not in "
                    f"{indir}. Choose another output folder."
                )
            strays.append(key)
    sources = {str(task.source.absolute()) for task in tasks}
    gone = [key for key in strays if manifest.records[key]["source"]["path"] not in sources]
    unpruned = [] if prune or cache.may_remove(len(gone), len(gone) + len(tasks)) else gone
    removed = [key for key in strays if key not in unpruned]
    manifest.remove(removed)
    return len(removed), len(unpruned)
