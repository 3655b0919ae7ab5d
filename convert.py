"""Makes datasets, checkpoints of published weights, and files for other programs of checkpoints:

    python convert.py -i ./DIV2K -o ./DIV2K_BIN numpy

    numpy   a tree of pictures -> the same tree of uint8 H x W x 3 .npy, which train.py and bench.py read
    jpeg    NAME_LR_bicubic -> NAME_LR_bicubic_jpeg_90: LR pictures with JPEG noise; then numpy
    pairs   any folder of pictures -> a complete dataset of .npy: HR, LR at each --scale, training and validation
    sqlite  any folder of pictures -> a store of patches in one file, which train.py reads; LR by --degrade
    weights a published weight file -> a checkpoint (.keras) for demo.py and bench.py, which says where it came from;
            or a checkpoint -> .npz, .safetensors or .pth; -o is replaced, once the new file is whole
    export  a checkpoint -> ONNX, OpenVINO, LiteRT and SavedModel, each run and compared with Keras, with a model card;
            what differs too much, or what a format cannot hold, is not written, and the exit code is 1

    python convert.py -i carn_m.pth -o carn_m.keras weights --scale 2
    python convert.py -i carn_m.keras -o carn_m.npz weights
    python convert.py -i carn_m.keras -o exported export --format onnx,litert

Of datasets, what is there already is not made again, also after a run that was killed; -o keeps account of it, in
convert-manifest.jsonl or in the store. Pictures that cannot be read are listed at the end, and the exit code is 1.
"""

import sys
from pathlib import Path

from absl import app, flags

from wdsr_tf.commands import flags as cli
from wdsr_tf.errors import InputError, suggestion

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "indir",
    None,
    "Folder of pictures, searched recursively. weights: the file to convert. export: the checkpoint.",
    short_name="i",
)
flags.DEFINE_string(
    "outdir",
    None,
    "Folder to write to. jpeg: an LR folder goes to NAME_jpeg_90 in it, or to it where it is so named itself; "
    "where -i is a dataset's root, each LR folder in it does. sqlite, weights: the file to write.",
    short_name="o",
)
flags.DEFINE_integer("jobs", None, "Processes; default: one per core.", lower_bound=1)
flags.DEFINE_bool("verify", False, "Check what is there by its checksum, not by size and header alone.")
flags.DEFINE_integer("jpeg_quality", 75, "jpeg: from 1 to 100.", lower_bound=1, upper_bound=100)
flags.DEFINE_list(
    "scale",
    "2,3,4",
    "pairs: factors between LR and HR, with commas; sqlite, weights: one, by default 2 or what the file is for.",
    short_name="s",
)
flags.DEFINE_string("name", None, "pairs: the dataset's name; default: that of --indir.")
flags.DEFINE_string(
    "valid",
    None,
    "pairs, sqlite: how many pictures validate, as a number or a part; default 0.05. Folders train and valid in "
    "--indir, where present, are the split.",
)
flags.DEFINE_integer(
    "lr_patch_size", 48, "pairs: leave out pictures too small for such a patch at the largest scale.", lower_bound=1
)
flags.DEFINE_string(
    "degrade", "seed-000,level=1", "sqlite: how LR is made: a recipe of wdsr_tf/data/degrade.py with its options."
)
flags.DEFINE_integer("hr_patch_size", 256, "sqlite: side of a patch, in HR pixels.", lower_bound=1)
flags.DEFINE_integer("patches", 20, "sqlite: patches that are tried in each picture.", lower_bound=1)
flags.DEFINE_integer("min_bytes", 0, "sqlite: drop patches whose LR has less as PNG, such as 14000.", lower_bound=0)
flags.DEFINE_bool("grid", False, "sqlite: patches lie side by side; of more than --patches, some are drawn.")
flags.DEFINE_float("active_cropping", 0.0, "sqlite: the part of patches that lie on details.", 0.0, 1.0)
flags.DEFINE_integer("longest", 0, "sqlite: shrink pictures with a longer side to it first; 0: none.", lower_bound=0)
flags.DEFINE_string("model", "auto", "weights: the network, where a file fits more than one.")
flags.DEFINE_multi_string("set", [], "weights: a hyperparameter, as name=value; may be given several times.")
flags.DEFINE_string("license", None, "weights: what the checkpoint should say about the license of the file.")
flags.DEFINE_enum(
    "layout",
    None,
    ["ours", "official"],
    "weights, from a checkpoint: our names, layer/weight (.npz, .safetensors), or those that the authors' code for "
    "PyTorch has (.pth): EDSR, CARN and WDSR.",
)
flags.DEFINE_list("format", "onnx", "export: one or more of onnx, openvino, litert, saved_model, with commas.")
flags.DEFINE_integer("tile", 128, "export, litert: height and width of its input, in LR pixels.", lower_bound=1)
flags.DEFINE_bool("half", False, "export: weights in float16, half the size.")
flags.DEFINE_bool("image", False, "export: bytes in and bytes out, clipped and rounded in the network.")


def main(argv):
    mode, (convert, _) = chosen(argv[1:])
    if not (FLAGS.indir and FLAGS.outdir):
        raise InputError(f"-i names what to read and -o what to write: convert.py -i FROM -o TO {mode}")
    return convert()


def chosen(words):
    """The mode that was asked for, its function and the flags that it takes."""
    if len(words) != 1 or words[0] not in MODES:
        given = f"{' '.join(words)!r} is not a mode; " if words else "a mode is missing; "
        hint = suggestion(words[0], MODES) if words else ""
        raise InputError(f"{given}{hint}one of {', '.join(MODES)} stands behind the flags")
    mode = words[0]
    for flag in {flag for _, taken in MODES.values() for flag in taken} - set(MODES[mode][1]):
        if FLAGS[flag].present:
            raise InputError(f"--{flag.replace('_', '-')} means nothing to the mode {mode}")
    return mode, MODES[mode]


def to_numpy():
    from wdsr_tf.data.cache import convert_tree

    return tell(convert_tree(FLAGS.indir, FLAGS.outdir, jobs=FLAGS.jobs, verify=FLAGS.verify))


def to_jpeg():
    from wdsr_tf.data.jpeg import jpeg_tree

    return tell(jpeg_tree(FLAGS.indir, FLAGS.outdir, FLAGS.jpeg_quality, jobs=FLAGS.jobs, verify=FLAGS.verify))


def to_pairs():
    from wdsr_tf.data.pairs import make_pairs

    report = make_pairs(
        FLAGS.indir,
        FLAGS.outdir,
        scales(),
        name=FLAGS.name,
        valid=FLAGS.valid,
        lr_patch_size=FLAGS.lr_patch_size,
        jobs=FLAGS.jobs,
        verify=FLAGS.verify,
    )
    return tell(report)


def to_sqlite():
    from wdsr_tf.data.patches import StoreConfig, make_store

    given = FLAGS.scale if FLAGS["scale"].present else ["2"]
    if len(given) != 1 or not given[0].isdecimal() or not 1 <= int(given[0]) <= 16:
        raise InputError(f"a store has one --scale from 1 to 16, not {','.join(given)!r}")
    config = StoreConfig(
        FLAGS.degrade,
        int(given[0]),
        FLAGS.hr_patch_size,
        patches=FLAGS.patches,
        min_bytes=FLAGS.min_bytes,
        grid=FLAGS.grid,
        active_cropping=FLAGS.active_cropping,
        longest=FLAGS.longest,
    )
    return tell(make_store(FLAGS.indir, FLAGS.outdir, config, FLAGS.valid, jobs=FLAGS.jobs))


def to_weights():
    source, target = Path(FLAGS.indir), Path(FLAGS.outdir)
    is_checkpoint = source.suffix == ".keras"
    if is_checkpoint == (target.suffix == ".keras"):
        becomes = "A checkpoint becomes a weight file" if is_checkpoint else "A published file becomes a checkpoint"
        other = source.with_suffix(".npz" if is_checkpoint else ".keras").name
        raise InputError(
            f"one of -i and -o is a checkpoint (.keras), the other a weight file; given were {source.name} and "
            f"{target.name}. {becomes} by: convert.py -i {source} -o {other} weights"
        )
    if target.is_dir():
        raise InputError(f"-o {target} is a folder: name the file to write")
    if target.exists() and source.exists() and target.samefile(source):
        raise InputError(f"-i {source} and -o {target} are one file, which would be lost")
    return from_checkpoint(source, target) if is_checkpoint else to_checkpoint(source, target)


def to_checkpoint(source, target):
    """A published weight file -> a checkpoint."""
    from wdsr_tf.importers import formats, recognize

    if FLAGS["layout"].present:
        raise InputError("--layout says how a checkpoint is written as a weight file; what is read is recognized")
    read = formats.read(source)
    try:
        fitting = recognize.recognize(read.arrays)
        chosen = recognize.choose(fitting, FLAGS.model, one_scale(), dict(map(cli.setting, FLAGS.set)))
    except InputError as error:
        raise InputError(f"{source} ({read.format}): {error}") from error
    cli.say(f"{source}: {read.format}, {len(read.arrays)} tensors: {chosen}")
    if chosen.note:
        cli.say(f"note: {chosen.note}")

    cli.load_keras()
    from wdsr_tf import checkpoint
    from wdsr_tf.importers.import_weights import import_weights

    try:
        model = import_weights(read, chosen, FLAGS.license)
    except InputError as error:
        raise InputError(f"{source}: {error}; nothing is written") from error
    checkpoint.save(model, target)
    cli.say(f"{target}: {model.architecture} x{model.scale}{other_scales(chosen)}")
    cli.say(f"upscale with: python demo.py -m {target} -i PICTURES -o out")
    return 0


def other_scales(chosen):
    """What to say about the scales that a file serves beside the one that was chosen."""
    others = [scale for scale in chosen.scales if scale != chosen.scale]
    if not others:
        return ""
    if chosen.all_in_one:
        return f"; it holds {' and '.join(f'x{scale}' for scale in others)}, too, but runs at x{chosen.scale}"
    return f"; the file serves {' and '.join(f'--scale {scale}' for scale in others)}, too"


def from_checkpoint(source, target):
    """A checkpoint -> a weight file."""
    for flag in ("model", "scale", "set", "license"):
        if FLAGS[flag].present:
            raise InputError(f"--{flag} means nothing where a checkpoint is written as a weight file")
    from wdsr_tf import checkpoint
    from wdsr_tf.importers.export_weights import demand_suffix, export_weights, layout_of

    demand_suffix(target)
    checkpoint.read_config(source)
    cli.load_keras()
    model = checkpoint.load(source)
    layout = FLAGS.layout or layout_of(target)
    count = export_weights(model, target, layout)
    cli.say(f"{target}: {count} arrays of {model.architecture} x{model.scale}")
    scaling = model.hyperparameters.get("res_scaling")
    if scaling and layout == "official":
        cli.say(f"the file does not hold the residual scaling: tell their code that it is {scaling}")
    return 0


def to_export():
    from wdsr_tf import checkpoint
    from wdsr_tf.export import formats

    source, outdir = Path(FLAGS.indir), Path(FLAGS.outdir)
    if source.suffix != ".keras":
        raise InputError(f"-i {source}: checkpoints (.keras) are exported; of a weight file the mode weights makes one")
    names = formats.demand(FLAGS.format)
    if FLAGS["tile"].present and not any(formats.FORMATS[name].is_fixed for name in names):
        raise InputError(f"--tile means nothing to {', '.join(names)}: their networks take pictures of any size")
    if outdir.exists() and not outdir.is_dir():
        raise InputError(f"-o {outdir} is a file: name a folder to write to")
    checkpoint.read_config(source)
    cli.load_keras()
    from wdsr_tf.export.export import Export
    from wdsr_tf.export.report import table
    from wdsr_tf.files import sha256

    export = Export(
        checkpoint.load(source),
        source.stem,
        half=FLAGS.half,
        image=FLAGS.image,
        tile=FLAGS.tile,
        sha256=sha256(source),
    )
    cards, failed = export.write_all(names, outdir)
    for line in table(cards):
        cli.say(line)
    for error in failed:
        print(f"{source}: {error}", file=sys.stderr)
    return 1 if failed else 0


def one_scale():
    """--scale as one number, or None where it is not given."""
    if not FLAGS["scale"].present:
        return None
    if len(FLAGS.scale) != 1 or not FLAGS.scale[0].isdecimal():
        raise InputError(f"a checkpoint has one --scale, not {','.join(FLAGS.scale)!r}")
    return int(FLAGS.scale[0])


def scales():
    """The factors of --scale, in order."""
    if not FLAGS.scale or not all(word.isdecimal() and 2 <= int(word) <= 16 for word in FLAGS.scale):
        raise InputError(f"--scale takes whole factors from 2 to 16 such as 2,3,4, not {','.join(FLAGS.scale)!r}")
    return sorted({int(word) for word in FLAGS.scale})


def tell(report):
    """Prints how the conversion ended; returns the exit code."""
    cli.say(f"{report.done} pictures done, {report.kept} were done before; written to {FLAGS.outdir}")
    if report.removed:
        cli.say(f"{report.removed} pictures removed: they are not in {FLAGS.indir}, or not in that split, any more")
    if report.left_out:
        cli.say(f"{len(report.left_out)} pictures left out:")
    for _, reason in report.left_out:
        cli.say(f"  {reason}")
    if report.failed:
        print(f"{len(report.failed)} pictures failed:", file=sys.stderr)
    for _, reason in report.failed:
        print(f"  {reason}", file=sys.stderr)
    return 1 if report.failed else 0


RUNNING = ("jobs", "verify")
PATCHES = ("degrade", "hr_patch_size", "patches", "min_bytes", "grid", "active_cropping", "longest")
MODES = {
    "numpy": (to_numpy, RUNNING),
    "jpeg": (to_jpeg, ("jpeg_quality", *RUNNING)),
    "pairs": (to_pairs, ("scale", "name", "valid", "lr_patch_size", *RUNNING)),
    "sqlite": (to_sqlite, ("scale", "valid", *PATCHES, "jobs")),
    "weights": (to_weights, ("model", "scale", "set", "license", "layout")),
    "export": (to_export, ("format", "tile", "half", "image")),
}

if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
