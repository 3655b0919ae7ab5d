"""Opens the SQLite file of a patch store, which may come from somebody else.

SQLite does what a file says: it runs triggers and views, follows links beside the file, and deletes other files that a
journal names. So only a file with exactly our tables is used, beside it only the journal that a killed process of ours
left, and a statement that takes more steps than the file has bytes is stopped: a damaged tree may have no end.
"""

import contextlib
import os
import sqlite3
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

from wdsr_tf.errors import InputError, line

TABLES = (
    "CREATE TABLE about (key TEXT PRIMARY KEY, value)",
    "CREATE TABLE images (name TEXT PRIMARY KEY, split TEXT, bytes INTEGER, mtime_ns INTEGER, "
    "first INTEGER, count INTEGER)",
    "CREATE TABLE patches (id INTEGER PRIMARY KEY, lr_img BLOB NOT NULL, hr_img BLOB NOT NULL)",
)
SCHEMA = {("index", name, None) for name in ("sqlite_autoindex_about_1", "sqlite_autoindex_images_1")} | {
    ("table", table.split()[2], table) for table in TABLES
}
PAGE_BYTES = 16384  # so large that a patch needs few pages of the file
JOURNAL_END = bytes.fromhex("d9d505f920a163d7")  # of a journal that names another file, which SQLite then deletes
MAGIC = b"SQLite format 3\0"
WAL = 2  # bytes 18 and 19 of a file that SQLite reads and writes together with others
STEPS = 10_000  # of SQLite's virtual machine between two looks at their number
ENOUGH = 10_000_000  # steps that any statement may take; a second's work


class Connection(sqlite3.Connection):
    """A connection that stops a transaction of more steps than ENOUGH and the file's bytes."""

    def watch(self, path):
        self._most = ENOUGH + Path(path).stat().st_size
        self.begin_counting()
        self.set_progress_handler(self._count, STEPS)

    def begin_counting(self):
        self._steps = 0

    def _count(self):
        self._steps += STEPS
        return self._steps > self._most


def connect(path: Path | str, mode: str, **options) -> Connection:
    """Opens a store; `mode` is "ro", or "rwc" to create it with its tables if there is none.

    Raises:
        InputError: if it isn't a patch store, or something beside it isn't ours.
        sqlite3.Error: if SQLite can't open it; see `explained`.
    """
    path = Path(path)
    _check_files(path)
    address = f"file:{urllib.parse.quote(os.fsencode(path))}?mode={mode}"
    db = sqlite3.connect(address, uri=True, isolation_level=None, factory=Connection, **options)
    try:
        db.watch(path)
        db.execute("PRAGMA trusted_schema = OFF")
        found = set(db.execute("SELECT type, name, sql FROM sqlite_schema LIMIT 20"))
        if found == SCHEMA:
            return db
        if found or mode == "ro":
            raise InputError(f"{path}: isn't a patch store. convert.py sqlite makes one.")
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        with transaction(db):
            for table in TABLES:
                db.execute(table)
        return db
    except BaseException:
        db.close()
        raise


@contextlib.contextmanager
def explained(path: Path | str) -> Iterator[None]:
    """Turns SQLite's errors into InputErrors that name the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise InputError(f"{path}: can't be used as a patch store: {line(error)}") from error


@contextlib.contextmanager
def transaction(db: Connection) -> Iterator[None]:
    """Commits what is done inside, or nothing of it."""
    db.begin_counting()
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _check_files(path):
    """Raises InputError if SQLite would read or write a file that no store has."""
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: isn't a file. Choose another name for the store.")
    if path.is_symlink() and not (path.exists() and path.stat().st_size):
        raise InputError(f"{path}: is a link to no store, and a new one isn't made through it. Name the file itself.")
    journal = path.with_name(path.name + "-journal")
    odd = [each for each in (path.with_name(path.name + end) for end in ("-wal", "-shm")) if os.path.lexists(each)]
    if os.path.lexists(journal) and not _is_ours(journal):
        odd.append(journal)
    if odd:
        raise InputError(f"{path}: SQLite would use {odd[0]}, which convert.py didn't make. Move it elsewhere.")
    if path.exists():
        with path.open("rb") as file:
            head = file.read(20)
        if head.startswith(MAGIC) and WAL in head[18:]:
            raise InputError(f"{path}: isn't a patch store: SQLite would write a log beside it.")


def _is_ours(journal):
    """Whether a journal is a file of its own that names no other file."""
    if journal.is_symlink() or not journal.is_file():
        return False
    with journal.open("rb") as file:
        file.seek(max(0, journal.stat().st_size - len(JOURNAL_END)))
        return file.read() != JOURNAL_END
