"""`convert jpeg`: LR images -> copies with JPEG artifacts, such as NAME_LR_bicubic_jpeg_90."""

from wdsr_tf.commands.command import Command
from wdsr_tf.commands.convert import common


def define(flags):
    common.define_paths(
        flags,
        "Folder of LR images, searched recursively, or the root of a dataset, whose LR folders are converted.",
        "Folder to write to. A folder NAME_LR_bicubic goes to NAME_LR_bicubic_jpeg_75 in it, or to the folder itself "
        "if its name ends in _jpeg_75.",
    )
    flags.integer("jpeg_quality", 75, "JPEG quality, 1 to 100.", minimum=1, maximum=100)
    common.define_jobs(flags)
    common.define_verify(flags)
    common.define_prune(flags)


def run(flags, words):
    indir, outdir = common.paths(flags)
    from wdsr_tf.data import jpeg_tree

    result = jpeg_tree(indir, outdir, flags.jpeg_quality, jobs=flags.jobs, verify=flags.verify, prune=flags.prune)
    return common.report(result, flags)


COMMAND = Command(
    "convert jpeg",
    "Copies LR images as JPEG, to train models that remove JPEG artifacts; run 'convert numpy' next.",
    define,
    run,
    description=common.RESUMES,
)
