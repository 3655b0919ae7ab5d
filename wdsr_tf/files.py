"""Files that are either whole or absent: everything that the house writes goes through `atomic`."""

import contextlib
import hashlib
import re
import secrets
import time
from pathlib import Path

TEMPORARY = re.compile(r"\.[0-9a-f]{16}(\.\w+)?")  # what `atomic` names its temporary files
ABANDONED = 3600  # seconds without a change behind which nobody writes to one any more


@contextlib.contextmanager
def atomic(path):
    """Yields a temporary path beside `path`; renames it to `path` on success, removes it on failure.

    The temporary name keeps the suffix (Pillow and Keras choose the format by it) and begins with a dot, so that
    no glob of ours takes a half-written file for a whole one. Missing parent folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}{path.suffix}")  # short: names near the limit still fit
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder):
    """Removes from `folder`, not from those in it, the temporary files of `atomic` that a kill left there."""
    folder = Path(folder)
    for path in folder.iterdir() if folder.is_dir() else ():
        if TEMPORARY.fullmatch(path.name) and (path.is_symlink() or path.is_file()):
            with contextlib.suppress(FileNotFoundError):  # another process sweeps too
                if time.time() - path.lstat().st_mtime > ABANDONED:
                    path.unlink()


def sha256(*paths):
    """The SHA-256 of the files at `paths`, one after the other, in hexadecimal."""
    digest = hashlib.sha256()
    for path in paths:
        with Path(path).open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()
