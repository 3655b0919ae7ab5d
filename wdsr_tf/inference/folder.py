"""Files to files: which pictures a person means, with which checkpoint, and under which names they come back."""

import re
from pathlib import Path

from wdsr_tf import images
from wdsr_tf.errors import InputError


def best_checkpoint(path):
    """`path` itself if it is a file; of a folder the checkpoint with the highest PSNR in its name.

    Names are as training writes them, `epoch-001-psnr-34.5394.keras`; others rank last. Raises InputError where there
    is none.
    """
    path = Path(path)
    if path.is_file():
        return path
    found = [file for file in path.rglob("*.keras") if not file.name.startswith(".")]
    if not found:
        raise InputError(
            f"there is no trained network at {path}: train one, for instance with "
            "'python train.py --profile wdsr-a-8', or name a checkpoint with -m"
        )
    return max(found, key=lambda file: (_psnr(file), file.name, file))


def _psnr(file):
    match = re.search(r"-psnr-(\d+\.\d+)", file.name)
    return float(match[1]) if match else float("-inf")


def plan(indir, outdir):
    """Pairs (picture, where its enlargement goes) for a picture or a folder of them, whose structure is kept.

    `cat.png` becomes `cat-sr.png`: the suffix stays where the format is lossless and becomes png elsewhere. Where two
    pictures would get one name, the second says what it was: beside `cat.png`, `cat.jpg` becomes `cat-jpg-sr.png`.
    Earlier output that lies among the pictures is not enlarged again.
    """
    indir, outdir = Path(indir), Path(outdir)
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
        target = next(path for path in _names(folder, source) if _key(path) not in taken)
        taken[_key(target)] = (source, target)
    return sorted(pair for pair in taken.values() if _key(pair[0]) not in taken)


def _names(folder, source):
    suffix = source.suffix.lower()
    kept = suffix if suffix in images.LOSSLESS else ".png"
    yield folder / f"{source.stem}-sr{kept}"
    yield folder / f"{source.stem}-{suffix[1:]}-sr{kept}"
    number = 2
    while True:
        yield folder / f"{source.stem}-{suffix[1:]}-{number}-sr{kept}"
        number += 1


def _key(path):
    """Equal for names that a file system may take for the same."""
    return str(path.resolve()).casefold()


def is_done(source, target):
    """Whether `target` exists and is no older than the picture that it was made from."""
    return target.exists() and target.stat().st_mtime >= source.stat().st_mtime
