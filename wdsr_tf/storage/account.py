"""The account of an output folder on either side: what was made there, with what, and how a result gets there."""

import abc
import contextlib
import dataclasses
import re
import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wdsr_tf.files import owned, sha256
from wdsr_tf.inference.journal import FOLDER, Journal, Record, State, host_name, read_record, written
from wdsr_tf.storage.errors import StorageError
from wdsr_tf.storage.store import Store
from wdsr_tf.system.url import is_safe

JOURNAL = re.compile(r"journal-[^/]+\.jsonl")
SEGMENT = 256  # records in an object, which is stored again for each result
READERS = 8  # journals that are read at once
MAX_JOURNAL = 64 * 2**20  # bytes of a journal that are read


class Account(abc.ABC):
    """A `Journal` that also knows the versions of sources in stores.

    Functions that take a `Journal` take an `Account`. Its records of a source carry what `note` said of it, so that
    `current` can tell next time whether a result is up to date without reading the source.
    """

    def __init__(self):
        self._notes = {}

    def note(self, source: str, **said: str) -> None:
        """Says the `source_tag`, `facts` and `setup` for the records of a source that follow."""
        self._notes[source] = said

    def _noted(self, record):
        return dataclasses.replace(record, **self._notes.get(record.source, {}))

    def current(self, source: str, tag: str, setup_of: Callable[[str], str]) -> list[Record]:
        """Returns the records of results that are there and would be made again just so.

        Args:
            source: its name.
            tag: its version.
            setup_of: function from the facts about the source to the setup of today.
        """
        return [
            record
            for record in self.of_source(source)
            if tag and record.source_tag == tag and record.setup == setup_of(record.facts) and self._is_there(record)
        ]

    @abc.abstractmethod
    def of_source(self, source: str) -> Iterable[Record]:
        """Returns all records of a source."""

    @abc.abstractmethod
    def outdir(self, group: Path) -> Path:
        """Returns the folder to make results in, of sources that are staged in the folder `group`."""

    @abc.abstractmethod
    def publish(self, target: Path) -> None:
        """Stores a finished result, if it isn't in its place yet."""

    @abc.abstractmethod
    def bring(self, target: Path) -> None:
        """Makes a local file of a result that is there."""

    @abc.abstractmethod
    def _is_there(self, record):
        """Whether its result is there, as it was made."""


class LocalAccount(Account):
    """Of a local folder: its journal."""

    def __init__(self, outdir: Path):
        super().__init__()
        self._journal, self._by_source = Journal(outdir), defaultdict(list)
        self.name, self.state, self.find = self._journal.name, self._journal.state, self._journal.find
        for record in self._journal.records():
            self._by_source[record.source].append(record)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._journal.close()

    def __contains__(self, name):
        return name in self._journal

    def add(self, record: Record) -> Record:
        return self._journal.add(self._noted(record))

    def of_source(self, source):
        return self._by_source.get(source, ())

    def outdir(self, group):
        return self._journal.outdir

    def publish(self, target):
        pass  # it was renamed to its place

    def bring(self, target):
        pass

    def _is_there(self, record):
        if not is_safe(record.target):
            return False
        return self._journal.state(self._journal.outdir / record.target, record.cause) is State.CURRENT


class StoreAccount(Account):
    """Of a folder in a store.

    Objects can't be appended to. So each writer stores its latest records in an object of its own, again for each
    result and before it, and begins another object now and then. As with a local journal, a line is there before its
    result, and a kill leaves no result that nobody knows.

    Args:
        store: the output folder.
        stage: the folder in which each group of sources has one.
    """

    def __init__(self, store: Store, stage: Path):
        super().__init__()
        self._store, self._stage = store, stage
        self._lock, self._committing = threading.RLock(), threading.Lock()
        self._records, self._by_source = defaultdict(dict), defaultdict(dict)
        self._segment, self._changes, self._stored, self._is_written = {}, 0, 0, False
        self._token, self._objects, self._object = secrets.token_hex(4), 0, ""
        self._entries, self._read, self._journals = store.entries(), {}, Store(store.label(FOLDER))
        self._load()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        with contextlib.suppress(StorageError) if error else contextlib.nullcontext():
            if self._is_written:
                self._commit()

    def __contains__(self, name):
        return name in self._records

    def outdir(self, group):
        return group / "out"

    def name(self, target: Path) -> str:
        """Returns the name in the store of a staged result."""
        return "/".join(target.relative_to(self._stage).parts[2:])

    def state(self, target: Path, cause=None) -> State:
        """As `Journal.state`; asks the store, since others may write to it."""
        ours, entry = self._ours(target)
        if entry is None:
            return State.ABSENT
        if not ours:
            return State.FOREIGN
        return State.CURRENT if any(record.cause == cause for record in ours) else State.OUTDATED

    def find(self, target: Path) -> Record | None:
        return (self._ours(target)[0] or [None])[-1]

    def add(self, record: Record) -> Record:
        """Keeps a record, which is stored before the next result, and returns it."""
        self._is_written = True
        record = self._noted(record)
        self._keep(record)
        return record

    def of_source(self, source):
        return list(self._by_source.get(source, {}).values())

    def publish(self, target):
        self._commit()
        name, checksum = self.name(target), sha256(target)
        entry = self._store.put(target, name)
        with self._lock:
            self._entries[name] = entry
            for record in self._of(name, checksum):
                self._keep(dataclasses.replace(record, target_tag=entry.tag))

    def bring(self, target):
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            self._store.fetch(self.name(target), target)

    def _is_there(self, record):
        entry = self._entries.get(record.target)
        return entry is not None and entry.tag != "" and record.target_tag == entry.tag

    def _of(self, name, checksum):
        return [record for record in self._records[name].values() if record.target_sha256 == checksum]

    def _ours(self, target):
        """(records of what is at the place of `target` now, its entry or None)."""
        name = self.name(target)
        entry = self._store.entry(name)
        if entry is None:
            return [], None
        ours = self._recorded(name, entry)
        if not ours:  # another writer may have made it since
            self._load()
            ours = self._recorded(name, entry)
        return ours, entry

    def _recorded(self, name, entry):
        with self._lock:
            records = list(self._records.get(name, {}).values())
        known = [record for record in records if record.target_tag == entry.tag != ""]
        if known or not records:
            return known
        with owned(self._stage, Path(name).suffix) as copy:  # the kill was between the result and its version
            self._store.fetch(name, copy)
            checksum = sha256(copy)
        found = [dataclasses.replace(each, target_tag=entry.tag) for each in records if each.target_sha256 == checksum]
        for record in found:
            self._keep(record)
        return found

    def _keep(self, record, own=True):
        key = record.target_sha256, *record.cause
        with self._lock:
            self._records[record.target].pop(key, None)  # so that it's the latest
            self._records[record.target][key] = record
            self._by_source[record.source][record.target, key] = record
            if own:
                self._segment[record.target, key] = record
                self._changes += 1

    def _load(self):
        """Reads the journals that weren't read before as they are now."""
        entries = self._journals.entries()
        new = [
            name
            for name, entry in entries.items()
            if JOURNAL.fullmatch(name) and self._token not in name and self._read.get(name) != entry.tag
        ]
        with ThreadPoolExecutor(READERS) as pool:
            contents = list(pool.map(lambda name: self._journals.read(name, MAX_JOURNAL), new))
        for name, content in zip(new, contents, strict=True):
            self._read[name] = entries[name].tag
            for line in content.split(b"\n"):
                if record := read_record(line):
                    self._keep(record, own=False)

    def _commit(self):
        """Stores the records that aren't yet; those of other threads that wait meanwhile, too."""
        with self._lock:
            wanted = self._changes
        with self._committing:
            if self._stored >= wanted:
                return
            with self._lock:
                records, changes = list(self._segment.values()), self._changes
                if not self._object:
                    self._objects += 1
                    self._object = f"journal-{host_name()}-{self._token}-{self._objects}.jsonl"
            content = "".join(map(written, records))
            self._journals.write(self._object, content.encode())
            self._stored = changes
            if len(records) >= SEGMENT:
                with self._lock:
                    for record in records:
                        key = record.target, (record.target_sha256, *record.cause)
                        if self._segment.get(key) is record:
                            del self._segment[key]
                    self._object = ""
