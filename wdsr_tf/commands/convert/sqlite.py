"""`convert sqlite`: any folder of images -> a store of patches in one file, which train.py reads."""

from wdsr_tf.commands.command import Command
from wdsr_tf.commands.convert import common


def define(flags):
    common.define_paths(flags, "Folder of images, searched recursively.", "File to write.")
    flags.integer("scale", 2, "Upscaling factor between LR and HR, 1 to 16.", short="s", minimum=1, maximum=16)
    common.define_valid(flags)
    flags.string("degrade", "waifu2x-pytorch,level=1", "How LR is made: a degradation and its options, with commas.")
    flags.integer("hr_patch_size", 256, "Side of a patch, in HR pixels.", minimum=1)
    flags.integer("patches", 20, "Patches to try in each image, or at most with --grid.", minimum=1)
    flags.integer(
        "min_bytes", 0, "Drop patches whose LR takes fewer bytes as PNG, such as 14000. Default: keep all.", minimum=0
    )
    flags.switch("grid", False, "Cut patches side by side instead of at random; if there are too many, draw some.")
    flags.number("active_cropping", 0.0, "Share of the patches to cut from detailed places.", minimum=0, maximum=1)
    flags.integer(
        "longest", 0, "Shrink images first whose longer side has more pixels than this. Default: don't.", minimum=0
    )
    common.define_jobs(flags)
    common.define_prune(flags)


def run(flags, words):
    indir, outdir = common.paths(flags)
    from wdsr_tf.data import StoreConfig, make_store

    config = StoreConfig(
        flags.degrade,
        flags.scale,
        flags.hr_patch_size,
        patches=flags.patches,
        min_bytes=flags.min_bytes,
        grid=flags.grid,
        active_cropping=flags.active_cropping,
        longest=flags.longest,
    )
    return common.report(make_store(indir, outdir, config, flags.valid, jobs=flags.jobs, prune=flags.prune), flags)


COMMAND = Command(
    "convert sqlite",
    "Cuts a folder of images into pairs of patches in one SQLite file, which train.py reads.",
    define,
    run,
    description=common.RESUMES,
)
