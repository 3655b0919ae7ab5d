"""Atomic writes, temporary files that know their owner, locks, and checksums."""

import contextlib
import errno
import functools
import hashlib
import math
import os
import platform
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where an open file can't be removed: that is the lock
    fcntl = None

TEMPORARY = re.compile(r"\.[0-9a-f]{16}(-lock|\.[^.]+)?")  # the names of `owned` files and folders, and their locks
TOKEN = 17  # characters of such a name that a temporary file and its lock share
UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # every other file of the folder would meet them, too
FULL = UNWRITABLE | {errno.EFBIG}
LITTLE = 2**20  # free bytes below which a disk counts as full


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path next to `path`; renames it to `path` on success and removes it on failure.

    The temporary name keeps the suffix, by which Pillow and Keras choose the format, and begins with a dot, so that
    none of our globs finds a half-written file. Missing parent folders are created.

    Raises:
        OSError: writing failed; the error names `path`, and a full disk if that's why.
    """
    path = Path(path)
    try:
        with owned(path.parent, path.suffix) as temporary:
            try:
                yield temporary
                temporary.replace(path)
            except OSError as error:
                raise _explained(error, temporary, path) from None
    except OSError as error:
        if error.filename and TEMPORARY.fullmatch(Path(os.fsdecode(error.filename)).name):
            error.filename, error.filename2 = str(path), None
        raise


@contextlib.contextmanager
def owned(folder: str | Path, suffix: str = "") -> Iterator[Path]:
    """Yields a free path in `folder` for a temporary file or folder, and removes what is there at the end.

    Meanwhile this process holds a lock beside it, which the system releases when the process ends in any way. So
    `sweep` removes the files of killed processes at once, and never those of living ones, however old they are.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock, descriptor = _claim(folder)
    temporary = folder / f"{lock.name[:TOKEN]}{suffix}"  # short: names near the limit still fit
    try:
        yield temporary
    finally:
        _remove(temporary)
        os.close(descriptor)
        lock.unlink(missing_ok=True)


@contextlib.contextmanager
def temporary_folder(root: str | Path | None = None) -> Iterator[Path]:
    """Yields a new folder in `root`, by default the system's, and removes it at the end, as `owned`.

    Those of killed processes there are swept first, which `tempfile.TemporaryDirectory` would leave for ever.
    """
    root = Path(root or tempfile.gettempdir())
    sweep(root, orphans=False)
    with owned(root, ".wdsr-tf") as folder:
        folder.mkdir(mode=0o700)
        yield folder


def sweep(folder: str | Path, orphans: bool = True) -> None:
    """Removes what killed processes left of `owned` files and folders in `folder`, but not in its subfolders.

    What another machine left in a shared folder is kept: its locks may not be visible here. So are, without `orphans`,
    files that have our pattern of names but no lock: in a folder of everyone's they may be somebody else's.
    """
    folder, tokens = Path(folder), {}
    for path in folder.iterdir() if folder.is_dir() else ():
        if TEMPORARY.fullmatch(path.name):
            tokens.setdefault(path.name[:TOKEN], set()).add(path)
    for token, paths in tokens.items():
        lock = folder / f"{token}-lock"
        with contextlib.suppress(OSError):  # not allowed to
            _sweep(paths - {lock}, lock, orphans)


def _sweep(paths, lock, orphans):
    try:
        descriptor = open_lock(lock, os.O_RDWR)
    except FileNotFoundError:  # a lock outlives its file, but nobody knows whose folder this is
        for path in paths if orphans else ():
            path.unlink(missing_ok=True)
        return
    try:
        is_abandoned = try_lock(descriptor) and _was_locked_here(descriptor)
    finally:
        os.close(descriptor)
    if fcntl is None:
        lock.unlink()  # raises if a process has it open
        is_abandoned = True
    if is_abandoned:
        for path in paths:
            _remove(path)
        lock.unlink(missing_ok=True)


def open_lock(path: str | Path, flags: int) -> int:
    """Returns the descriptor of a lock file that may be somebody else's.

    Raises:
        OSError: if it can't be opened; a link isn't followed, and a pipe isn't waited for.
    """
    descriptor = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o644)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "isn't a file", str(path))
    return descriptor


def try_lock(descriptor: int) -> bool | None:
    """Locks an open file until it's closed; False if somebody else has it locked, None if locks aren't supported."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    except OSError:
        return None


def _claim(folder):
    """(path, descriptor) of a new lock file that this process has locked."""
    while True:
        lock = folder / f".{secrets.token_hex(8)}-lock"
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        locked = try_lock(descriptor)
        if locked is not False and (locked is None or os.fstat(descriptor).st_nlink):
            with contextlib.suppress(OSError):  # a full disk: then it's only known that it is locked
                os.write(descriptor, "\n".join(_machine()).encode())
            return lock, descriptor
        os.close(descriptor)  # another process swept it before it was locked


def _was_locked_here(descriptor):
    """Whether this machine made the lock, since or before it was last started."""
    said = os.read(descriptor, 1000).decode(errors="replace").split("\n")
    return said == [""] or any(ours == theirs for ours, theirs in zip(_machine(), said, strict=False))


@functools.cache
def _machine():
    """What containers on one machine share, and what stays when it's started again."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        boot = platform.node()
    return boot, platform.node()


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _explained(error, temporary, path):
    """`error` with the path; libraries such as NumPy don't say that the disk is full."""
    if error.errno is None and temporary.exists() and shutil.disk_usage(temporary.parent).free < LITTLE:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    if error.errno in FULL and error.filename is None:
        error.filename = str(path)
    return error


@contextlib.contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Adds `path` to an OSError that names none, as those of writing to an open file."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it follows from, says that a disk is full or read-only, or a quota used up."""
    while error and not (isinstance(error, OSError) and error.errno in UNWRITABLE):
        error = error.__cause__
    return error is not None


def is_plain(path: Path, size: float = math.inf) -> bool:
    """Whether it's a file of at most `size` bytes, and not a link, a pipe, or a device, which may have no end."""
    return not path.is_symlink() and path.is_file() and path.stat().st_size <= size


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
