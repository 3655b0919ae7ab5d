"""Which images of a folder to upscale, the names of the results, and how each is made and recorded."""

import contextlib
import dataclasses
import functools
import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path

from wdsr_tf import images
from wdsr_tf.errors import InputError, sentence, suggestion
from wdsr_tf.files import atomic, is_disk_full, sha256
from wdsr_tf.images.content import SUFFIX_OF
from wdsr_tf.inference.journal import PASSED, Outcome, Record, State, options_hash
from wdsr_tf.system.terminal import one_line

ENDING = "-sr"
MAX_NAME = 255  # bytes of a file name
MAX_ERROR = 2000  # letters in a record


def find(indir, outdir, log=None):
    """Returns the images at `indir`, an image or a folder, without those in `outdir`; InputError if there is none.

    `log` is called with one line for each image of a format that isn't read.
    """
    indir, outdir = Path(indir), Path(outdir)
    if outdir.is_file():
        raise InputError(f"The output folder {outdir} is a file; name a folder (-o).")
    if indir.is_file():
        return [indir]
    if not indir.is_dir():
        raise InputError(f"There is no file or folder {indir}.")
    nested = indir.resolve() in outdir.resolve().parents
    log = log or (lambda line: None)
    found = images.find(indir, lambda path, form: log(f"Skipped: {one_line(path)}: {form} files aren't supported."))
    sources = [p for p in found if not (nested and outdir.resolve() in p.resolve().parents)]
    if not sources:
        raise InputError(f"{indir} has no images ({', '.join(images.SUFFIXES)}).")
    return sources


def file_of(indir, outdir):
    """Returns the file that `outdir` names for the result of the image `indir`, or None if it names a folder.

    `indir` is None for a list of images. Raises InputError if the file is the image itself.
    """
    if indir is None:
        return None
    indir, outdir = Path(indir), Path(outdir)
    if not indir.is_file() or outdir.is_dir() or outdir.suffix.lower() not in images.SUFFIXES:
        return None
    if outdir.exists() and outdir.samefile(indir):
        raise InputError(f"{outdir} is the image itself, which is never replaced. Name another file (-o).")
    return outdir


def suffix_of(form):
    """Returns `.webp` for the format `webp`, or None for None."""
    if form and f".{form.lower()}" not in images.SUFFIXES:
        known = [suffix[1:] for suffix in images.SUFFIXES]
        raise InputError(f"Unknown format {form!r}. {suggestion(form, known)}Formats: {', '.join(known)}.")
    return f".{form.lower()}" if form else None


def plan(sources, indir, outdir, result_size, suffix=None, journal=(), ending=ENDING):
    """Returns pairs (image, where its result goes).

    `cat.png` becomes `cat-sr.png`: the suffix stays if the format is lossless, or the image moves, and it can hold the
    result; else it becomes `.png`. If two images would get one name, the second also says what it was: beside
    `cat.png`, `cat.jpg` becomes `cat-jpg-sr.png`. The same if the name is that of an image: no image is written to.

    Args:
        sources: the images that `find` found in `indir`.
        indir: an image, or a folder, whose subfolders are kept; or None for images from a list, which keep those
            below the current folder.
        outdir: folder for the results.
        result_size: function from (height, width) to that of the result.
        suffix: such as ".webp", for all results.
        ending: of the names, before the suffix.
        journal: of `outdir`; results in it that are among the images of a folder aren't upscaled again.
    """
    outdir = Path(outdir)
    resolved, real_outdir = functools.cache(os.path.realpath), Path(os.path.realpath(outdir))

    def place(path):
        return Path(resolved(path.parent), path.name)

    def is_result(source):
        real = place(source)
        return real.is_relative_to(real_outdir) and real.relative_to(real_outdir).as_posix() in journal

    if indir is not None and not Path(indir).is_file():
        sources = [source for source in sources if not is_result(source)]
    taken = {_key(path) for source in sources for path in (place(source), os.path.realpath(source))}
    pairs = []
    for source in sorted(sources, key=lambda path: path.suffix.lower() not in images.LOSSLESS):  # these keep theirs
        folder = outdir / below(source, indir).parent
        names = _names(folder, source, ending + (suffix or _kept_suffix(source, result_size)))
        target = next(path for path in names if _key(place(path)) not in taken)
        taken.add(_key(place(target)))
        pairs.append((source, target))
    return sorted(pairs)


def below(source, indir):
    """Returns the path of an image in the folder `indir`, or in the current one for None: its name if it isn't there.

    `indir` may also be the image itself.
    """
    root = Path() if indir is None else Path(indir)
    if source == root:
        return Path(source.name)
    if source.is_absolute() and not root.is_absolute():
        root = Path.cwd() / root
    if source.is_relative_to(root) and ".." not in (inside := source.relative_to(root)).parts:
        return inside
    return Path(source.name)


def state(upscaler, journal, source, target):
    """Returns the `State` of the file at `target`, if `source` is to be upscaled to it."""
    cause = None
    if os.path.lexists(target) or journal.was_quarantined(target):
        with contextlib.suppress(InputError, OSError):  # reported when it's read
            cause = cause_of(upscaler, source)
    return journal.state(target, cause)


@dataclasses.dataclass(frozen=True)
class Watch:
    """How a caller follows an image.

    Args:
        progress: called with the finished fraction of the work.
        turn: called when the outcome is known, before anything is recorded: several threads do that in turn.
    """

    progress: Callable[[float], None] | None = None
    turn: Callable[[], None] = lambda: None


def upscale_one(source, target, options, watch: Watch | None = None) -> Record:
    """Upscales the image `source` to `target` and returns the `Record`, which is in the journal then.

    It can be called in any process, in several threads, and again: its arguments are plain values, and nothing is kept
    but the models and the journal that the process has open. Whatever is wrong with the image is a record, too.

    Args:
        source: an image.
        target: where its result goes, in the output folder.
        options: `Options`.
        watch: how the caller follows it.

    Raises:
        InputError: the models can't be opened, or the journal can't be written, which isn't about the image.
        OSError: the disk is full.
    """
    source, target, watch = Path(source), Path(target), watch or Watch()
    journal, started = options.journal, time.perf_counter()
    record = Record(journal.name(target), "", below(source, options.indir).as_posix(), "", (), "")
    try:
        checksum, models, choices = cause_of(options.upscaler, source)
        record = dataclasses.replace(record, source_sha256=checksum, models=models, options=choices)
        return make(record, source, target, options, watch)
    except Exception as error:  # whatever is wrong with one image
        if is_disk_full(error):
            raise
        watch.turn()
        why = sentence(error)[:MAX_ERROR] or type(error).__name__
        return journal.add(dataclasses.replace(record, outcome=Outcome.FAILED, error=why, seconds=_since(started)))


def make(record, source, target, how, watch: Watch) -> Record:
    """As `upscale_one`, but raises what is wrong with the image.

    Args:
        record: of the result, as far as it's known: its name, the image's name and its `cause_of`.
        source: an image.
        target: where its result goes.
        how: has the `upscaler`, the `journal`, `overwrite` and `check`, as `Options` do.
        watch: how the caller follows it.
    """
    journal, started = how.journal, time.perf_counter()
    with atomic(target) as temporary:
        try:
            how.upscaler.upscale_file(source, temporary, watch.progress)
        except InputError as error:
            raise InputError(str(error).replace(str(temporary), str(target))) from error
        checked = verdict(source, temporary, how.upscaler.max_pixels) if how.check else ""
        watch.turn()
        if not how.overwrite and journal.state(target) is State.FOREIGN:
            raise InputError(f"{target}: exists and isn't a result of this command, so it isn't replaced.")
        height, width = images.size(temporary, float("inf"))
        made = {"target_sha256": sha256(temporary), "pixels": height * width}
        return journal.add(dataclasses.replace(record, **made, seconds=_since(started), check=checked))


def quarantine(source, target, options, reason) -> Record:
    """Records that an image isn't to be tried again until it, the model or an option changes; returns the `Record`."""
    cause = ("", (), "")
    with contextlib.suppress(InputError, OSError):
        cause = cause_of(options.upscaler, source)
    journal, name = options.journal, below(source, options.indir).as_posix()
    record = Record(journal.name(target), "", name, *cause, outcome=Outcome.QUARANTINED, error=reason)
    return journal.add(record)


def _since(started):
    return round(time.perf_counter() - started, 3)


def check_again(journal, source, target, max_pixels):
    """Returns the `Record` of a result that is up to date, compared with its image unless it passed before."""
    record = journal.find(target)
    if record.check != PASSED:
        record = journal.add(dataclasses.replace(record, check=verdict(source, target, max_pixels)))
    return record


def verdict(source, result, max_pixels):
    """Returns PASSED, or what is wrong with the file `result`, made of the image `source`."""
    from wdsr_tf.inference.check import compare_files

    return "; ".join(compare_files(source, result, max_pixels)) or PASSED


def cause_of(upscaler, source):
    """Returns the `Record.cause` of the result for the image `source`."""
    models, options = upscaler.recipe(source)
    return sha256(source), models, options_hash(options)


def _kept_suffix(source, result_size):
    """The suffix of `source` if its format is lossless or it moves, and can hold the result; else .png.

    A wrong suffix is replaced by that of the content.
    """
    suffix, kind = source.suffix.lower(), images.kind(source)
    form = images.FORMATS.get(suffix)
    if kind and (form is None or form.name != kind):
        suffix = SUFFIX_OF[kind]
        form = images.FORMATS.get(suffix)
    if form is None:
        return ".png"
    try:
        if suffix not in images.LOSSLESS and not images.is_animated(source):
            return ".png"
        if form.alpha and not form.max_side:
            return suffix
        result = result_size(*images.size(source, float("inf")))
        fits = (form.alpha or not images.has_alpha(source)) and max(result) <= (form.max_side or max(result))
    except InputError:  # reported when it's read
        return suffix if suffix in images.LOSSLESS else ".png"
    return suffix if fits else ".png"


def _names(folder, source, ending):
    form = source.suffix.lower()[1:] or "file"
    yield folder / _shortened(source.stem, ending)
    yield folder / _shortened(source.stem, f"-{form}{ending}")
    for number in itertools.count(2):
        yield folder / _shortened(source.stem, f"-{form}-{number}{ending}")


def _shortened(stem, ending):
    """`stem` and `ending`, with the stem cut if both are too long for a file name."""
    while len(os.fsencode(stem + ending)) > MAX_NAME:
        stem = stem[:-1]
    return stem + ending


def _key(path):
    """Equal for names that a file system may not distinguish."""
    return str(path).casefold()
