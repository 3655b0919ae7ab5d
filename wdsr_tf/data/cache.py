"""Converts many images in parallel. Each output is atomic, nothing is done twice, and an interrupted run is resumed.

The output folder has a manifest, `convert-manifest.jsonl`: one line per image, appended once its files are complete,
with the source, its size and time, the recipe, and the size, shape and SHA-256 of each file.
"""

import contextlib
import errno
import functools
import itertools
import json
import multiprocessing
import multiprocessing.resource_tracker
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from wdsr_tf import images
from wdsr_tf.data import div2k
from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic, sha256, sweep

MANIFEST = "convert-manifest.jsonl"
FACTS = {"bytes", "shape", "sha256"}  # what the manifest records of a file
FATAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # errors that every other image would meet, too


class Task(NamedTuple):
    """What to make of one image.

    Args:
        source: the image.
        files: the files to make, relative to the output folder; the first one identifies the task in the manifest.
        recipe: what is made and how; an image whose recipe changes is converted again.
        make: called as `make(source, paths)` in another process, so it must be a module's function or a partial of one.
    """

    source: Path
    files: tuple[str, ...]
    recipe: str
    make: Callable


class Report(NamedTuple):
    """The outcome of a conversion.

    Args:
        done: number of images converted in this run.
        kept: number of images that were already converted.
        failed: (image, reason) for each image that couldn't be read; the reason names the image.
        left_out: (image, reason) for each image that can't be used, for example because it's too small.
        removed: number of images whose files were removed because they don't belong to the dataset any more.
    """

    done: int
    kept: int
    failed: list
    left_out: Sequence = ()
    removed: int = 0


def convert_tree(
    indir: Path | str,
    outdir: Path | str,
    jobs: int | None = None,
    verify: bool = False,
    progress: bool = True,
) -> Report:
    """Converts a tree of images to NumPy arrays.

    `cats/1.png` in `indir` becomes `cats/1.npy` in `outdir`: uint8, H x W x 3, RGB, upright, without transparency.
    Images that were converted before and haven't changed are kept; the arrays of images that are gone are removed.

    Args:
        indir: folder of images, searched recursively.
        outdir: folder to write to.
        jobs: number of processes. Default: one per core.
        verify: whether to check existing files by checksum and not only by size and header.
        progress: whether to show a progress bar on stderr.

    Raises:
        InputError: if there is no image, or if two images would become one file.
    """
    tasks = mirror(indir, ".npy", "numpy", save_array)
    return run_mirror(tasks, indir, outdir, jobs, verify, progress)


def mirror(indir: Path | str, suffix: str, recipe: str, make: Callable, below: str = "") -> list[Task]:
    """Returns a task for each image below `indir`: one file at the same place in the output folder's folder `below`."""
    sources = require_images(images.find(indir), indir)
    files = [(Path(below) / source.relative_to(indir).with_suffix(suffix)).as_posix() for source in sources]
    return [Task(source, (file,), recipe, make) for source, file in zip(sources, files, strict=True)]


def require_images(found: list, folder: Path | str) -> list:
    """Returns `found`, the images of `folder`; raises InputError if there are none."""
    if not found:
        raise InputError(f"{folder}: no images found. Supported suffixes: {', '.join(images.SUFFIXES)}.")
    return found


def run_mirror(
    tasks: list[Task],
    indir: Path | str,
    root: Path | str,
    jobs: int | None = None,
    verify: bool = False,
    progress: bool = True,
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
    manifest.remove(gone)
    return report._replace(removed=len(gone))


def save_array(source: Path, paths: list[Path]) -> None:
    """Writes an image as one `.npy` file."""
    write_array(paths[0], images.read(source))


def write_array(path: Path, array: np.ndarray) -> None:
    """Writes `array` to `path` (suffix `.npy`), atomically."""
    with atomic(path) as temporary:
        np.save(temporary, array, allow_pickle=False)


def run(
    tasks: list[Task],
    root: Path | str,
    jobs: int | None = None,
    verify: bool = False,
    progress: bool = True,
) -> Report:
    """Runs those of `tasks` whose files are missing, damaged or older than their source.

    An image that can't be read is reported and doesn't stop the others.

    Args:
        tasks: what to make.
        root: output folder; holds the manifest.
        jobs: number of processes. Default: one per core.
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
    todo = [task for task in checked if not is_current(task, root, manifest.records.get(task.files[0]), verify)]
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
    several = [f"{', '.join(found)} -> {file}" for file, found in sources.items() if len(found) > 1]
    if several:
        raise InputError("Different images would become one file. Rename one of them:\n  " + "\n  ".join(several))


class Manifest:
    """Records of what was made, by the first file of each task.

    Lines are appended, so that an interrupted run loses no finished image. Opening the manifest removes incomplete
    lines and lines that later ones replaced.
    """

    def __init__(self, path: Path):
        self.path = path
        self.records = {}
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        for line in text.splitlines():
            record = _record(line)
            if record:
                self.records[next(iter(record["files"]))] = record
        if text != self._text():
            self._rewrite()

    def add(self, record: dict) -> None:
        """Appends the record of a finished task."""
        self.records[next(iter(record["files"]))] = record
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def remove(self, keys: Iterable[str]) -> None:
        """Removes the files and records of these tasks."""
        for key in keys:
            for file in self.records[key]["files"]:
                (self.path.parent / file).unlink(missing_ok=True)
            del self.records[key]
        if keys:
            self._rewrite()

    def _text(self):
        return "".join(json.dumps(record) + "\n" for record in self.records.values())

    def _rewrite(self):
        with atomic(self.path) as temporary:
            temporary.write_text(self._text(), encoding="utf-8")


def _record(line):
    """The record on a line of the manifest; None if the line is incomplete or not ours: the image is done again."""
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
        record = json.loads(line)
        texts = [record["recipe"], record["source"]["path"]]
        files = record["files"].values()
        if files and all(facts.keys() >= FACTS for facts in files) and all(isinstance(text, str) for text in texts):
            return record
    return None


def is_current(task: Task, root: Path, record: dict | None, verify: bool = False) -> bool:
    """Whether the files of `task` are complete and were made from its source as it is now."""
    if not record or record["recipe"] != task.recipe or tuple(record["files"]) != task.files:
        return False
    if not task.source.is_file() or record["source"] != _source(task.source):
        return False
    return all(_is_complete(root / file, facts, verify) for file, facts in record["files"].items())


def _source(path):
    status = path.stat()
    return {"path": str(path.absolute()), "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


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


def in_processes(
    function: Callable, items: Sequence, jobs: int | None = None, progress: bool = True
) -> Iterator[tuple[Any, Any]]:
    """Calls `function` for each item in parallel and yields (item, result) as calls end.

    Only a few items are started ahead of what was consumed, so that results don't pile up.

    Args:
        function: a module's function or a partial of one.
        items: its arguments.
        jobs: number of processes. Default: one per core; 1 runs in this process.
        progress: whether to show a progress bar on stderr.

    Raises:
        InputError: if a process was killed.
    """
    jobs = min(jobs or os.cpu_count() or 1, len(items))
    ended = _in_pool(function, items, jobs) if jobs > 1 else ((item, function(item)) for item in items)
    with contextlib.closing(ended):
        yield from tqdm(ended, total=len(items), unit="image", disable=not (progress and items))


def _in_pool(function, items, jobs):
    spawn = multiprocessing.get_context("spawn")  # the same on every system
    pool, left = ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_begin_worker), iter(items)

    def submitted(count):
        with _uninterrupted():
            return {pool.submit(function, item): item for item in itertools.islice(left, count)}

    try:
        running = submitted(4 * jobs)
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                item = running.pop(future)
                running |= submitted(1)
                yield item, future.result()
    except BrokenProcessPool as error:
        raise InputError(
            "A worker process was killed, probably because memory ran out. Try one process: --jobs 1 (in Python, "
            "jobs=1)."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _uninterrupted():
    """Starts processes that Ctrl-C doesn't reach, even before `_begin_worker`: they inherit what is blocked.

    In this process it takes effect at the end: a process that is started by halves prints a traceback, too.
    """
    if not hasattr(signal, "pthread_sigmask") or threading.current_thread() is not threading.main_thread():
        yield
        return
    multiprocessing.resource_tracker.ensure_running()  # else it unblocks the signal when it's started
    interrupts = []
    handler = signal.signal(signal.SIGINT, lambda *arguments: interrupts.append(arguments))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGINT, handler)
        if interrupts and callable(handler):
            handler(*interrupts[0])


def _begin_worker():
    """Leaves Ctrl-C to the parent, and exits with it: a pool's processes would survive a kill of the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _perform(root, task):
    """(record, None) of the finished task, or (None, reason) if its image can't be used."""
    try:
        source = _source(task.source)  # before reading, so that a later change is noticed
        task.make(task.source, [root / file for file in task.files])
        facts = {file: _facts(root / file) for file in task.files}
    except InputError as error:
        return None, str(error)
    except OSError as error:  # for example, the image vanished or is too wide for JPEG
        if error.errno in FATAL:
            raise
        return None, f"{task.source}: {error}"
    return {"source": source, "recipe": task.recipe, "files": facts}, None
