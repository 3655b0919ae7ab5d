"""Makes datasets: python convert.py -i ./DIV2K -o ./DIV2K_BIN numpy

    numpy   a tree of pictures -> the same tree of uint8 H x W x 3 .npy, which train.py and bench.py read
    jpeg    NAME_LR_bicubic -> NAME_LR_bicubic_jpeg_90: LR pictures with JPEG noise; then numpy
    pairs   any folder of pictures -> a complete dataset of .npy: HR, LR at each --scale, training and validation
    sqlite  any folder of pictures -> a store of patches in one file, which train.py reads; LR by --degrade

What is there already is not made again, also after a run that was killed; -o keeps account of it, in
convert-manifest.jsonl or in the store. Pictures that cannot be read are listed at the end, and the exit code is 1.
"""

import difflib
import sys

from absl import app, flags

from wdsr_tf import cli
from wdsr_tf.errors import InputError

FLAGS = flags.FLAGS

flags.DEFINE_string("indir", None, "Folder of pictures, searched recursively.", short_name="i")
flags.DEFINE_string(
    "outdir",
    None,
    "Folder to write to. jpeg: an LR folder goes to NAME_jpeg_90 in it, or to it where it is so named itself; "
    "where -i is a dataset's root, each LR folder in it does. sqlite: the file to write.",
    short_name="o",
)
flags.DEFINE_integer("jobs", None, "Processes; default: one per core.", lower_bound=1)
flags.DEFINE_bool("verify", False, "Check what is there by its checksum, not by size and header alone.")
flags.DEFINE_integer("jpeg_quality", 75, "jpeg: from 1 to 100.", lower_bound=1, upper_bound=100)
flags.DEFINE_list(
    "scale", "2,3,4", "pairs: factors between LR and HR, with commas; sqlite: one, by default 2.", short_name="s"
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


def main(argv):
    mode, (convert, _) = chosen(argv[1:])
    if not (FLAGS.indir and FLAGS.outdir):
        raise InputError(f"-i names what to read and -o what to write: convert.py -i FROM -o TO {mode}")
    return convert()


def chosen(words):
    """The mode that was asked for, its function and the flags that it takes."""
    if len(words) != 1 or words[0] not in MODES:
        near = difflib.get_close_matches(words[0], MODES, n=1) if words else []
        given = f"{' '.join(words)!r} is not a mode; " if words else "a mode is missing; "
        hint = f"did you mean {near[0]}? " if near else ""
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
    from wdsr_tf.data.make_pairs import make_pairs

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
    from wdsr_tf.data.patches import Making, make_store

    given = FLAGS.scale if FLAGS["scale"].present else ["2"]
    if len(given) != 1 or not given[0].isdecimal() or not 1 <= int(given[0]) <= 16:
        raise InputError(f"a store has one --scale from 1 to 16, not {','.join(given)!r}")
    making = Making(
        FLAGS.degrade,
        int(given[0]),
        FLAGS.hr_patch_size,
        patches=FLAGS.patches,
        min_bytes=FLAGS.min_bytes,
        grid=FLAGS.grid,
        active_cropping=FLAGS.active_cropping,
        longest=FLAGS.longest,
    )
    return tell(make_store(FLAGS.indir, FLAGS.outdir, making, FLAGS.valid, jobs=FLAGS.jobs))


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
}

if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
