"""Which images to upscale, and the names of the results."""

import os
from pathlib import Path

from wdsr_tf import images
from wdsr_tf.errors import InputError, suggestion
from wdsr_tf.images.content import SUFFIX_OF

MAX_NAME = 255  # bytes of a file name


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
    found = images.find(indir, lambda path, form: log(f"Skipped: {path}: {form} files aren't supported."))
    sources = [p for p in found if not (nested and outdir.resolve() in p.resolve().parents)]
    if not sources:
        raise InputError(f"{indir} has no images ({', '.join(images.SUFFIXES)}).")
    return sources


def suffix_of(form):
    """Returns `.webp` for the format `webp`, or None for None."""
    if form and f".{form.lower()}" not in images.SUFFIXES:
        known = [suffix[1:] for suffix in images.SUFFIXES]
        raise InputError(f"Unknown format {form!r}. {suggestion(form, known)}Formats: {', '.join(known)}.")
    return f".{form.lower()}" if form else None


def plan(sources, indir, outdir, result_size, suffix=None):
    """Returns pairs (image, where its result goes).

    `cat.png` becomes `cat-sr.png`: the suffix stays if the format is lossless, or the image moves, and it can hold the
    result; else it becomes `.png`. If two images would get one name, the second also says what it was: beside
    `cat.png`, `cat.jpg` becomes `cat-jpg-sr.png`. Earlier results among the images aren't upscaled again, in whatever
    format they are.

    Args:
        sources: the images that `find` found in `indir`.
        indir: an image, or a folder, whose subfolders are kept.
        outdir: folder for the results.
        result_size: function from (height, width) to that of the result.
        suffix: such as ".webp", for all results.
    """
    indir, outdir = Path(indir), Path(outdir)
    root = indir.parent if indir.is_file() else indir
    taken = {}
    for source in sorted(sources, key=lambda path: path.suffix.lower() not in images.LOSSLESS):  # these keep theirs
        folder = outdir / source.relative_to(root).parent
        names = _names(folder, source, suffix or _kept_suffix(source, result_size))
        target = next(path for path in names if _key(path) not in taken)
        taken[_key(target)] = (source, target)
    made = {_key(target.with_suffix("")) for _, target in taken.values()}
    return sorted(pair for pair in taken.values() if _key(pair[0].with_suffix("")) not in made)


def is_done(source, target, result_size):
    """Whether `target` is no older than the image that it was made from, and has the size that the result has now."""
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        return False
    try:
        return images.size(target, float("inf")) == tuple(result_size(*images.size(source, float("inf"))))
    except InputError:  # reported when it's read
        return False


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


def _names(folder, source, kept):
    was = source.suffix.lower()[1:] or "file"
    yield folder / _shortened(source.stem, f"-sr{kept}")
    yield folder / _shortened(source.stem, f"-{was}-sr{kept}")
    number = 2
    while True:
        yield folder / _shortened(source.stem, f"-{was}-{number}-sr{kept}")
        number += 1


def _shortened(stem, ending):
    """`stem` and `ending`, with the stem cut if both are too long for a file name."""
    while len(os.fsencode(stem + ending)) > MAX_NAME:
        stem = stem[:-1]
    return stem + ending


def _key(path):
    """Equal for names that a file system may treat as the same."""
    return str(path.resolve()).casefold()
