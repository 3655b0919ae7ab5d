"""`convert pairs`: any folder of images -> a complete dataset, with LR, training and validation images."""

from wdsr_tf.commands.command import Command
from wdsr_tf.commands.convert import common
from wdsr_tf.errors import InputError


def define(flags):
    common.define_paths(flags, "Folder of images, searched recursively.", "Folder to write the dataset to.")
    flags.list("scale", "2,3,4", "Upscaling factors between LR and HR, 2 to 16, with commas between them.", short="s")
    flags.string("name", None, "Name of the dataset. Default: the name of --indir.")
    common.define_valid(flags)
    flags.integer(
        "lr_patch_size",
        48,
        "Leave out images that are too small for an LR patch of this side, in pixels, at the largest scale.",
        minimum=1,
    )
    common.define_jobs(flags)
    common.define_verify(flags)
    common.define_prune(flags)


def run(flags, words):
    indir, outdir = common.paths(flags)
    scales = parse_scales(flags.scale)
    from wdsr_tf.data import make_pairs

    result = make_pairs(
        indir,
        outdir,
        scales,
        name=flags.name,
        valid=flags.valid,
        lr_patch_size=flags.lr_patch_size,
        jobs=flags.jobs,
        verify=flags.verify,
        prune=flags.prune,
    )
    return common.report(result, flags)


def parse_scales(words):
    if not words or not all(word.isdecimal() and 2 <= int(word) <= 16 for word in words):
        raise InputError(f"--scale takes whole numbers from 2 to 16, such as 2,3,4; not {','.join(words)!r}.")
    return sorted({int(word) for word in words})


COMMAND = Command(
    "convert pairs",
    "Makes a dataset of any folder of images: HR, and LR by MATLAB's bicubic, as .npy files in two splits.",
    define,
    run,
    description=common.RESUMES,
)
