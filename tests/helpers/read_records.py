"""Damages files that `wdsr_tf` writes and reads back, reads them, and prints a result for each.

Tests run `python -m tests.helpers.read_records FOLDER FORMAT COUNT` as a process of bounded memory. It exits if reading
runs anything, or writes or removes something outside FOLDER. In it, FOLDER/mine has the files of a person, which have
to stay as they are.
"""

import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.helpers import mutations
from tests.helpers.read_weights import ADDRESS_SPACE, WRITING, peak
from tests.helpers.record_formats import FORMATS, RGB
from wdsr_tf.data import store_file
from wdsr_tf.errors import InputError

SECONDS = 20
RUNNING = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.", "socket.", "pickle.find_class", "pty.")
CHANGING = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
allowed = None  # the folder in which files may be written; while it's None, anywhere


def damage(rng, form, path, mine):
    """Damages the file at `path` in one of the ways that there are."""
    is_text = path.suffix in (".jsonl", ".json", ".txt", ".csv")
    match rng.randrange(6):
        case 0:
            path.write_bytes(mutations.broken(rng, path.read_bytes()))
        case 1 | 2 if is_text:
            path.write_bytes(mutations.rearranged(rng, path.read_bytes()))
        case 3:
            mutations.replaced(rng, path, mine)
        case _ if form.damage:
            form.damage(rng, path)
        case _:
            path.write_bytes(mutations.rearranged(rng, path.read_bytes()))


def watch(event, arguments):
    """Exits if something is run, or written or removed outside of the folder `allowed`."""
    if event.startswith(RUNNING):
        stop(event, arguments)
    if event == "open":
        file, _, flags = arguments
        if isinstance(flags, int) and flags & WRITING and not isinstance(file, int):
            check(event, file)
    elif event.startswith(CHANGING):
        for path in arguments[: 2 if event in ("os.rename", "os.link") else 1]:
            check(event, path, arguments[-1])


def check(event, path, parent=-1):
    """Exits if `path`, relative to the folder with the descriptor `parent`, lies elsewhere."""
    path = Path(os.fsdecode(path))
    if not path.is_absolute() and isinstance(parent, int) and parent >= 0:
        path = Path(f"/proc/self/fd/{parent}").readlink() / path
    if allowed and str(path) != os.devnull and not path.parent.resolve().is_relative_to(allowed):
        stop(event, str(path))


def stop(event, arguments):
    """Says what was done, and exits."""
    print(json.dumps({"forbidden": f"{event} {arguments}"}), flush=True)
    os._exit(3)


def skip_waiting_for_the_disk():
    """Nothing here outlives the machine."""
    os.fsync, connect = lambda descriptor: None, store_file.connect

    def unsynchronized(*arguments, **options):
        db = connect(*arguments, **options)
        db.execute("PRAGMA synchronous = OFF")
        return db

    store_file.connect = unsynchronized


def persons(folder):
    """The names, links and bytes of a person's files."""
    return {
        str(path): path.readlink() if path.is_symlink() else path.read_bytes()
        for path in sorted((folder / "mine").rglob("*")) + sorted((folder / "work").rglob("own.*"))
        if not path.is_dir()
    }


def main(folder, name, count):
    global allowed
    skip_waiting_for_the_disk()
    folder, form = Path(folder), FORMATS[name]
    for each in ("whole", "mine", "temporary"):
        (folder / each).mkdir(parents=True)
    tempfile.tempdir = str(folder / "temporary")
    os.environ["XDG_CACHE_HOME"] = str(folder / "work" / "cache")
    (folder / "mine" / "diary.txt").write_text("Dear diary")
    np.save(folder / "mine" / "diary.npy", RGB)
    whole, work = folder / "whole", folder / "work"
    names = [path.relative_to(whole) for path in sorted(form.make(whole))]
    shutil.copytree(whole, work, symlinks=True)
    form.read(work)  # whole files are read
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    sys.addaudithook(watch)
    for i in range(int(count)):
        allowed = None
        shutil.rmtree(work)
        shutil.copytree(whole, work, symlinks=True)
        rng = random.Random(f"{name} {i}")
        path = work / names[i % len(names)]
        print(json.dumps({"number": i, "file": path.name}), flush=True)
        damage(rng, form, path, folder / "mine")
        before = persons(folder)
        allowed = folder.resolve()
        signal.alarm(SECONDS)  # its default is to end the process
        try:
            form.read(work)
            result = {"read": True}
        except InputError as error:
            result = {"error": str(error)}
        signal.alarm(0)
        if persons(folder) != before:
            result = {"forbidden": "a person's file was changed"}
        print(json.dumps(result), flush=True)
    print(json.dumps({"peak": peak()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
