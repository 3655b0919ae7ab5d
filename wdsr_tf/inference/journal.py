"""What was made in an output folder, with what: one line per image in `OUT/.wdsr-tf/journal-HOST-N.jsonl`.

A result is ours if a line names it with the checksum that it has, and current if that line also has the source, models
and options of today. Neither names, sizes nor dates decide. A file that no line describes belongs to somebody else.

A line is written before its result appears, so a kill never leaves a result that nobody knows; a line without its
result does no harm. Each process appends to a file of its own, so several may write to one folder. Lines that are cut
or damaged are ignored: they are a claim on no file, and nothing is ever opened or removed because a line names it.

Images without a result have lines, too, which claim no file either, and so has each run, for what it didn't make again.
"""

import contextlib
import dataclasses
import enum
import errno
import functools
import hashlib
import itertools
import json
import math
import os
import platform
import re
import secrets
import sys
import threading
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


class Outcome(enum.StrEnum):
    """What became of an image."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"  # a file that isn't ours is at the place of its result
    QUARANTINED = "quarantined"  # it killed its worker each time, and isn't tried again until something changes


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """One image: its result, or why it has none.

    Args:
        target: path of the result in the output folder, with slashes; empty if the image never got one.
        target_sha256: its checksum; empty without a result.
        source: path of the image in the input folder.
        source_sha256: its checksum.
        models: checksums of the models that it ran through, in order.
        options: checksum of everything else that decides about the result.
        pixels: of the result's first frame.
        seconds: that it took.
        check: PASSED, or what a comparison with the image found; empty if there was none.
        outcome: an `Outcome`.
        error: why there is no result.
        run: identifies the run; all its writers have the same. `Journal.add` sets it.
        time: when it was recorded, in seconds since 1970. `Journal.add` sets it.
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
    outcome: str = Outcome.DONE
    error: str = ""
    run: str = ""
    time: float = 0.0
    source_tag: str = ""
    target_tag: str = ""
    facts: str = ""
    setup: str = ""

    @property
    def cause(self):
        """What the result follows from."""
        return self.source_sha256, self.models, self.options


OUTCOMES = set(map(str, Outcome))
FIELDS = {field.name for field in dataclasses.fields(Record)}
NUMBERS = ("pixels", "seconds", "time")
OF_STORES = ("source_tag", "target_tag", "facts", "setup")


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """One run of one shard, as it began.

    Args:
        run: identifies it.
        shard: such as "0/1".
        images: how many it is responsible for.
        kept: how many of them had their results already.
        time: as in `Record`.
    """

    run: str
    shard: str
    images: int
    kept: int
    time: float


class State(enum.Enum):
    """What is at the place of a result."""

    ABSENT = "nothing"
    CURRENT = "the result that would be made now"
    OUTDATED = "a result of another source, model or option"
    FOREIGN = "a file that isn't ours, or was changed since"
    QUARANTINED = "nothing, because the image killed its workers"


class Journal:
    """The records of an output folder; a context manager. Several threads can use it at once.

    Args:
        outdir: the output folder; nothing is read until it's needed, or written until the first `add`.
        run: identifies the run. Default: a new one.
    """

    def __init__(self, outdir: str | os.PathLike, run: str | None = None):
        self.outdir, self.run = Path(outdir), run or new_run()
        self._folder = self.outdir / FOLDER
        if self._folder.is_symlink():
            raise InputError(f"{self._folder} is a link. Remove it, or choose another output folder (-o).")
        self._descriptor, self._synced = None, 0.0
        self._lock = threading.RLock()

    @functools.cached_property
    def _results(self):
        """({target: {(its checksum, its cause): record}}, {target: records of quarantine})."""
        results = {}, {}
        for record in read(self.outdir):
            if isinstance(record, Record):
                _put(results, record)
        return results

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def __contains__(self, name: str) -> bool:
        """Whether a result with that path in the output folder was ever made; it may have been changed since."""
        return name in self._results[0]

    def records(self) -> Iterator[Record]:
        """Yields every record of a result, which may be there or not."""
        for records in self._results[0].values():
            yield from records.values()

    def state(self, target: Path, cause=None) -> State:
        """Returns what is at `target` now; `cause` is the `Record.cause` of the result that would be made."""
        if not os.path.lexists(target):
            return State.QUARANTINED if self._is_quarantined(self.name(target), cause) else State.ABSENT
        ours = self._of(target)
        if not ours:
            return State.FOREIGN
        return State.CURRENT if any(record.cause == cause for record in ours) else State.OUTDATED

    def was_quarantined(self, target: Path) -> bool:
        """Whether an image was quarantined whose result would be at `target`; `state` tells if it still is."""
        return self.name(target) in self._results[1]

    def _is_quarantined(self, name, cause):
        made, quarantined = self._results
        was_made = any(record.cause == cause for record in made.get(name, {}).values())
        return cause in quarantined.get(name, ()) and not was_made

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
        return [each for each in self._results[0].get(self.name(target), {}).values() if each.target_sha256 == checksum]

    def add(self, record: Record) -> Record:
        """Appends a record, and returns it with its run and time; one that has them keeps them.

        Call it when the result is complete, but before it gets its name.
        """
        if not record.time:
            record = dataclasses.replace(record, run=self.run, time=round(time.time(), 3))
        with self._lock:
            self._append(written(record))
            if "_results" in self.__dict__:  # else it's read when it's needed
                _put(self._results, record)
        return record

    def begin(self, shard: str, images: int, kept: int) -> None:
        """Notes how many images a run of a shard is responsible for, and how many of them have their results."""
        with self._lock:
            run = Run(self.run, shard, images, kept, round(time.time(), 3))
            self._append(json.dumps(dataclasses.asdict(run)) + "\n")

    def _append(self, line):
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


def read(outdir: str | os.PathLike) -> Iterator[Record | Run | None]:
    """Yields the lines of all journals of an output folder; None for one that is cut, damaged or not ours."""
    folder = Path(outdir) / FOLDER
    for path in sorted(folder.glob("journal-*.jsonl")) if folder.is_dir() else ():
        if path.is_file():
            with path.open("rb") as file:
                while line := file.readline(LONGEST):
                    if line.strip():
                        yield _row(line)


def new_run() -> str:
    """Returns what identifies a run."""
    return secrets.token_hex(4)


def _put(results, record):
    made, quarantined = results
    if record.outcome == Outcome.DONE:
        made.setdefault(record.target, {})[record.target_sha256, *record.cause] = record
    elif record.outcome == Outcome.QUARANTINED:
        quarantined.setdefault(record.target, set()).add(record.cause)


def written(record: Record) -> str:
    """Returns the line of a journal for a record."""
    said = dataclasses.asdict(record)
    return json.dumps({name: said[name] for name in said if said[name] or name not in OF_STORES}) + "\n"


def read_record(line: bytes) -> Record | None:
    """Returns the record on a line of a journal, or None if it's cut, damaged, too long, not ours, or of a run."""
    found = _row(line) if len(line) <= LONGEST else None
    return found if isinstance(found, Record) else None


def _row(line):
    try:
        said = json.loads(line)
        return _run(said) if "shard" in said else _record(said)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _run(said):
    run = Run(str(said["run"]), str(said["shard"]), int(said["images"]), int(said["kept"]), float(said["time"]))
    return run if min(run.images, run.kept) >= 0 and math.isfinite(run.time) else None


def _record(said):
    said |= {"models": tuple(map(sys.intern, said["models"])), "options": sys.intern(said["options"])}
    record = Record(**{name: said[name] for name in FIELDS & said.keys()})
    texts = (getattr(record, name) for name in FIELDS - {"models", *NUMBERS})
    is_sound = all(isinstance(text, str) for text in texts) and record.outcome in OUTCOMES
    return record if is_sound and all(_is_number(getattr(record, name)) for name in NUMBERS) else None


def _is_number(value):
    return isinstance(value, int | float) and 0 <= value < math.inf
