"""Any folder of pictures -> a complete dataset in the layout of DIV2K, LR by MATLAB's bicubic."""

import functools
import hashlib
import math
import re
from pathlib import Path

from wdsr_tf import images
from wdsr_tf.data import cache, div2k
from wdsr_tf.errors import InputError
from wdsr_tf.images.resize import imresize

VALID = "0.05"  # the part of the pictures that validates, unless the person says


def make_pairs(indir, outdir, scales, name=None, valid=None, lr_patch_size=48, **how):
    """Writes `outdir`/NAME_{train,valid}_{HR,LR_bicubic/X2,...} from the pictures below `indir`; returns a Report.

    Without any `scales` it writes HR alone, for training with LR made on the fly.
    `name` is by default that of `indir`. Where `indir` has folders train and valid, they are the split; else `valid`,
    a number of pictures or a part such as "0.05", are chosen by a hash of their names, the same in every run. A file
    is named for its path, `cats/1.png` -> `cats-1.npy`. HR loses rows below and columns at the right until every scale
    divides it. Pictures with no room for an LR patch at the largest scale are left out. `how` goes to `cache.run`.

    Pictures that are gone from `indir`, or have moved to the other split, are removed from the set. What another
    folder, another name or further scales have made there is not touched: InputError.
    """
    indir, outdir = Path(indir), Path(outdir)
    name = name or indir.resolve().name
    if not re.fullmatch(r"[^./\\][^/\\]*", name):
        raise InputError(f"{name!r} cannot be the name of a dataset; --name takes a word such as MYSET")
    others = set(div2k.dataset_names(outdir)) - {name}
    if others:
        raise InputError(f"{outdir}: holds {', '.join(others)} already; name another folder with -o")

    found = find(indir)
    fitting, left_out, failed = {}, [], []
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
        reasons = "\n  ".join(reason for _, reason in (*left_out, *failed)[: div2k.LISTED])
        raise InputError(f"{indir}: none of {len(found)} pictures can be used:\n  {reasons}")

    cache.refuse_collisions({path: f"{split or name}/{stem}" for path, (split, stem) in fitting.items()})
    chosen = split_up(fitting, valid)
    tasks = [task(path, *chosen[path], name, scales) for path in fitting]
    removed = remove_strays(tasks, indir, outdir, scales)
    report = cache.run(tasks, outdir, **how)
    return report._replace(failed=sorted(report.failed + failed), left_out=left_out, removed=removed)


def cached_hr(indir, folder):
    """The pictures below `indir` as a dataset of HR alone, in a folder of its own below `folder`.

    Returns (the dataset's root, the Report). What is there already is not made again.
    """
    indir = Path(indir).resolve()
    root = Path(folder) / f"{indir.name}-{hashlib.sha256(str(indir).encode()).hexdigest()[:8]}"
    return root, make_pairs(indir, root, (), name="HR", lr_patch_size=1)


def find(indir):
    """(split or None, folder that names are relative to, picture) of every picture below `indir`."""
    folders = [indir / split for split in div2k.SPLITS]
    present = [folder.name for folder in folders if folder.is_dir()]
    if len(present) == 1:
        raise InputError(
            f"{indir}: has a folder {present[0]} without the other one of train and valid; "
            f"-i {indir / present[0]} takes that folder alone and splits it"
        )
    if not present:
        found = [(None, indir, path) for path in images.find(indir)]
    else:
        found = [(folder.name, folder, path) for folder in folders for path in images.find(folder)]
    if not found:
        raise InputError(f"{indir}: holds no picture ({', '.join(images.SUFFIXES)})")
    return found


def too_small(size, scales, lr_patch_size):
    """Why a picture of that height and width is of no use, or None."""
    step, needed = math.lcm(*scales), lr_patch_size * max(scales, default=1)
    if min(size) // step * step >= needed:
        return None
    return f"is {size[0]} x {size[1]}, but LR patches of {lr_patch_size} at x{max(scales)} need {needed} x {needed}"


def split_up(pictures, valid):
    """{picture: (split, name)} with the split decided for every picture."""
    if any(split for split, _ in pictures.values()):
        if valid:
            raise InputError("the folders train and valid are the split already; leave --valid out")
        return pictures
    order = sorted(pictures, key=lambda path: hashlib.sha256(pictures[path][1].encode()).digest())
    count = how_many(valid or VALID, len(order))
    return {path: (div2k.SPLITS[i < count], pictures[path][1]) for i, path in enumerate(order)}


def how_many(text, total):
    """`"12"` -> 12, `"0.05"` -> a twentieth of `total`, at least 1; InputError where none is left to train on."""
    if not re.fullmatch(r"\d+|0?\.\d+", text) or float(text) == 0:
        raise InputError(f"--valid takes a number of pictures, or a part such as 0.05, not {text!r}")
    count = int(text) if text.isdecimal() else max(1, round(float(text) * total))
    if count >= total:
        raise InputError(f"--valid {text} of {total} usable pictures leaves none to train on")
    return count


def task(source, split, stem, name, scales):
    """What is to be made of one picture."""
    hr = f"{div2k.hr_folder(name, split)}/{stem}.npy"
    lrs = [f"{div2k.lr_folder(name, split, 'bicubic', scale)}/{stem}x{scale}.npy" for scale in scales]
    return cache.Task(source, (hr, *lrs), _recipe(scales), functools.partial(write_pairs, scales))


def write_pairs(scales, source, paths):
    """Writes HR, cropped to what every scale divides, and its LR at each scale."""
    hr = images.read(source)
    step = math.lcm(*scales)
    hr = hr[: hr.shape[0] // step * step, : hr.shape[1] // step * step]
    cache.write_array(paths[0], hr)
    for scale, path in zip(scales, paths[1:], strict=True):
        cache.write_array(path, imresize(hr, 1 / scale))


def remove_strays(tasks, indir, outdir, scales):
    """Removes from the set what earlier runs made of pictures below `indir` and `tasks` do not; returns how many."""
    manifest = cache.Manifest(outdir / cache.MANIFEST)
    wanted = {task.files[0] for task in tasks}
    strays = []
    for key, record in manifest.records.items():
        kind, _, made = record["recipe"].partition(" ")
        if kind != "pairs":
            continue
        missing = {int(scale) for scale in made.split(",") if made} - set(scales)
        if missing:
            every = ",".join(map(str, sorted(missing | set(scales))))
            raise InputError(
                f"{outdir}: was made for scales {made}; give --scale {every}, or name another folder with -o"
            )
        if key not in wanted:
            if not Path(record["source"]["path"]).is_relative_to(indir.absolute()):
                raise InputError(
                    f"{outdir}: holds {key}, made from {record['source']['path']}, which is not in {indir}; "
                    "name another folder with -o"
                )
            strays.append(key)
    manifest.remove(strays)
    return len(strays)


def _recipe(scales):
    return f"pairs {','.join(map(str, scales))}"
