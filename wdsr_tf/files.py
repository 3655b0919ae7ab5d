"""Atomic writes, cleanup after killed processes, locks, and checksums."""

import contextlib
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

TEMPORARY = re.compile(r"\.[0-9a-f]{16}(\.\w+)?")  # the names of `atomic`'s temporary files
ABANDONED = 3600  # seconds without a change after which a temporary file has no writer anymore


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path next to `path`; renames it to `path` on success and removes it on failure.

    The temporary name keeps the suffix, by which Pillow and Keras choose the format, and begins with a dot, so that
    none of our globs finds a half-written file. Missing parent folders are created.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}{path.suffix}")  # short: names near the limit still fit
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder: str | Path) -> None:
    """Removes abandoned temporary files of `atomic` from `folder`, but not from its subfolders."""
    folder = Path(folder)
    for path in folder.iterdir() if folder.is_dir() else ():
        if TEMPORARY.fullmatch(path.name) and (path.is_symlink() or path.is_file()):
            with contextlib.suppress(FileNotFoundError):  # another process sweeps too
                if time.time() - path.lstat().st_mtime > ABANDONED:
                    path.unlink()


def sha256(*paths: str | Path) -> str:
    """Returns the SHA-256 of the files at `paths`, one after the other, in hexadecimal."""
    digest = hashlib.sha256()
    for path in paths:
        with Path(path).open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()


@contextlib.contextmanager
def locked(path: str | Path) -> Iterator[None]:
    """Lets one process or thread at a time into the block; `path` is a file for that alone, which is left there."""
    with Path(path).open("w") as file:
        if os.name == "nt":
            import msvcrt

            any(_succeeds(msvcrt.locking, file.fileno(), msvcrt.LK_LOCK, 1) for _ in range(60))  # 10 seconds each
        else:
            import fcntl

            _succeeds(fcntl.flock, file, fcntl.LOCK_EX)  # fails on file systems without locks
        yield


def _succeeds(function, *arguments):
    try:
        function(*arguments)
    except OSError:
        return False
    return True
