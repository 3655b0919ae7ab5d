"""What -i and --list name, on either side."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wdsr_tf import images, video
from wdsr_tf.errors import InputError
from wdsr_tf.inference.folder import below
from wdsr_tf.storage.sources import Source, check_names, of_file, of_object
from wdsr_tf.storage.sources import of_url as source_of_url
from wdsr_tf.storage.store import Store
from wdsr_tf.system.terminal import one_line
from wdsr_tf.system.url import is_remote, split_name


@dataclasses.dataclass(frozen=True)
class Found:
    """What to upscale.

    Args:
        sources: each with a name of its own.
        root: what begins their labels, before their names.
        is_single: whether it's one that was named, so that -o may name the result.
        is_searched: whether they are all that is in a folder, which may have other files, too.
        failures: (label, error) of what can't be used.
    """

    sources: list[Source]
    root: str = ""
    is_single: bool = False
    is_searched: bool = False
    failures: list[tuple[str, Exception]] = dataclasses.field(default_factory=list)


def of_url(url: str, outdir: str, max_bytes: int, log: Callable[[str], None]) -> Found:
    """Returns what is at a URL, without what is in the folder `outdir`, if that's in it.

    Args:
        url: of an object, a folder in a store, or a file of a web server.
        outdir: path or URL of the output folder.
        max_bytes: limit for a file of a web server.
        log: called with a line for each object whose name can't be that of a file.

    Raises:
        InputError: there is nothing, or `outdir` is the folder or contains it.
    """
    there = source_of_url(url, max_bytes, whole=False)
    if isinstance(there, Source):
        return Found([there], f"{split_name(there.label)[0]}/", is_single=True)
    own = f"{Store(outdir).url}/" if is_remote(outdir) else ""
    here = f"{there.url}/"
    if own and here.startswith(own):
        raise InputError(f"{outdir} has the images of {url} in it. Name another folder for the results (-o).")
    nested = own[len(here) :] if own.startswith(here) else None
    entries = there.entries(
        lambda name: log(f"Skipped: {one_line(there.label(name))}: its name can't be that of a file.")
    )
    sources = [
        of_object(there, name, entry)
        for name, entry in entries.items()
        if not any(part.startswith(".") for part in name.split("/")) and not (nested and name.startswith(nested))
    ]
    if not sources:
        raise InputError(f"There is no object and no folder with objects at {url}.")
    return Found(sources, here, is_searched=True)


def of_path(place: Path, log: Callable[[str], None]) -> Found:
    """Returns the images and videos at a local path; InputError if there are none."""
    if place.is_file():
        return Found([of_file(place, place.name)], f"{place.parent}/", is_single=True)
    if not place.is_dir():
        raise InputError(f"There is no file or folder {place}.")
    paths = images.find(place, lambda path, form: log(f"Skipped: {one_line(path)}: {form} files aren't supported."))
    paths = sorted({*paths, *video.find(place)})
    if not paths:
        raise InputError(f"{place} has no images ({', '.join(images.SUFFIXES)}).")
    return Found([of_file(path, below(path, place).as_posix()) for path in paths], f"{place}/", is_searched=True)


def of_list(
    listed: list[Path | str], failures: list[tuple[Path, InputError]], max_bytes: int, workers: int = 8
) -> Found:
    """Returns what a list names, as `read_list` returns it; names are BUCKET/KEY in stores, HOST/PATH on the web."""

    def found(each):
        if not is_remote(each):
            return of_file(each, below(each, None).as_posix())
        try:
            there = source_of_url(each, max_bytes, whole=True)
        except InputError as error:
            if getattr(error, "is_fatal", False):
                raise
            return str(each), error
        if isinstance(there, Store):
            return each, InputError(f"{each}: no such object. List objects, or pass a folder with -i.")
        return there

    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(found, listed))
    sources, doubled = check_names(each for each in results if isinstance(each, Source))
    wrong = [each for each in results if not isinstance(each, Source)]
    return Found(sources, failures=[*((str(path), error) for path, error in failures), *wrong, *doubled])
