"""`wdsr-tf export`, also `convert export`: a model -> ONNX, OpenVINO, LiteRT or SavedModel."""

from wdsr_tf.commands import downloads
from wdsr_tf.commands.command import Command, complain, say
from wdsr_tf.commands.convert import common
from wdsr_tf.errors import InputError


def define(flags):
    common.define_paths(flags, "Checkpoint (.keras) or published weights file, or its URL.", "Folder to write to.")
    downloads.define(flags, "--indir")
    flags.list("format", "onnx", "Formats with commas between them: onnx, openvino, litert, saved_model.")
    flags.integer("tile", 128, "litert: height and width of the input in LR pixels.", minimum=1)
    flags.switch("half", False, "Store weights as float16, which halves the file.")
    flags.switch("image", False, "Take and return uint8; the model clips and rounds.")


def run(flags, words):
    indir, outdir = common.paths(flags)
    indir = downloads.fetched(indir, flags, flags.sha256)
    from wdsr_tf.export.formats import FORMATS, demand
    from wdsr_tf.export.model import export_model
    from wdsr_tf.export.report import table

    if flags["tile"].present and not any(FORMATS[name].is_fixed for name in demand(flags.format)):
        raise InputError("--tile has no effect: models in these formats take images of any size. Leave it out.")
    cards, failed = export_model(
        indir, outdir, formats=flags.format, half=flags.half, image=flags.image, tile=flags.tile
    )
    for line in table(cards):
        say(line)
    for error in failed:
        complain(f"{indir}: {error}")
    return 1 if failed else 0


COMMAND = Command(
    "export",
    "Exports a model to ONNX, OpenVINO, LiteRT or SavedModel, with a model card.",
    define,
    run,
    description=(
        "Each file is run and compared with Keras. A format that can't hold the model, or whose output differs too "
        "much, isn't written, and the exit code is 1."
    ),
)
