"""What the modes of `convert` share: -i and -o, the flags of a run over many images, and its report."""

from wdsr_tf.commands import limits
from wdsr_tf.commands.command import complain, say
from wdsr_tf.errors import InputError
from wdsr_tf.system.terminal import one_line

RESUMES = (
    "Images that are already converted are skipped, even after an interrupted run. Images that can't be read are "
    "listed at the end, and the exit code is 1."
)


def define_paths(flags, source, target):
    """Defines -i and -o; `source` and `target` are their sentences."""
    flags.string("indir", None, source, short="i")
    flags.string("outdir", None, target, short="o")


def define_jobs(flags):
    """Defines --jobs, and --max-pixels for what the jobs read."""
    limits.define(flags)
    flags.integer("jobs", None, "Number of processes. Default: one per core that the job may use.", minimum=1)


def define_verify(flags):
    flags.switch("verify", False, "Check existing files by checksum, not just by size and header.")


def define_prune(flags):
    flags.switch("prune", False, "Remove what was made of images that are gone, even if they are more than a tenth.")


def define_valid(flags):
    flags.string(
        "valid",
        None,
        "How many images validate, as a number or a fraction; default: 0.05. Folders named train and valid in --indir "
        "are used as the split.",
    )


def paths(flags):
    """Returns the values of -i and -o; InputError if one is missing."""
    for name, short, verb in (("indir", "i", "read"), ("outdir", "o", "write")):
        if not flags[name].value:
            raise InputError(f"Missing -{short}: name what to {verb}. The command needs -i FROM -o TO.")
    return flags.indir, flags.outdir


def report(result, flags):
    """Prints the `cache.Report` of a conversion; returns the exit code."""
    say(f"{result.done} images converted, {result.kept} already up to date, in {flags.outdir}")
    if result.removed:
        say(f"{result.removed} images removed, because they are no longer in {flags.indir} or in that split")
    if result.unpruned:
        complain(
            f"{result.unpruned} images are no longer in {flags.indir}. What was made of them is kept, because they are "
            "more than a tenth. If they are meant to be gone, add --prune."
        )
    if result.left_out:
        say(f"{len(result.left_out)} images left out:")
    for _, reason in result.left_out:
        say(f"  {one_line(reason)}")
    if result.failed:
        complain(f"{len(result.failed)} images failed:")
    for _, reason in result.failed:
        complain(f"  {one_line(reason)}")
    return 1 if result.failed else 0
