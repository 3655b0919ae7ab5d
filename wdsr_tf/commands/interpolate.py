"""`wdsr-tf interpolate`: two models of one architecture -> a model between them."""

from wdsr_tf.commands import downloads
from wdsr_tf.commands.command import Command, say
from wdsr_tf.errors import InputError


def define(flags):
    flags.number(
        "alpha", 0.8, "Weight of the second model: 0 is the first one, 1 the second.", short="a", minimum=0, maximum=1
    )
    flags.string("outfile", None, "Checkpoint (.keras) to write.", short="o")
    flags.integer("scale", None, "Upscaling factor, if published weights fit several.", short="s", minimum=1)
    flags.number("max_download", 2, "Refuse to download larger models, in GiB.", minimum=0)


def run(flags, words):
    if len(words) != 2:
        raise InputError(f"Name two models, such as psnr.keras gan.keras; given: {', '.join(words) or 'none'}.")
    if not flags.outfile:
        raise InputError("Missing -o: name the checkpoint to write, such as -o between.keras.")
    from wdsr_tf import weights

    first, second = (weights.named(word) or downloads.fetched(word, flags) for word in words)
    from wdsr_tf.importers.interpolate import interpolate

    model = interpolate(first, second, flags.alpha, flags.outfile, scale=flags.scale, log=say)
    parts = f"{1 - flags.alpha:g} of {words[0]} and {flags.alpha:g} of {words[1]}"
    say(f"{flags.outfile}: {model.architecture} x{model.scale}, {parts}")


COMMAND = Command(
    "interpolate",
    "Writes a model between two models of one architecture, by their weights.",
    define,
    run,
    words="FIRST SECOND",
    description=(
        "FIRST and SECOND are checkpoints, published weights files, their URLs, or names of bundled models. Every "
        "weight is (1 - ALPHA) * FIRST + ALPHA * SECOND. Between a model that was trained for PSNR and the adversarial "
        "one that was trained from it, this trades texture for fewer artifacts.\n\n"
        "Example: wdsr-tf interpolate psnr.keras gan.keras --alpha 0.8 -o between.keras"
    ),
)
