"""Files to files: which pictures a person means, and under which names they come back."""

from pathlib import Path

from wdsr_tf import images
from wdsr_tf.errors import InputError


def plan(indir, outdir, form=None):
    """Pairs (picture, where its enlargement goes) for a picture or a folder of them, whose structure is kept.

    `cat.png` becomes `cat-sr.png`: the suffix stays where the format is lossless, and of animations, and becomes png
    elsewhere; `form` ("webp") is what all become instead. Where two pictures would get one name, the second says what
    it was: beside `cat.png`, `cat.jpg` becomes `cat-jpg-sr.png`. Earlier output that lies among the pictures is not
    enlarged again.
    """
    indir, outdir = Path(indir), Path(outdir)
    if form and f".{form.lower()}" not in images.SUFFIXES:
        known = ", ".join(suffix[1:] for suffix in images.SUFFIXES)
        raise InputError(f"pictures cannot be written as {form!r}; known are {known}")
    if indir.is_dir():
        nested = indir.resolve() in outdir.resolve().parents
        sources = [p for p in images.find(indir) if not (nested and outdir.resolve() in p.resolve().parents)]
    elif indir.is_file():
        indir, sources = indir.parent, [indir]
    else:
        raise InputError(f"{indir}: there is no such file or folder")
    if not sources:
        raise InputError(f"{indir}: holds no pictures ({', '.join(images.SUFFIXES)})")

    taken = {}
    for source in sorted(sources, key=lambda path: path.suffix.lower() not in images.LOSSLESS):  # these keep theirs
        folder = outdir / source.relative_to(indir).parent
        target = next(path for path in _names(folder, source, form) if _key(path) not in taken)
        taken[_key(target)] = (source, target)
    return sorted(pair for pair in taken.values() if _key(pair[0]) not in taken)


def _names(folder, source, form):
    suffix = source.suffix.lower()
    kept = f".{form.lower()}" if form else suffix if suffix in images.LOSSLESS or _moves(source) else ".png"
    yield folder / f"{source.stem}-sr{kept}"
    yield folder / f"{source.stem}-{suffix[1:]}-sr{kept}"
    number = 2
    while True:
        yield folder / f"{source.stem}-{suffix[1:]}-{number}-sr{kept}"
        number += 1


def _moves(source):
    try:
        return images.is_animated(source)
    except InputError:  # said when it is read
        return False


def _key(path):
    """Equal for names that a file system may take for the same."""
    return str(path.resolve()).casefold()


def is_done(source, target):
    """Whether `target` exists and is no older than the picture that it was made from."""
    return target.exists() and target.stat().st_mtime >= source.stat().st_mtime
