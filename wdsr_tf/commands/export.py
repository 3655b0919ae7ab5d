"""`wdsr-tf export`, also `convert export`: a model -> ONNX, OpenVINO, LiteRT or SavedModel."""

from wdsr_tf.commands import downloads
from wdsr_tf.commands.command import Command, complain, say
from wdsr_tf.commands.convert import common
from wdsr_tf.export.form import LAYOUTS, RANGES


def define(flags):
    common.define_paths(flags, "Checkpoint (.keras) or published weights file, or its URL.", "Folder to write to.")
    downloads.define(flags, "--indir")
    flags.list("format", "onnx", "Formats with commas between them: onnx, openvino, litert, saved_model.")
    flags.choice("layout", "nhwc", LAYOUTS, "Order of the axes of input and output.")
    flags.choice("range", "0..255", RANGES, "Range of the pixels of input and output.")
    flags.switch("image", False, "Take and return uint8; the model clips and rounds.")
    flags.string(
        "tile", None, "Fixed size of the input in LR pixels, HEIGHTxWIDTH. Default: any size, and 128x128 for litert."
    )
    flags.switch("half", False, "Store weights as float16, which halves the file.")
    flags.switch("int8", False, "openvino, litert: compute in int8, and print the loss in dB.")
    flags.string(
        "calibration",
        None,
        "Image, or folder of images, that int8 is calibrated on. Default: this project's demo images.",
    )


def run(flags, words):
    indir, outdir = common.paths(flags)
    indir = downloads.fetched(indir, flags, flags.sha256)
    from wdsr_tf.export.model import export_model
    from wdsr_tf.export.report import losses, table

    cards, failed = export_model(
        indir,
        outdir,
        formats=flags.format,
        half=flags.half,
        int8=flags.int8,
        calibration=flags.calibration,
        image=flags.image,
        layout=flags.layout,
        value_range=flags.range,
        tile=flags.tile,
    )
    for line in (*table(cards), *losses(cards)):
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
