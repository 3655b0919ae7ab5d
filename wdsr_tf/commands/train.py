"""The train command: trains a network, resumes a run, or measures what a training would take."""

import dataclasses
from pathlib import Path

from wdsr_tf.commands import downloads, fields, limits
from wdsr_tf.commands.command import Command, complain, say
from wdsr_tf.commands.flags import hyphenated, setting
from wdsr_tf.errors import InputError
from wdsr_tf.training.config import HYPERPARAMETERS, TrainingConfig, flag_name, without_effect

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
        teacher = downloads.fetched(config.teacher, flags)
        config = dataclasses.replace(config, pretrained_model=pretrained, teacher=teacher)
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
    """Returns the TrainingConfig of the parsed flags.

    What is typed must apply. What a profile sets and doesn't apply beside it, or to this dataset, is dropped with a
    line.
    """
    values = fields.values(flags, TrainingConfig)
    _drop_hyperparameters(values, flags)
    _fit_patches(values, flags)
    while in_vain := _in_vain(values, flags):  # what is dropped may leave others without effect
        for name, (flag, reason) in in_vain.items():
            complain(f"{hyphenated(flag)} is ignored: it applies only {reason}.")
            del values[name]
    return TrainingConfig(**values)


def _in_vain(values, flags):
    """{field: (flag, when it applies)} for what a profile sets without effect."""
    fields_ = TrainingConfig.__dataclass_fields__
    found = {name: (flag_name(fields_[name]), reason) for name, reason in without_effect(values).items()}
    return {name: (flag, reason) for name, (flag, reason) in found.items() if not flags.is_typed(flag)}


def _drop_hyperparameters(values, flags):
    """Drops those of the profile's network that the network that is typed instead doesn't have."""
    if not flags.is_typed("model"):
        return
    from wdsr_tf.system.require import require_keras

    require_keras("Training")
    from wdsr_tf.models.registry import get_architecture

    model = values["model"]
    known = get_architecture(model).hyperparameters
    for name in HYPERPARAMETERS:
        flag = flag_name(TrainingConfig.__dataclass_fields__[name])
        if values[name] is not None and name not in known and not flags.is_typed(flag):
            complain(f"{hyphenated(flag)} is ignored: {model} has no {name}.")
            del values[name]
    for text in flags.set:
        name, _ = setting(text)
        if name not in known and not flags.is_typed("set", text):
            complain(f"--set {text} is ignored: {model} has no {name}.")
            del values["hyperparameters"][name]


def _fit_patches(values, flags):
    """Takes a store's patches whole where the profile, or the default, asks for larger ones."""
    if not Path(values["dataset"]).is_file() or flags.is_typed("lr_patch_size"):
        return
    from wdsr_tf.data.patches import lr_side

    wanted, side = values["lr_patch_size"], lr_side(values["dataset"])
    if side < wanted:
        complain(f"--lr-patch-size is {side}, not {wanted}: the store has no larger patches.")
        values["lr_patch_size"] = side


def profiles_folder():
    """Returns the folder of profiles: inside an installed package, or at the root of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "profiles"
    return installed if installed.is_dir() else package.parent / "profiles"


COMMAND = Command("train", "Trains a network.", define, run, "[RUN]", DESCRIPTION, profiles_folder())
