"""Brings sources to the local disk, a few groups ahead of who upscales them, unless their results are up to date."""

import contextlib
import dataclasses
import re
import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.files import is_disk_full, owned, sweep
from wdsr_tf.images import content
from wdsr_tf.inference.journal import Record
from wdsr_tf.storage.errors import StorageError
from wdsr_tf.storage.sources import Source
from wdsr_tf.video import content as videos

READERS = 8  # groups that are downloaded at once
AHEAD = 16  # groups that wait, at most
AHEAD_BYTES = 2**30  # and their size, unless one is larger


@contextlib.contextmanager
def stage() -> Iterator[Path]:
    """Yields an empty folder in the system's temporary folder (TMPDIR), removed at the end, or by the next process."""
    place = Path(tempfile.gettempdir())
    sweep(place)
    with owned(place) as folder:
        folder.mkdir(mode=0o700)
        yield folder


@dataclasses.dataclass(eq=False)
class Group:
    """Sources whose results are named together.

    Args:
        sources: all of them that may be images or videos.
        folder: where they are staged: `in` for them, `out` for results in a store.
        paths: of the staged files by their sources.
        tags: versions by sources, "" if unknown.
        done: records of results that are up to date; then nothing is staged.
        failures: (source, error) of those that couldn't be fetched.
    """

    sources: list[Source]
    folder: Path
    paths: dict[Source, Path] = dataclasses.field(default_factory=dict)
    tags: dict[Source, str] = dataclasses.field(default_factory=dict)
    done: list[Record] = dataclasses.field(default_factory=list)
    failures: list[tuple[Source, Exception]] = dataclasses.field(default_factory=list)

    def __post_init__(self):
        self._users, self._lock = 1, threading.Lock()

    @property
    def indir(self) -> Path:
        return self.folder / "in"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(source.name for source in self.sources)

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Keeps the folder meanwhile; it's removed when nobody uses it."""
        try:
            yield
        finally:
            self.leave()

    def join(self) -> None:
        """Announces another user, who leaves some time."""
        with self._lock:
            self._users += 1

    def leave(self) -> None:
        """Ends the use by one."""
        with self._lock:
            self._users -= 1
            is_over = self._users == 0
        if is_over:
            shutil.rmtree(self.folder, ignore_errors=True)


def staged(
    groups: Iterable[list[Source]],
    folder: Path,
    done: Callable[[Group], list[Record]],
    select: Callable[[Source], bool],
) -> Iterator[Group]:
    """Yields a `Group` for each list of sources, in order. Close it to stop; what was fetched is left in `folder`.

    Args:
        groups: of sources.
        folder: a folder for all.
        done: returns the records of results that make fetching needless, or nothing; called in several threads.
        select: whether a source may be an image or a video; called in several threads.

    Raises:
        StorageError: a fatal one.
    """
    waiting = deque()
    with ThreadPoolExecutor(READERS) as pool:
        try:
            for number, sources in enumerate(groups):
                size = sum(source.size for source in sources)
                while waiting and (len(waiting) >= AHEAD or sum(each for each, _ in waiting) + size > AHEAD_BYTES):
                    yield waiting.popleft()[1].result()
                waiting.append((size, pool.submit(_prepared, sources, folder / str(number), done, select)))
            while waiting:
                yield waiting.popleft()[1].result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _prepared(sources, folder, done, select):
    group, failures = Group([], folder), []
    for source in sources:
        with _failing(source, failures):
            if select(source):
                group.tags[source] = source.version()
                group.sources.append(source)
    group.failures = failures
    group.done = [] if failures else done(group)
    for source in () if group.done else group.sources:
        path = group.indir / source.name
        with _failing(source, failures):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                raise InputError(
                    f"{source.label}: has the name of another one, but for case, which this disk can't hold."
                )
            source.fetch(path)
            group.paths[source] = path
    return group


@contextlib.contextmanager
def _failing(source, failures):
    """Adds an error to the failures, unless all other sources would fail as well."""
    try:
        yield
    except (InputError, OSError) as error:
        if is_disk_full(error):
            raise InputError(
                f"{tempfile.gettempdir()}: no space left for {source.label}. Set TMPDIR to a folder on a larger disk."
            ) from error
        if isinstance(error, StorageError) and error.is_fatal:
            raise
        failures.append((source, error))


def labels(folder: Path, sources: str, results: str) -> Callable[[object], str]:
    """Returns a function of a text that turns the paths of staged files in it into what users know.

    Args:
        folder: that of `stage`.
        sources: what begins the labels of the sources.
        results: what begins those of the results.
    """
    staged_path = re.compile(rf"{re.escape(str(folder))}[\\/]\d+[\\/](in|out)[\\/]")
    known = {"in": sources, "out": results}
    return lambda text: staged_path.sub(lambda found: known[found[1]], str(text))


def media(source: Source) -> tuple[bool, str | None]:
    """Returns whether an object may be an image or a video, and if not, the name of its format if that's an image's.

    The suffix decides if it's that of an image or video, which is fetched as a whole anyway; else the first bytes do.
    """
    suffix = Path(source.name).suffix.lower()
    if suffix in images.SUFFIXES or suffix in videos.SUFFIXES:
        return True, None
    start = source.start(videos.LONGEST_START)
    kind = content.kind_of(start)
    other = content.other_kind_of(start, suffix) if kind in (None, "TIFF") else None
    return other is None and (kind is not None or videos.starts_video(start)), other
