"""Ranks networks by PSNR on full-size pictures: python bench.py -i output/models

Networks are checkpoints below --indir, or files of published weights that are named with --models:

    python bench.py --models carn=carn_m.pth edsr=edsr.keras --scale 2 --benchmark Set5 --protocol paper

Pictures are a dataset that convert.py wrote, a benchmark's folder (--benchmark; wdsr_tf/evaluation/datasets.py lists
the layouts), or two plain folders (--lr-dir and --hr-dir). Prints the ranked table and, as the last line, the best model;
writes all figures to --outfile, whose layout stands at the head of wdsr_tf/evaluation/report.py. A network that cannot
be measured is listed with its reason, and the exit code is 1. Pictures are measured in 8 bits and without transparency;
of an animation it is the first one.
"""

import os
import sys
from pathlib import Path

from absl import app, flags

from wdsr_tf.commands import flags as cli
from wdsr_tf.errors import InputError, suggestion

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "indir", "output/models", "A file of any network, or a folder that is searched for checkpoints.", short_name="i"
)
flags.DEFINE_multi_string(
    "models", None, "NAME=FILE, more of them behind it: checkpoints or published weights, ranked under these names."
)
flags.DEFINE_string("outfile", "./bench.json", "Where all figures are written.", short_name="o")
flags.DEFINE_string("csv", None, "Where the means are written as CSV, too.")
flags.DEFINE_string("compare", None, "An earlier bench.json: prints what has changed since.")
flags.DEFINE_string("dataset", "./DIV2K_BIN", "Folder that convert.py wrote.", short_name="d")
flags.DEFINE_string("benchmark", None, "Folder of a benchmark such as Set5, instead of a dataset; of HR alone, too.")
flags.DEFINE_integer(
    "scale", None, "Rank networks of this scale; default: the one they all have.", short_name="s", lower_bound=1
)
flags.DEFINE_string("downgrade", "bicubic", "Which LR, where the folder has several: bicubic, bicubic_jpeg_90, ...")
flags.DEFINE_string("validation_images", None, "Inclusive range of ids, such as 801-900; default: all.")
flags.DEFINE_string("lr_dir", None, "Plain folder of LR pictures, instead of a dataset; needs --hr-dir.")
flags.DEFINE_string("hr_dir", None, "Folder of their HR pictures; may be the same.")
flags.DEFINE_integer("jpeg_quality", None, "Pass LR through JPEG of this quality (1 to 100) in memory.", 1, 100)
flags.DEFINE_bool("self_ensemble", False, "Rank the mean over eight flips and rotations of each picture.")
flags.DEFINE_list("protocol", "seed", "seed, ntire, paper, several with commas, or all; the first one ranks.")

cli.define_retired("gpu_memory_fraction", "frameworks take GPU memory as they need it")


def main(argv):
    from wdsr_tf.evaluation import measure, networks, report

    names = protocols()
    check_outputs()
    found, scale, failed = networks.of_one_scale(contestants(argv[1:]), FLAGS.scale)
    if not found:
        raise InputError(f"no network can be measured:{listed(failed)}")
    earlier = FLAGS.compare and report.read(FLAGS.compare)
    given = measured_on(scale)
    progress = watch(len(given.pairs))
    bicubic, sha256 = measure.measure_bicubic(given, names, progress)
    cli.load_keras()
    rows, broken = measure.measure_networks(found, given, names, progress, complain, FLAGS.self_ensemble)
    failed |= broken
    if not rows:
        raise InputError(f"no network could be measured:{listed(failed)}")

    ranking = report.Ranking(
        rows, bicubic, failed, names, given.names, scale, given.record(), sha256, FLAGS.self_ensemble
    )
    cli.say(ranking.table())
    ranking.write(FLAGS.outfile)
    if FLAGS.csv:
        ranking.write_csv(FLAGS.csv)
    if earlier:
        cli.say("\n".join([f"\nagainst {FLAGS.compare}", *report.differences(earlier, ranking.result())]))
    if failed:
        complain(f"\nwithout a rank:{listed(failed)}")
    cli.say("\nBest PSNR = {:.4f} for model {}".format(*ranking.best))
    return 1 if failed else 0


def contestants(words):
    """The networks that --models and the words behind it name, and those of --indir unless it is left out beside."""
    from wdsr_tf.evaluation import networks

    if words and not FLAGS.models:
        raise InputError(f"{words[0]!r} is not a flag; checkpoints are named with -i, other files with --models")
    found = networks.named([*(FLAGS.models or ()), *words])
    if found and not FLAGS["indir"].present:
        return found
    below = networks.find(FLAGS.indir)
    if twice := {network.name for network in found} & {network.name for network in below}:
        raise InputError(f"--models names {min(twice)!r}, as a file of --indir is called; choose another name")
    return [*found, *below]


def check_outputs():
    """Finds now, not behind an hour of measuring, that --outfile or --csv cannot be written."""
    for name, text in (("outfile", FLAGS.outfile), ("csv", FLAGS.csv)):
        if text is None:
            continue
        path = Path(text)
        if not text or path.is_dir():
            raise InputError(f"--{name} {text}: names a folder, not a file")
        above = next(folder for folder in path.resolve().parents if folder.exists())
        if not above.is_dir() or not os.access(above, os.W_OK):
            raise InputError(f"--{name} {text}: nothing can be written in {above}")
    if FLAGS.csv and Path(FLAGS.csv).resolve() == Path(FLAGS.outfile).resolve():
        raise InputError(f"--csv and --outfile are the same file, {FLAGS.csv}")


def protocols():
    """The names of the protocols that were asked for, each once."""
    from wdsr_tf.evaluation.metrics import PROTOCOLS

    names = list(PROTOCOLS) if FLAGS.protocol == ["all"] else list(dict.fromkeys(FLAGS.protocol))
    for name in names:
        if name not in PROTOCOLS:
            hint = suggestion(name, PROTOCOLS)
            raise InputError(f"there is no protocol {name!r}; {hint}known are {', '.join(PROTOCOLS)} and all")
    if not names:
        raise InputError(f"--protocol names none; known are {', '.join(PROTOCOLS)} and all")
    return names


def measured_on(scale):
    """The full-size pictures to measure on."""
    from wdsr_tf.data.div2k import parse_ids
    from wdsr_tf.evaluation import datasets as pictures

    folders = [flag for flag in ("dataset", "benchmark", "lr_dir", "hr_dir") if FLAGS[flag].present]
    quality, ids = FLAGS.jpeg_quality, FLAGS.validation_images and parse_ids(FLAGS.validation_images)
    if folders in ([], ["dataset"]):
        return pictures.of_dataset(FLAGS.dataset, scale, FLAGS.downgrade, ids, quality)
    downgrade = FLAGS.downgrade if FLAGS["downgrade"].present else None
    if folders == ["benchmark"]:
        return pictures.of_benchmark(FLAGS.benchmark, scale, downgrade, ids, quality)
    if folders != ["lr_dir", "hr_dir"]:
        given = " and ".join(f"--{flag.replace('_', '-')}" for flag in folders)
        raise InputError(
            "pictures come from --dataset, from --benchmark, or from --lr-dir and --hr-dir, which belong together "
            f"(where LR and HR share a folder, name it in both); given is {given}"
        )
    if downgrade:
        raise InputError("--downgrade chooses LR of a dataset or a benchmark; --lr-dir names the folder of LR itself")
    if ids:
        raise InputError("--validation-images chooses from a dataset; of --lr-dir and --hr-dir all pictures are used")
    return pictures.of_two_folders(FLAGS.lr_dir, FLAGS.hr_dir, scale, quality)


def watch(total):
    """Shows on stderr how far a network has got with that many pictures."""
    from tqdm import tqdm

    return lambda samples, name: tqdm(samples, desc=name, total=total, unit="image", leave=False)


def complain(line):
    print(line, file=sys.stderr, flush=True)


def listed(failed):
    return "".join(f"\n  {name}: {reason}" for name, reason in failed.items())


if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
