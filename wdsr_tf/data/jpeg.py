"""JPEG copies of LR images: the downgrades `bicubic_jpeg_90` and the like."""

import functools
import re
from pathlib import Path

from PIL import Image

from wdsr_tf import images
from wdsr_tf.data import cache
from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic

LR_FOLDER = re.compile(r"_LR_(?!.*_jpeg_\d+$)")


def jpeg_tree(
    indir: Path | str,
    outdir: Path | str,
    quality: int,
    jobs: int | None = None,
    verify: bool = False,
    progress: bool = True,
    prune: bool = False,
) -> cache.Report:
    """Copies a tree of images as JPEG files, with Pillow's default chroma subsampling.

    Args:
        indir: one of
            - an LR folder such as `DIV2K_train_LR_bicubic`; its copies go to `DIV2K_train_LR_bicubic_jpeg_90` in
              `outdir`, or to `outdir` itself if its name already ends in `_jpeg_90`;
            - the root of a dataset: each of its LR folders is copied as above;
            - any other tree of images, which is copied to `outdir`.
        outdir: folder to write to; may be the root of the dataset.
        quality: of the JPEG files, 1 to 100.
        jobs: number of processes. Default: one per core that this process may use.
        verify: whether to check existing files by checksum and not only by size and header.
        progress: whether to show a progress bar on stderr.
        prune: whether to remove the copies of images that are gone even if they are more than a tenth.

    Raises:
        InputError: if there is no image, if `outdir` is named after another quality, or if it lies among the images.
    """
    indir, outdir = Path(indir), Path(outdir)
    make = functools.partial(write_jpeg, quality)
    tasks, left_out = [], []
    for source, below in destinations(indir, outdir, quality):
        target = outdir / below
        if target.resolve().is_relative_to(source.resolve()):
            raise InputError(f"{target}: the output folder lies in {source}, whose images are copied. Choose another.")
        sources, others = cache.listing(source)
        left_out += others
        tasks += cache.mirror(sources, source, ".jpg", f"jpeg {quality}", make, below)
    return cache.run_mirror(tasks, indir, outdir, jobs, verify, progress, prune)._replace(left_out=left_out)


def destinations(indir: Path, outdir: Path, quality: int) -> list[tuple[Path, str]]:
    """Returns (folder of images, folder in `outdir` for the copies) for each folder to copy."""
    if not indir.is_dir():
        raise InputError(f"{indir}: no such folder")
    name, ending = indir.resolve().name, f"_jpeg_{quality}"

    def copies(folder):  # of DIV2K_train_LR_bicubic_X2 are in DIV2K_train_LR_bicubic_jpeg_90_X2
        return re.sub(r"(_X\d+)?$", rf"{ending}\1", folder, count=1, flags=re.IGNORECASE)

    other = re.search(r"_jpeg_(\d+)$", outdir.name)
    if other and other[0] != ending:
        raise InputError(f"{outdir}: the folder is named after quality {other[1]}, but the quality is {quality}")
    if LR_FOLDER.search(name) and not other:
        return [(indir, copies(name))]
    folders = sorted(path for path in indir.iterdir() if path.is_dir() and LR_FOLDER.search(path.name))
    return [(folder, copies(folder.name)) for folder in folders] or [(indir, "")]


def write_jpeg(quality: int, source: Path, paths: list[Path]) -> None:
    """Writes an image as JPEG with Pillow's own settings for `quality`."""
    image = Image.fromarray(images.read(source))
    with atomic(paths[0]) as temporary:
        image.save(temporary, "JPEG", quality=quality)
