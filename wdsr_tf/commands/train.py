"""The train command: trains a network, resumes a run, or measures what a training would take."""

import dataclasses
from pathlib import Path

from wdsr_tf.commands import downloads, fields, limits
from wdsr_tf.commands.command import Command, complain, say
from wdsr_tf.commands.flags import hyphenated
from wdsr_tf.errors import InputError
from wdsr_tf.training.config import TrainingConfig, flag_name, without_effect

DESCRIPTION = """\
Writes OUTDIR/YYYYMMDD-HHMMSS/ with args.txt, models/, log/, history.csv and curve.png; OUTDIR/models links to the \
newest run's models. args.txt is a profile that repeats the run.

--resume continues the newest run, or the run that is named, to the bit as if it hadn't stopped. Flags on the command \
line win over those of the run and of a profile."""


def define(flags):
    flags.section("Run")
    flags.string("profile", None, "File of flags: a name in profiles/ or a path.", short="p")
    flags.switch("resume", False, "Continue the newest run in --outdir, or RUN.")
    flags.switch("find_batch", False, "Don't train; find the largest --batch-size that fits into memory.")
    flags.switch("dry_run", False, "Train a few steps, write no run, and print the memory and the hours to expect.")
    downloads.define(flags, "--pretrained-model")
    limits.define(flags)
    fields.define(flags, TrainingConfig)
    flags.alias("iterations_per_epoch", "steps_per_epoch")
    flags.retired("use_multiprocessing", "the input pipeline uses threads", is_switch=True)
    flags.retired("num_workers", "the input pipeline uses threads")
    flags.retired("max_queue_size", "the input pipeline decides how far to read ahead")
    flags.retired("gpu_memory_fraction", "the backend takes GPU memory as it needs it")


def run(flags, words):
    if (words and not flags.resume) or len(words) > 1:
        raise InputError(f"Unexpected argument {words[-1]!r}. Only --resume takes the name of a run.")
    resumed = None
    if flags.resume:
        from wdsr_tf.training.run import Run

        resumed = Run.find(flags.outdir, *words, log=say)
        flags.parse_over(resumed.args)
    config = config_of(flags)
    if resumed:  # args.txt may come from another machine
        config = dataclasses.replace(config, outdir=resumed.folder.parent)
    else:
        pretrained = downloads.fetched(config.pretrained_model, flags, flags.sha256)
        config = dataclasses.replace(config, pretrained_model=pretrained)
    from wdsr_tf.system.require import require_keras

    require_keras("Training")
    from wdsr_tf.training.train import dry_run, find_batch, train

    if flags.dry_run:
        dry_run(config, log=say)
    elif flags.find_batch:
        say(f"The largest batch that fits is --batch-size={find_batch(config, log=say)}")
    else:
        train(config, resume=resumed, log=say)


def config_of(flags):
    """Returns the TrainingConfig of the parsed flags; drops what a profile sets in vain, with a line for each."""
    values = fields.values(flags, TrainingConfig)
    for name, reason in without_effect(values).items():
        flag = flag_name(TrainingConfig.__dataclass_fields__[name])
        if not flags.is_typed(flag):
            complain(f"{hyphenated(flag)} is ignored: it applies only {reason}.")
            del values[name]
    return TrainingConfig(**values)


def profiles_folder():
    """Returns the folder of profiles: inside an installed package, or at the root of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "profiles"
    return installed if installed.is_dir() else package.parent / "profiles"


COMMAND = Command("train", "Trains a network.", define, run, "[RUN]", DESCRIPTION, profiles_folder())
