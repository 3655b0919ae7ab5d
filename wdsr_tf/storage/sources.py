"""What is upscaled, wherever it is: objects, files of web servers, and local files, under names for the journal."""

import contextlib
import dataclasses
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from wdsr_tf.errors import InputError
from wdsr_tf.storage.store import Entry, Store
from wdsr_tf.system import http
from wdsr_tf.system.url import is_web, split_name, web_address


@dataclasses.dataclass(frozen=True)
class Source:
    """One image or video.

    Args:
        name: relative path with slashes: in the input folder, or of a listed one as `folder.below` has it.
        label: its URL or path, for messages and to compare it with targets.
        fetch: makes a file of it.
        version: returns a text that another version of it doesn't have, or "" if that's unknown.
        start: returns its first bytes, as many as asked for.
        size: bytes, 0 if unknown.
    """

    name: str
    label: str
    fetch: Callable[[Path], None]
    version: Callable[[], str]
    start: Callable[[int], bytes]
    size: int = 0


def of_object(store: Store, name: str, entry: Entry, named: str | None = None) -> Source:
    """Returns the `Source` for an object; `named`: its name, if that isn't the one in the store."""
    return Source(
        named or name,
        store.label(name),
        lambda target: store.fetch(name, target),
        lambda: entry.tag,
        lambda length: store.read(name, length),
        entry.size,
    )


def of_file(path: Path, name: str) -> Source:
    """Returns the `Source` for a local file, whose checksum is compared instead of a version."""

    def start(length):
        with path.open("rb") as file:
            return file.read(length)

    return Source(name, str(path), lambda target: _link(path, target), lambda: "", start)


def of_page(url: str, max_bytes: int, whole: bool) -> Source:
    """Returns the `Source` for a file of a web server; its name is HOST/PATH if `whole`, or the last part of that."""
    address, name = web_address(url)

    def fetch(target):
        http.fetch(address, target, max_bytes=max_bytes)

    return Source(
        name if whole else PurePosixPath(name).name,
        http.shown(url),
        fetch,
        lambda: http.version(address),
        lambda length: b"",
    )


def of_url(url: str, max_bytes: int, whole: bool) -> Source | Store:
    """Returns the `Source` that a URL names; or the `Store`, if it's no object but may be a folder of them.

    Raises:
        InputError: the URL can't be used, or the store can't be read.
    """
    if is_web(url):
        return of_page(url, max_bytes, whole)
    folder, name = split_name(url)
    if url.endswith("/") or folder.endswith("/"):  # a bucket
        return Store(url)
    store = Store(folder)
    entry = store.entry(name)
    if entry is None:
        return Store(url)
    return of_object(store, name, entry, f"{folder.partition('://')[2]}/{name}" if whole else None)


def closed_groups(sources: Iterable[Source]) -> list[list[Source]]:
    """Returns the sources in groups, both sorted by name, such that names of results collide only within a group.

    `cat.png` and `cat.jpg` make a group, since both would become `cat-sr.png`. If one gets the name `cat-jpg-sr.png`
    therefore, `cat-jpg.png` belongs to it, too. See `inference.folder.plan`.
    """
    by_stem = defaultdict(list)
    for source in sorted(sources, key=lambda source: PurePosixPath(source.name)):
        by_stem[_stem(source.name)].append(source)
    first = {stem: stem for stem in by_stem}  # of the group, by union and find

    def root(stem):
        while first[stem] != stem:
            stem = first[stem]
        return stem

    for (folder, stem), members in by_stem.items():
        for source in members if len(members) > 1 else ():
            form = PurePosixPath(source.name).suffix.lower()[1:] or "file"
            endings = [form, *(f"{form}-{number}" for number in range(2, len(members) + 1))]
            for other in ((folder, f"{stem}-{ending}") for ending in endings):
                if other in by_stem:
                    first[root(other)] = root((folder, stem))
    groups = defaultdict(list)
    for stem, members in by_stem.items():
        groups[root(stem)] += members
    by_name = [sorted(group, key=lambda source: PurePosixPath(source.name)) for group in groups.values()]
    return sorted(by_name, key=lambda group: PurePosixPath(group[0].name))


def check_names(sources: Iterable[Source]) -> tuple[list[Source], list[tuple[str, InputError]]]:
    """Returns the sources without those whose name another one has, and failures for these."""
    seen, failures = {}, []
    for source in sources:
        if source.name in seen:
            other = seen[source.name].label
            failures.append((source.label, InputError(f"{source.label}: has the same name in the results as {other}.")))
        else:
            seen[source.name] = source
    return list(seen.values()), failures


def _stem(name):
    """Folder and stem, equal if a file system may not distinguish them."""
    path = PurePosixPath(name.casefold())
    return path.parent, path.stem


def _link(path, target):
    with contextlib.suppress(OSError, NotImplementedError):  # Windows wants a privilege for that
        return target.symlink_to(os.path.abspath(path))  # noqa: PTH100  (`resolve` would follow links in it)
    shutil.copyfile(path, target)
    return None
