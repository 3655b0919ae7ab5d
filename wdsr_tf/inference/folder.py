"""Files to files: which pictures a person means, and under which names they come back."""

import os
from pathlib import Path

from wdsr_tf import images
from wdsr_tf.errors import InputError

LONGEST = 255  # bytes of a file's name


def find(indir, outdir):
    """The pictures that a person means by `indir`, a picture or a folder of them; those in `outdir` are left out."""
    indir, outdir = Path(indir), Path(outdir)
    if outdir.is_file():
        raise InputError(f"{outdir}: is a file; -o names the folder for the enlarged pictures")
    if indir.is_file():
        return [indir]
    if not indir.is_dir():
        raise InputError(f"{indir}: there is no such file or folder")
    nested = indir.resolve() in outdir.resolve().parents
    sources = [p for p in images.find(indir) if not (nested and outdir.resolve() in p.resolve().parents)]
    if not sources:
        raise InputError(f"{indir}: holds no pictures ({', '.join(images.SUFFIXES)})")
    return sources


def wished_suffix(form):
    """`.webp` for the text `webp` of --format, None where nothing is wished."""
    if form and f".{form.lower()}" not in images.SUFFIXES:
        known = ", ".join(suffix[1:] for suffix in images.SUFFIXES)
        raise InputError(f"pictures cannot be written as {form!r}; known are {known}")
    return f".{form.lower()}" if form else None


def plan(sources, indir, outdir, result_size, wished=None):
    """Pairs (picture, where its enlargement goes) of the `sources` that `find` found; their folders are kept.

    `cat.png` becomes `cat-sr.png`: the suffix stays where the format is lossless, and of animations, if it can hold
    the result, and becomes png elsewhere; `wished` (".webp") is what all get instead. `result_size(height, width)` is
    what a picture of that size becomes. Where two pictures would get one name, the second says what it was: beside
    `cat.png`, `cat.jpg` becomes `cat-jpg-sr.png`. Earlier output that lies among the pictures is not enlarged again,
    in whatever format it is.
    """
    indir, outdir = Path(indir), Path(outdir)
    root = indir.parent if indir.is_file() else indir
    taken = {}
    for source in sorted(sources, key=lambda path: path.suffix.lower() not in images.LOSSLESS):  # these keep theirs
        folder = outdir / source.relative_to(root).parent
        names = _names(folder, source, wished or _kept_suffix(source, result_size))
        target = next(path for path in names if _key(path) not in taken)
        taken[_key(target)] = (source, target)
    made = {_key(target.with_suffix("")) for _, target in taken.values()}
    return sorted(pair for pair in taken.values() if _key(pair[0].with_suffix("")) not in made)


def is_done(source, target, result_size):
    """Whether `target` is no older than the picture that it was made from, and of the size that is wished for."""
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        return False
    try:
        return images.size(target, float("inf")) == tuple(result_size(*images.size(source, float("inf"))))
    except InputError:  # said when it is read
        return False


def _kept_suffix(source, result_size):
    """The suffix of `source` where its format is lossless or it moves, and where that can hold the result, or .png."""
    suffix = source.suffix.lower()
    form = images.FORMATS[suffix]
    try:
        if suffix not in images.LOSSLESS and not images.is_animated(source):
            return ".png"
        if form.alpha and not form.max_side:
            return suffix
        result = result_size(*images.size(source, float("inf")))
        fits = (form.alpha or not images.has_alpha(source)) and max(result) <= (form.max_side or max(result))
    except InputError:  # said when it is read
        return suffix if suffix in images.LOSSLESS else ".png"
    return suffix if fits else ".png"


def _names(folder, source, kept):
    suffix = source.suffix.lower()
    yield folder / _shortened(source.stem, f"-sr{kept}")
    yield folder / _shortened(source.stem, f"-{suffix[1:]}-sr{kept}")
    number = 2
    while True:
        yield folder / _shortened(source.stem, f"-{suffix[1:]}-{number}-sr{kept}")
        number += 1


def _shortened(stem, ending):
    """`stem` and `ending`, the stem cut where both are too long for a file's name."""
    while len(os.fsencode(stem + ending)) > LONGEST:
        stem = stem[:-1]
    return stem + ending


def _key(path):
    """Equal for names that a file system may take for the same."""
    return str(path.resolve()).casefold()
