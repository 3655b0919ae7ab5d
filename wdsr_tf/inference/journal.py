"""What was made in an output folder, with what: one line per result in `OUT/.wdsr-tf/journal-HOST-N.jsonl`.

A result is ours if a line names it with the checksum that it has, and current if that line also has the source, models
and options of today. Neither names, sizes nor dates decide. A file that no line describes belongs to somebody else.

A line is written before its result appears, so a kill never leaves a result that nobody knows; a line without its
result does no harm. Each process appends to a file of its own, so several may write to one folder. Lines that are cut
or damaged are ignored: they are a claim on no file, and nothing is ever opened or removed because a line names it.
"""

import contextlib
import dataclasses
import enum
import errno
import hashlib
import itertools
import json
import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from wdsr_tf.errors import InputError
from wdsr_tf.files import open_lock, sha256, try_lock

FOLDER = ".wdsr-tf"
LONGEST = 2**16  # bytes of a line
APPENDING = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
PASSED = "passed"
SYNC = 1.0  # seconds between two calls of fsync, at least


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """One result.

    Args:
        target: path of the result in the output folder, with slashes.
        target_sha256: its checksum.
        source: path of the image in the input folder.
        source_sha256: its checksum.
        models: checksums of the models that it ran through, in order.
        options: checksum of everything else that decides about the result.
        pixels: of the result's first frame.
        seconds: that it took.
        check: PASSED, or what a comparison with the image found; empty if there was none.
        source_tag, target_tag: versions of both in an object store, empty for files.
        facts, setup: of a source in a store: what the recipe depends on, and a checksum of what it was then; see
            `wdsr_tf.storage`.
    """

    target: str
    target_sha256: str
    source: str
    source_sha256: str
    models: tuple[str, ...]
    options: str
    pixels: int = 0
    seconds: float = 0.0
    check: str = ""
    source_tag: str = ""
    target_tag: str = ""
    facts: str = ""
    setup: str = ""

    @property
    def cause(self):
        """What the result follows from."""
        return self.source_sha256, self.models, self.options


FIELDS = {field.name for field in dataclasses.fields(Record)}
OF_STORES = ("source_tag", "target_tag", "facts", "setup")


class State(enum.Enum):
    """What is at the place of a result."""

    ABSENT = "nothing"
    CURRENT = "the result that would be made now"
    OUTDATED = "a result of another source, model or option"
    FOREIGN = "a file that isn't ours, or was changed since"


class Journal:
    """The records of an output folder; a context manager.

    Args:
        outdir: the output folder; nothing is written until the first `add`.
    """

    def __init__(self, outdir: str | os.PathLike):
        self.outdir = Path(outdir)
        self._folder = self.outdir / FOLDER
        if self._folder.is_symlink():
            raise InputError(f"{self._folder} is a link. Remove it, or choose another output folder (-o).")
        self._descriptor, self._synced = None, 0.0
        self._records = {}
        for path in sorted(self._folder.glob("journal-*.jsonl")) if self._folder.is_dir() else ():
            for record in _read(path):
                self._records.setdefault(record.target, {})[record.target_sha256, *record.cause] = record

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def __contains__(self, name: str) -> bool:
        """Whether a result with that path in the output folder was ever made; it may have been changed since."""
        return name in self._records

    def records(self) -> Iterator[Record]:
        """Yields every record, of results that are there or not."""
        for records in self._records.values():
            yield from records.values()

    def state(self, target: Path, cause=None) -> State:
        """Returns what is at `target` now; `cause` is the `Record.cause` of the result that would be made."""
        if not os.path.lexists(target):
            return State.ABSENT
        ours = self._of(target)
        if not ours:
            return State.FOREIGN
        return State.CURRENT if any(record.cause == cause for record in ours) else State.OUTDATED

    def find(self, target: Path) -> Record | None:
        """Returns the latest record of what is at `target` now, or None if it isn't ours."""
        return (self._of(target) or [None])[-1]

    def _of(self, target):
        if not target.is_file():
            return []
        try:
            checksum = sha256(target)
        except OSError:  # a folder, or not readable
            return []
        return [each for each in self._records.get(self.name(target), {}).values() if each.target_sha256 == checksum]

    def add(self, record: Record) -> None:
        """Appends a record; call it when the result is complete, but before it gets its name."""
        line = written(record)
        try:
            if self._descriptor is None:
                self._descriptor = self._open()
            size = os.fstat(self._descriptor).st_size
            if os.write(self._descriptor, line.encode()) < len(line):
                os.ftruncate(self._descriptor, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if time.monotonic() - self._synced >= SYNC:
                self._sync()
        except OSError as error:
            raise InputError(f"{self._folder}: can't be written: {error.strerror or error}") from error
        self._records.setdefault(record.target, {})[record.target_sha256, *record.cause] = record

    def close(self) -> None:
        """Ends writing; `add` begins anew."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                self._sync()
            os.close(self._descriptor)
            self._descriptor = None

    def name(self, target: Path) -> str:
        """Returns the path of `target` as records have it."""
        return target.relative_to(self.outdir).as_posix()

    def _sync(self):
        os.fsync(self._descriptor)
        self._synced = time.monotonic()

    def _open(self):
        """Opens the first file of this machine that no other process writes to, at the end of a line."""
        self._folder.mkdir(parents=True, exist_ok=True)
        host = host_name()
        for number in itertools.count(1):
            path = self._folder / f"journal-{host}-{number}.jsonl"
            descriptor = open_lock(path, APPENDING)
            locked = try_lock(descriptor)
            if locked or (locked is None and not os.fstat(descriptor).st_size):
                break
            os.close(descriptor)
        size = os.fstat(descriptor).st_size
        if size and _last_byte(path, size) != b"\n":  # a kill cut the line
            os.write(descriptor, b"\n")
        return descriptor


def host_name() -> str:
    """Returns the name of this machine, as names of journals have it."""
    return re.sub(r"[^\w-]", "_", platform.node())[:64] or "host"


def options_hash(options: dict) -> str:
    """Returns a checksum of options, whatever their order."""
    return hashlib.sha256(json.dumps(options, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _last_byte(path, size):
    with path.open("rb") as file:
        file.seek(size - 1)
        return file.read()


def _read(path):
    if not path.is_file():
        return
    with path.open("rb") as file:
        while line := file.readline(LONGEST):
            if record := read_record(line):
                yield record


def written(record: Record) -> str:
    """Returns the line of a journal for a record."""
    said = dataclasses.asdict(record)
    return json.dumps({name: said[name] for name in said if said[name] or name not in OF_STORES}) + "\n"


def read_record(line: bytes) -> Record | None:
    """Returns the record on a line of a journal, or None if it's cut, damaged, too long or not ours."""
    if len(line) > LONGEST:
        return None
    try:
        said = json.loads(line)
        said |= {"models": tuple(map(sys.intern, said["models"])), "options": sys.intern(said["options"])}
        record = Record(**{name: said[name] for name in FIELDS & said.keys()})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    texts = (getattr(record, name) for name in FIELDS - {"models", "pixels", "seconds"})
    return record if all(isinstance(text, str) for text in texts) else None
