"""A folder in an object store, through fsspec: list, fetch, and put, which is atomic."""

import dataclasses
import functools
import importlib
import time
from collections.abc import Callable
from pathlib import Path

from wdsr_tf.errors import InputError
from wdsr_tf.files import is_disk_full
from wdsr_tf.storage.errors import StorageError, explained, is_missing_bucket, is_transient
from wdsr_tf.system import extras
from wdsr_tf.system.url import PACKAGES, is_safe, is_web, scheme

ATTEMPTS = 3  # of each transfer, beside those of the library that does it
PAUSE = 1.0  # seconds before the second attempt; four times as long before each that follows
TAGS = ("ETag", "md5Hash", "etag", "generation", "LastModified", "last_modified", "updated", "mtime")


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """An object: its size in bytes, and a text that another version of it doesn't have."""

    size: int
    tag: str


class Store:
    """A folder (a prefix of keys) in a bucket. Its methods raise `StorageError`, and may be called from any thread.

    Args:
        url: s3://BUCKET/FOLDER and the like. Nothing is requested yet.
    """

    def __init__(self, url: str):
        if is_web(url):
            raise InputError(f"{url}: web servers have no folders to list or write. Use s3://, gs://, or az://.")
        protocol, path = scheme(url), url.partition("://")[2].strip("/")
        if not path or not is_safe(path):
            raise InputError(f"{url} names no bucket, or a folder with an odd name. Write {protocol}://BUCKET/FOLDER.")
        self.url, self._root = f"{protocol}://{path}", path
        self._files = _filesystem(protocol)

    def label(self, name: str) -> str:
        """Returns the URL of an object in the folder."""
        return f"{self.url}/{name}"

    def entries(self, skipped: Callable[[str], None] = lambda name: None) -> dict[str, Entry]:
        """Returns all objects below the folder by their relative names, page by page.

        Args:
            skipped: called with each name that can't be that of a file.
        """
        found = self._tried("list", self.url, self._files.find, self._root, detail=True)
        entries = {}
        for key, about in found.items():
            name = key[len(self._root) + 1 :]
            if not key.startswith(f"{self._root}/") or key.endswith("/") or about.get("type") == "directory":
                continue  # the object at the prefix itself, and what consoles make for empty folders
            if is_safe(name):
                entries[name] = _entry(about)
            else:
                skipped(name)
        return entries

    def entry(self, name: str) -> Entry | None:
        """Returns an object, or None if there is none; asks the store each time."""
        try:
            about = self._tried("read", self.label(name), self._files.info, self._key(name))
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError) and not is_missing_bucket(error.__cause__):
                return None
            raise
        return _entry(about) if about.get("type") == "file" else None

    def fetch(self, name: str, target: Path) -> None:
        """Downloads an object to a new file."""
        self._tried("read", self.label(name), self._files.get_file, self._key(name), str(target))

    def read(self, name: str, length: int | None = None) -> bytes:
        """Returns the first `length` bytes of an object, or all."""
        part = {} if length is None else {"start": 0, "end": length}
        return self._tried("read", self.label(name), self._files.cat_file, self._key(name), **part)

    def put(self, path: Path, name: str) -> Entry:
        """Stores a file. The object is there when it's complete: one request, or a multipart upload for a large one."""
        self._tried("write", self.label(name), self._files.put_file, str(path), self._key(name))
        stored, size = self.entry(name), path.stat().st_size
        if stored is None or stored.size != size:
            raise StorageError(f"{self.label(name)}: the store doesn't have the {size:,} bytes that were sent.")
        return stored

    def write(self, name: str, content: bytes) -> None:
        """Stores bytes in one request."""
        self._tried("write", self.label(name), self._files.pipe_file, self._key(name), content)

    def _key(self, name):
        return f"{self._root}/{name}"

    def _tried(self, doing, url, function, *arguments, **options):
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return function(*arguments, **options)
            except Exception as error:
                if is_disk_full(error):
                    raise
                if attempt < ATTEMPTS and is_transient(error):
                    time.sleep(PAUSE * 4 ** (attempt - 1))
                    continue
                raise explained(error, url, doing) from error


def _entry(about):
    tag = next((str(about[key]) for key in TAGS if about.get(key)), "")
    size = int(about.get("size") or 0)
    return Entry(size, f"{tag.strip(chr(34))} {size}" if tag else "")


@functools.cache
def _filesystem(protocol):
    package = PACKAGES[protocol]
    if not extras.is_installed(package):
        if package == "s3fs":
            raise extras.missing(package, "cloud", f"{protocol}://")
        raise InputError(
            f"{protocol}:// needs {package}, which isn't installed. Install it with: pip install {package}"
        )
    fsspec = importlib.import_module("fsspec")
    try:
        return fsspec.filesystem(protocol, use_listings_cache=False)
    except Exception as error:
        raise explained(error, f"{protocol}://", "read") from error
