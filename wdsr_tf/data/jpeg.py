"""JPEG copies of LR pictures: the downgrades `bicubic_jpeg_90` and the like."""

import functools
import re
from pathlib import Path

from PIL import Image

from wdsr_tf import images
from wdsr_tf.data import cache
from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic

LR_FOLDER = re.compile(r"_LR_(?!.*_jpeg_\d+$)")


def jpeg_tree(indir, outdir, quality, **how):
    """Writes JPEG copies of the pictures below `indir`, in the same tree; `how` goes to `cache.run`.

    An LR folder `indir` (`DIV2K_train_LR_bicubic`) goes to `DIV2K_train_LR_bicubic_jpeg_90` in `outdir`, or to
    `outdir` itself where that is a name with `_jpeg_90` already. Of a dataset's root, each LR folder in it goes to
    such a folder in `outdir`, which may be the same root. Any other tree goes to `outdir` as it is.
    """
    indir, outdir = Path(indir), Path(outdir)
    make = functools.partial(write_jpeg, quality)
    tasks = []
    for source, below in destinations(indir, outdir, quality):
        target = outdir / below
        if target.resolve().is_relative_to(source.resolve()):
            raise InputError(f"{target}: lies in {source}, whose pictures it is to hold; -o names a folder outside")
        tasks += cache.mirror(source, ".jpg", f"jpeg {quality}", make, below)
    return cache.run_mirror(tasks, indir, outdir, **how)


def destinations(indir, outdir, quality):
    """(folder of pictures, folder in `outdir` for their copies) for each folder that is to be copied."""
    if not indir.is_dir():
        raise InputError(f"{indir}: there is no such folder")
    name, ending = indir.resolve().name, f"_jpeg_{quality}"
    other = re.search(r"_jpeg_(\d+)$", outdir.name)
    if other and other[0] != ending:
        raise InputError(f"{outdir}: is named for quality {other[1]}, but --jpeg-quality is {quality}")
    if LR_FOLDER.search(name) and not other:
        return [(indir, name + ending)]
    folders = sorted(path for path in indir.iterdir() if path.is_dir() and LR_FOLDER.search(path.name))
    return [(folder, folder.name + ending) for folder in folders] or [(indir, "")]


def write_jpeg(quality, source, paths):
    """Writes the picture as JPEG with Pillow's own settings for `quality`, chroma subsampling included."""
    picture = Image.fromarray(images.read(source))
    with atomic(paths[0]) as temporary:
        picture.save(temporary, "JPEG", quality=quality)
