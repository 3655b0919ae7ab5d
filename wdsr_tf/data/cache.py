"""Files made from pictures, on all cores: each whole or absent, none made twice, a killed run resumed.

The folder that is written to holds `convert-manifest.jsonl`: one line per picture, appended when its files are whole,
with its source, the source's size and time, the recipe, and the size, shape and SHA-256 of every file.
"""

import contextlib
import errno
import functools
import itertools
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from wdsr_tf import images
from wdsr_tf.data import div2k
from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic, sha256, sweep

MANIFEST = "convert-manifest.jsonl"
FACTS = {"bytes", "shape", "sha256"}  # of a file
HOPELESS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # errors that would meet every picture


class Task(NamedTuple):
    """What becomes of one picture.

    Attributes:
        source: the picture.
        files: what is made of it, relative to the root; the first one stands for the task in the manifest.
        recipe: says what is made and how; a picture whose recipe has changed is done again.
        make: called as `make(source, paths)` in another process, so it is a module's function or a partial of one.
    """

    source: Path
    files: tuple
    recipe: str
    make: Callable


class Report(NamedTuple):
    """How a conversion ended.

    Attributes:
        done, kept: how many pictures were done, and how many were done before.
        failed, left_out: (picture, reason) of those that could not be read, and of those that do not qualify; the
            reason names the picture.
        removed: how many were done before and do not belong any more.
    """

    done: int
    kept: int
    failed: list
    left_out: list | tuple = ()
    removed: int = 0


def convert_tree(indir, outdir, **how):
    """Every picture below `indir` -> uint8 H x W x 3 `.npy` at the same place below `outdir`; `how` goes to `run`."""
    return run_mirror(mirror(indir, ".npy", "numpy", save_array), indir, outdir, **how)


def mirror(indir, suffix, recipe, make, below=""):
    """A task for each picture below `indir`: one file at the same place in the root's folder `below`."""
    sources = images.find(indir)
    if not sources:
        raise InputError(f"{indir}: holds no picture ({', '.join(images.SUFFIXES)})")
    places = [Path(below) / source.relative_to(indir).with_suffix(suffix) for source in sources]
    return [Task(*each, recipe, make) for each in zip(sources, [(p.as_posix(),) for p in places], strict=True)]


def run_mirror(tasks, indir, root, **how):
    """As `run`, for the `tasks` of all pictures below `indir`; removes what was made of those that are gone."""
    report = run(tasks, root, **how)
    manifest, recipes = Manifest(Path(root) / MANIFEST), {task.recipe for task in tasks}
    wanted = {task.files[0] for task in tasks}

    def is_gone(key, record):
        source = Path(record["source"]["path"])
        ours = record["recipe"] in recipes and source.is_relative_to(Path(indir).absolute())
        return ours and key not in wanted and not source.exists()

    gone = [key for key, record in manifest.records.items() if is_gone(key, record)]
    manifest.remove(gone)
    return report._replace(removed=len(gone))


def save_array(source, paths):
    """Writes the picture as one `.npy`."""
    write_array(paths[0], images.read(source))


def write_array(path, array):
    """Writes `array` to `path` (suffix `.npy`), whole or not at all."""
    with atomic(path) as temporary:
        np.save(temporary, array, allow_pickle=False)


def run(tasks, root, jobs=None, verify=False):
    """Does those of `tasks` whose files below `root` are missing, damaged or older than their source.

    Damage is noticed by a file's size and header; with `verify` by its checksum. A picture that cannot be read is
    reported, and the others are done. `jobs` is the number of processes (default: one per core).
    """
    root = Path(root)
    refuse_collisions({task.source: task.files[0] for task in tasks})
    for folder in {root} | {(root / file).parent for task in tasks for file in task.files}:
        sweep(folder)
    manifest = Manifest(root / MANIFEST)
    checked = tqdm(tasks, "checking", unit="picture", disable=not verify, leave=False)
    todo = [task for task in checked if not is_current(task, root, manifest.records.get(task.files[0]), verify)]
    failed = []
    ended = in_processes(functools.partial(_perform, root), todo, jobs)
    for task, (record, reason) in tqdm(ended, total=len(todo), unit="picture", disable=not todo):
        if record:
            manifest.add(record)
        else:
            failed.append((task.source, reason))
    return Report(len(todo) - len(failed), len(tasks) - len(todo), sorted(failed))


def refuse_collisions(files):
    """Raises InputError where two pictures would become one file; `files` is {picture: file}."""
    sources = {}
    for source, file in files.items():
        sources.setdefault(file, []).append(str(source))
    several = [f"{', '.join(found)} -> {file}" for file, found in sources.items() if len(found) > 1]
    if several:
        raise InputError("different pictures would become one file; rename one of them:\n  " + "\n  ".join(several))


class Manifest:
    """What was made, by the first file of each task.

    Lines are appended, so that a killed run loses no finished picture. What a kill left of a line, and lines that
    later ones replaced, are cleared away when the manifest is opened.
    """

    def __init__(self, path):
        self.path = path
        self.records = {}
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        for line in text.splitlines():
            record = _record(line)
            if record:
                self.records[next(iter(record["files"]))] = record
        if text != self._text():
            self._rewrite()

    def add(self, record):
        """Appends the record of a finished task."""
        self.records[next(iter(record["files"]))] = record
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def remove(self, keys):
        """Removes what was made in these tasks, and their records."""
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
    """The record on a line of the manifest; None if it is cut short or none of ours: its picture is done again."""
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
        record = json.loads(line)
        texts = [record["recipe"], record["source"]["path"]]
        files = record["files"].values()
        if files and all(facts.keys() >= FACTS for facts in files) and all(isinstance(text, str) for text in texts):
            return record
    return None


def is_current(task, root, record, verify=False):
    """Whether the files of `task` are whole and were made from its source as it is now."""
    if not record or record["recipe"] != task.recipe or tuple(record["files"]) != task.files:
        return False
    if not task.source.is_file() or record["source"] != _source(task.source):
        return False
    return all(_is_whole(root / file, facts, verify) for file, facts in record["files"].items())


def _source(path):
    status = path.stat()
    return {"path": str(path.absolute()), "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def _facts(path):
    return {"bytes": path.stat().st_size, "shape": _shape(path), "sha256": sha256(path)}


def _is_whole(path, facts, verify):
    try:
        if verify:
            return _facts(path) == facts
        return path.stat().st_size == facts["bytes"] and _shape(path) == facts["shape"]
    except (InputError, OSError):
        return False


def _shape(path):
    """Shape by the file's header."""
    return list(div2k.load(path).shape) if path.suffix == ".npy" else [*images.size(path), 3]


def in_processes(function, items, jobs=None):
    """Yields (item, function(item)) in the order in which they end, from `jobs` processes (default: one per core).

    Few items are ahead of what has been taken, so that results do not pile up.
    """
    jobs = min(jobs or os.cpu_count() or 1, len(items))
    if jobs <= 1:
        yield from ((item, function(item)) for item in items)
        return
    spawn = multiprocessing.get_context("spawn")  # the same on every system
    pool = ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_begin_worker)
    try:
        left = iter(items)
        running = {pool.submit(function, item): item for item in itertools.islice(left, 4 * jobs)}
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                item = running.pop(future)
                running |= {pool.submit(function, other): other for other in itertools.islice(left, 1)}
                yield item, future.result()
    except BrokenProcessPool as error:
        raise InputError("a process was ended from outside, perhaps for want of memory: try --jobs 1") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_worker():
    """Leaves Ctrl-C to the parent, and ends with it: a pool's processes would otherwise outlive its kill."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _perform(root, task):
    """(record, None) of the finished task, or (None, reason) where its picture cannot be used."""
    try:
        source = _source(task.source)  # taken before it is read: a later change shows
        task.make(task.source, [root / file for file in task.files])
        facts = {file: _facts(root / file) for file in task.files}
    except InputError as error:
        return None, str(error)
    except OSError as error:  # such as a picture that vanished, or is too wide for JPEG
        if error.errno in HOPELESS:
            raise
        return None, f"{task.source}: {error}"
    return {"source": source, "recipe": task.recipe, "files": facts}, None
