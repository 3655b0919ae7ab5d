"""Converts many images in parallel. Each output is atomic, nothing is done twice, and an interrupted run is resumed.

A file that exists is replaced or removed only if it is, byte for byte, what the manifest says or what its image gives.
"""

import errno
import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from wdsr_tf import images
from wdsr_tf.data import div2k
from wdsr_tf.data.manifest import MANIFEST, Manifest, is_made
from wdsr_tf.data.pool import in_processes
from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic, is_disk_full, owned, sha256, sweep
from wdsr_tf.system.terminal import one_line


class Task(NamedTuple):
    """What to make of one image.

    Args:
        source: the image.
        files: the files to make, relative to the output folder; the first one identifies the task in the manifest.
        recipe: what is made and how; an image whose recipe changes is converted again.
        make: called as `make(source, paths)` in another process, so it must be a module's function or a partial of one.
        guarded: those of the files that exist and may be somebody else's; `run` finds them.
    """

    source: Path
    files: tuple[str, ...]
    recipe: str
    make: Callable
    guarded: tuple[str, ...] = ()


class Report(NamedTuple):
    """The outcome of a conversion.

    Args:
        done: number of images converted in this run.
        kept: number of images that were already converted.
        failed: (image, reason) for each image that couldn't be read; the reason names the image.
        left_out: (image, reason) for each image that can't be used, for example because it's too small.
        removed: number of images whose files were removed because they don't belong to the dataset any more.
        unpruned: number of images that are gone and whose files were kept, because they are too many to be removed
            without `prune`.
    """

    done: int
    kept: int
    failed: list
    left_out: Sequence = ()
    removed: int = 0
    unpruned: int = 0


def convert_tree(
    indir: Path | str,
    outdir: Path | str,
    jobs: int | None = None,
    verify: bool = False,
    progress: bool = True,
    prune: bool = False,
) -> Report:
    """Converts a tree of images to NumPy arrays.

    `cats/1.png` in `indir` becomes `cats/1.npy` in `outdir`: uint8, H x W x 3, RGB, upright, without transparency.
    Images that were converted before and haven't changed are kept. The arrays of images that are gone are removed,
    unless they are more than a tenth: then the folder may be incomplete, for example because a drive isn't mounted.

    Args:
        indir: folder of images, searched recursively.
        outdir: folder to write to.
        jobs: number of processes. Default: one per core that this process may use.
        verify: whether to check existing files by checksum and not only by size and header.
        progress: whether to show a progress bar on stderr.
        prune: whether to remove the arrays of images that are gone however many they are.

    Raises:
        InputError: if there is no image, or if two images would become one file.
    """
    sources, left_out = listing(indir)
    tasks = mirror(sources, indir, ".npy", "numpy", save_array)
    return run_mirror(tasks, indir, outdir, jobs, verify, progress, prune)._replace(left_out=left_out)


def listing(indir: Path | str) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Returns the images below `indir`, and (file, reason) for each image of a format that isn't read.

    Raises:
        InputError: if there is no image.
    """
    left_out = []
    found = images.find(indir, lambda path, form: left_out.append((path, f"{path}: {form} files aren't supported")))
    if not found:
        named = "".join(f"\n  {one_line(reason)}" for _, reason in left_out[: div2k.LISTED])
        raise InputError(f"{indir}: no images found. Supported suffixes: {', '.join(images.SUFFIXES)}.{named}")
    return found, sorted(left_out)


def mirror(
    sources: list[Path], indir: Path | str, suffix: str, recipe: str, make: Callable, below: str = ""
) -> list[Task]:
    """Returns a task for each of the images below `indir`: one file at the same place below `below` in the output."""
    files = [(Path(below) / source.relative_to(indir).with_suffix(suffix)).as_posix() for source in sources]
    return [Task(source, (file,), recipe, make) for source, file in zip(sources, files, strict=True)]


def run_mirror(
    tasks: list[Task],
    indir: Path | str,
    root: Path | str,
    jobs: int | None = None,
    verify: bool = False,
    progress: bool = True,
    prune: bool = False,
) -> Report:
    """Like `run` for the `tasks` of all images below `indir`; also removes the files of images that are gone."""
    report = run(tasks, root, jobs, verify, progress)
    manifest, recipes = Manifest(Path(root) / MANIFEST), {task.recipe for task in tasks}
    expected = {task.files[0] for task in tasks}

    def is_gone(key, record):
        source = Path(record["source"]["path"])
        ours = record["recipe"] in recipes and source.is_relative_to(Path(indir).absolute())
        return ours and key not in expected and not source.exists()

    gone = [key for key, record in manifest.records.items() if is_gone(key, record)]
    if not (prune or may_remove(len(gone), len(gone) + len(tasks))):
        return report._replace(unpruned=len(gone))
    manifest.remove(gone)
    return report._replace(removed=len(gone))


def may_remove(gone: int, total: int) -> bool:
    """Whether so few of `total` images are gone that it needs no `prune` to remove what was made of them."""
    return 10 * gone <= total


def save_array(source: Path, paths: list[Path]) -> None:
    """Writes an image as one `.npy` file."""
    write_array(paths[0], images.read(source))


def write_array(path: Path, array: np.ndarray) -> None:
    """Writes `array` to `path` (suffix `.npy`), atomically."""
    with atomic(path) as temporary:
        try:
            np.save(temporary, array, allow_pickle=False)
        except OSError as error:
            if error.errno is None:  # NumPy's own "N requested and M written"
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from None
            raise


def run(
    tasks: list[Task],
    root: Path | str,
    jobs: int | None = None,
    verify: bool = False,
    progress: bool = True,
) -> Report:
    """Runs those of `tasks` whose files are missing, damaged or made from other content than their source has now.

    An image that can't be read is reported and doesn't stop the others, and neither does a file that isn't ours: it is
    kept unless it equals what its image gives.

    Args:
        tasks: what to make.
        root: output folder; holds the manifest.
        jobs: number of processes. Default: one per core that this process may use.
        verify: whether to find damaged files by checksum and not only by size and header.
        progress: whether to show a progress bar on stderr.

    Raises:
        InputError: if two tasks have the same file.
        OSError: if the disk is full or read-only.
    """
    root = Path(root)
    reject_collisions({task.source: task.files[0] for task in tasks})
    for folder in {root} | {(root / file).parent for task in tasks for file in task.files}:
        sweep(folder)
    manifest = Manifest(root / MANIFEST)
    checked = tqdm(tasks, "checking", unit="image", disable=not (verify and progress), leave=False)
    todo = []
    for task in checked:
        record = manifest.records.get(task.files[0])
        if not is_current(task, root, record, verify):
            todo.append(task._replace(guarded=_guarded(task, root, record, verify)))
        elif (now := _source(task.source)).items() - record["source"].items():  # moved or touched
            manifest.add({**record, "source": record["source"] | now})
    failed = []
    for task, (record, reason) in in_processes(functools.partial(_perform, root), todo, jobs, progress):
        if record:
            manifest.add(record)
        else:
            failed.append((task.source, reason))
    return Report(len(todo) - len(failed), len(tasks) - len(todo), sorted(failed))


def reject_collisions(files: dict) -> None:
    """Raises InputError if two images would become one file; `files` is {image: file}."""
    sources = {}
    for source, file in files.items():
        sources.setdefault(file, []).append(str(source))
    several = [one_line(f"{', '.join(found)} -> {file}") for file, found in sources.items() if len(found) > 1]
    if several:
        raise InputError("Different images would become one file. Rename one of them:\n  " + "\n  ".join(several))


def _guarded(task, root, record, verify):
    """The task's files that exist and aren't what the manifest says, except for damaged ones that it knows."""
    known = record["files"] if record else {}

    def is_ours(file):
        path = root / file
        if file not in known:
            return False
        return verify or is_made(path, known[file]) or not _is_readable(path)

    return tuple(file for file in task.files if os.path.lexists(root / file) and not is_ours(file))


def _is_readable(path):
    try:
        return bool(_shape(path))
    except (InputError, OSError):
        return False


def is_current(task: Task, root: Path, record: dict | None, verify: bool = False) -> bool:
    """Whether the files of `task` are complete and were made from its source as it is now."""
    if not record or record["recipe"] != task.recipe or tuple(record["files"]) != task.files:
        return False
    if not task.source.is_file() or not _is_same(record["source"], task.source, verify):
        return False
    return all(_is_complete(root / file, facts, verify) for file, facts in record["files"].items())


def _source(path):
    status = path.stat()
    return {"path": str(path.absolute()), "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def _is_same(recorded, path, verify):
    """Whether an image has the content that was recorded: by name, size and time, or else by checksum."""
    now = _source(path)
    if not verify and recorded.items() >= now.items():
        return True
    return recorded["bytes"] == now["bytes"] and recorded.get("sha256") == sha256(path)


def _facts(path):
    return {"bytes": path.stat().st_size, "shape": _shape(path), "sha256": sha256(path)}


def _is_complete(path, facts, verify):
    try:
        if verify:
            return _facts(path) == facts
        return path.stat().st_size == facts["bytes"] and _shape(path) == facts["shape"]
    except (InputError, OSError):
        return False


def _shape(path):
    """The shape in the file's header."""
    return list(div2k.load(path).shape) if path.suffix == ".npy" else [*images.size(path), 3]


def _perform(root, task):
    """(record, None) of the finished task, or (None, reason) if its image can't be used."""
    try:
        source = _source(task.source) | {"sha256": sha256(task.source)}  # first, so that a later change is noticed
        if task.guarded:
            _check_guarded(root, task)
        task.make(task.source, [root / file for file in task.files])
        facts = {file: _facts(root / file) for file in task.files}
    except InputError as error:
        return None, str(error)
    except OSError as error:  # for example, the image vanished or is too wide for JPEG
        if is_disk_full(error):
            raise
        return None, f"{task.source}: {error}"
    return {"source": source, "recipe": task.recipe, "files": facts}, None


def _check_guarded(root, task):
    """Raises InputError unless the guarded files are (the beginning of) what the task makes, as after a killed run."""
    with owned(root) as folder:  # which the next run sweeps if this one is killed
        made = [folder / file for file in task.files]
        task.make(task.source, made)
        for file, path in zip(task.files, made, strict=True):
            if file in task.guarded and ((root / file).is_symlink() or not _is_beginning(root / file, path)):
                raise InputError(
                    f"{root / file}: already exists and wasn't made from {task.source}. Move it, or choose another "
                    "output folder."
                )


def _is_beginning(path, other):
    """Whether a file equals another one, or is what is left of it after damage."""
    return (
        path.is_file()
        and path.stat().st_size <= other.stat().st_size
        and other.read_bytes().startswith(path.read_bytes())
    )
