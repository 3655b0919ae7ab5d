"""`convert weights`: a published weights file -> a checkpoint, or a checkpoint -> a weights file."""

from pathlib import Path

from wdsr_tf import weights
from wdsr_tf.commands import downloads
from wdsr_tf.commands.command import Command, say
from wdsr_tf.commands.convert import common
from wdsr_tf.commands.flags import hyphenated, setting
from wdsr_tf.errors import InputError

TO_CHECKPOINT = ("model", "scale", "set", "license")
TO_WEIGHTS = ("layout",)


def define(flags):
    common.define_paths(
        flags,
        "Published weights file, or checkpoint (.keras); or its URL; or the name of a bundled model.",
        "Checkpoint (.keras) to write, or weights file (.npz, .safetensors, .pth or .pt). From a checkpoint to a "
        "checkpoint, convolutions that were trained in parts become plain ones.",
    )
    downloads.define(flags, "--indir")
    flags.section("From a published weights file")
    flags.string("model", "auto", "Architecture, if the weights fit several.")
    flags.integer("scale", None, "Upscaling factor, if the weights fit several.", short="s", minimum=1)
    flags.repeated("set", [], "Hyperparameter as NAME=VALUE; can be given several times.")
    flags.string("license", None, "License of the weights, to record in the checkpoint.")
    flags.section("From a checkpoint")
    flags.choice(
        "layout",
        None,
        ["ours", "pytorch"],
        "Names of the arrays: ours (layer/weight), or those of published PyTorch code; see docs/export.md. Default: "
        "pytorch for .pth and .pt, otherwise ours.",
    )


def run(flags, words):
    source, target = common.paths(flags)
    from wdsr_tf.importers.download import local

    source = weights.named(source) or local(downloads.fetched(source, flags, flags.sha256))
    target = Path(target)
    from_checkpoint = source.suffix == ".keras"
    to_checkpoint = target.suffix == ".keras"
    if not (from_checkpoint or to_checkpoint):
        raise InputError(
            f"One of -i and -o must be a checkpoint (.keras), not {source.name} and {target.name}. To make one: "
            f"convert.py -i {source} -o {source.with_suffix('.keras').name} weights"
        )
    vain = (TO_CHECKPOINT if from_checkpoint else ()) + (TO_WEIGHTS if to_checkpoint else ())
    for name in vain:
        if flags[name].present:
            other = "published weights are read" if name in TO_CHECKPOINT else "a weights file is written"
            raise InputError(f"{hyphenated(name)} only has a meaning if {other}. Leave it out.")
    from wdsr_tf.importers import convert

    if from_checkpoint and to_checkpoint:
        convert.to_plain(source, target, log=say)
    elif from_checkpoint:
        convert.to_weights(source, target, layout=flags.layout, log=say)
    else:
        hyperparameters = dict(map(setting, flags.set))
        convert.to_checkpoint(
            source,
            target,
            model=flags.model,
            scale=flags.scale,
            hyperparameters=hyperparameters,
            license=flags.license,
            log=say,
        )
        say(f"Upscale with it: python demo.py -m {target} -i IMAGES -o out")


COMMAND = Command(
    "convert weights",
    "Converts a published weights file into a checkpoint (.keras), or a checkpoint into a weights file.",
    define,
    run,
    description=(
        "The checkpoint works with demo.py, bench.py and train.py and records where the weights came from. The output "
        "file is replaced only if the conversion succeeds."
    ),
)
