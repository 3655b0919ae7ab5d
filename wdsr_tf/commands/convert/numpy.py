"""`convert numpy`: a tree of images -> the same tree of .npy files, which train.py and bench.py read."""

from wdsr_tf.commands.command import Command
from wdsr_tf.commands.convert import common


def define(flags):
    common.define_paths(flags, "Folder of images, searched recursively.", "Folder to write to.")
    common.define_jobs(flags)
    common.define_verify(flags)
    common.define_prune(flags)


def run(flags, words):
    indir, outdir = common.paths(flags)
    from wdsr_tf.data import convert_tree

    return common.report(convert_tree(indir, outdir, jobs=flags.jobs, verify=flags.verify, prune=flags.prune), flags)


COMMAND = Command(
    "convert numpy",
    "Decodes a tree of images into the same tree of .npy files (uint8, H x W x 3), which train.py and bench.py read.",
    define,
    run,
    description=common.RESUMES,
)
